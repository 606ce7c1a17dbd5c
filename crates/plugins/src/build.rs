//! Builds plugins from a configuration, and collects what is wrong with all of them.

use std::sync::Arc;

use sluice_config::{Config, PluginEntry, Problem, Scope, one_of};

use crate::credentials::check_credentials;
use crate::plugin::{BuildCx, Kind, Plugin};
use crate::registry::{PLUGINS, plugin};
use crate::{Consumers, Limiters};

/// A plugin with its options and the place where it applies.
#[derive(Clone)]
pub struct Built {
    /// What it is.
    pub kind: &'static Kind,
    /// Where it applies.
    pub scope: Scope,
    /// What it does.
    pub plugin: Arc<dyn Plugin>,
}

/// Builds every plugin of the configuration that is switched on. One that cannot be built stops all: it never vanishes.
pub fn build(
    config: &Config,
    consumers: &Consumers,
    bus: &Arc<sluice_events::Bus>,
    limiters: &Limiters,
) -> Result<Vec<Built>, Vec<Problem>> {
    limiters.tell(bus);
    let mut problems = check_credentials(config);
    let mut built = Vec::new();
    for entry in &config.plugins {
        match build_one(entry, consumers, bus, limiters) {
            Ok(one) if entry.enabled => built.push(one),
            // What is switched off must be right all the same: somebody will switch it on.
            Ok(_) => {}
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(built) } else { Err(problems) }
}

fn build_one(
    entry: &PluginEntry,
    consumers: &Consumers,
    bus: &Arc<sluice_events::Bus>,
    limiters: &Limiters,
) -> Result<Built, Vec<Problem>> {
    let Some(kind) = plugin(&entry.name) else {
        let problem = Problem::at_key(entry.block.path().clone(), format!("there is no plugin \"{}\"", entry.name));
        return Err(vec![problem.help(one_of(&entry.name, PLUGINS.iter().map(|kind| kind.name)))]);
    };
    if matches!(entry.scope, Scope::Consumer(_) | Scope::ConsumerGroup(_)) && !kind.consumer_scope {
        let message = format!("`{}` cannot stand under a consumer: it is for all who call", kind.name);
        return Err(vec![Problem::at_key(entry.block.path().clone(), message).help("write it under a service or a route")]);
    }
    let plugin = (kind.build)(&BuildCx { block: &entry.block, consumers, bus, limiters })?;
    Ok(Built { kind, scope: entry.scope.clone(), plugin })
}
