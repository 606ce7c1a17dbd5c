//! A configuration with everything built that it asks for, ready to be swapped in; or every problem that it has.

use std::sync::Arc;

use sluice_config::{Config, Diagnostics, Environment, Source, read};
use sluice_events::Bus;
use sluice_hooks::{Hook, Network};
use sluice_plugins::{Consumers, Limiters};
use sluice_proxy::Snapshot;

/// What one swap puts into force.
pub struct Prepared {
    pub config: Config,
    pub snapshot: Snapshot,
    pub hooks: Vec<Hook>,
    pub network: Network,
}

/// Reads the source and builds all of it. Nothing that runs is touched.
pub fn prepare(
    source: Source,
    env: &dyn Environment,
    (previous, now): (Option<(&Config, &Snapshot)>, u64),
    (bus, limiters): (&Arc<Bus>, &Limiters),
) -> Result<Prepared, Diagnostics> {
    let mut draft = read(source, env);
    draft.config.stamp(previous.map(|(config, _)| config), now);
    let consumers = Consumers::new(&draft.config);
    let plugins = sluice_plugins::build(&draft.config, &consumers, bus, limiters);
    let plugins = plugins.unwrap_or_else(|problems| {
        draft.problems.extend(problems);
        Vec::new()
    });
    let (network, problems) = Network::new(&draft.config.hooks);
    draft.problems.extend(problems);
    let (hooks, problems) = sluice_hooks::build(&draft.config.event_hooks, &network.egress);
    draft.problems.extend(problems);
    let config = draft.finish()?;
    let snapshot = Snapshot::build(&config, &plugins, bus, previous.map(|(_, snapshot)| snapshot));
    Ok(Prepared { config, snapshot, hooks, network })
}

/// Reads and builds for the sake of the problems alone.
pub fn find_problems(source: Source, env: &dyn Environment) -> Result<Config, Diagnostics> {
    prepare(source, env, (None, 0), (&Arc::default(), &Limiters::default())).map(|prepared| prepared.config)
}
