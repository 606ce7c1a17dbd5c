//! A configuration with everything built that it asks for, ready to be swapped in; or every problem that it has.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_config::{Config, Diagnostics, Environment, Source, read_all};
use sluice_events::Bus;
use sluice_hooks::{Hook, Network};
use sluice_plugins::{Consumers, Limiters};
use sluice_proxy::{Doors, Snapshot};

/// What one swap puts into force.
pub struct Prepared {
    pub config: Config,
    pub snapshot: Snapshot,
    pub hooks: Vec<Hook>,
    pub network: Network,
}

/// What is in force.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    pub config: &'a Config,
    pub snapshot: &'a Snapshot,
}

/// Reads the files and builds all of it. Nothing that runs is touched.
pub fn prepare(
    files: Vec<Source>,
    env: &dyn Environment,
    (before, now): (Option<Before<'_>>, u64),
    (bus, limiters): (&Arc<Bus>, &Limiters),
) -> Result<Prepared, Diagnostics> {
    let mut draft = read_all(files, env);
    draft.config.stamp(before.map(|before| before.config), now);
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
    let old = before.map(|before| (before.config, before.snapshot.doors()));
    let (doors, problems) = Doors::build(&draft.config, old, i64::try_from(now).unwrap_or(i64::MAX));
    draft.problems.extend(problems);
    let config = draft.finish()?;
    let snapshot = Snapshot::build(&config, &plugins, (doors, bus), before.map(|before| before.snapshot));
    Ok(Prepared { config, snapshot, hooks, network })
}

/// Reads and builds for the sake of the problems alone.
pub fn find_problems(files: Vec<Source>, env: &dyn Environment) -> Result<Config, Diagnostics> {
    prepare(files, env, (None, now()), (&Arc::default(), &Limiters::default())).map(|prepared| prepared.config)
}

/// The time in Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
