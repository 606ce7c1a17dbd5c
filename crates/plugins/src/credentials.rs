//! Checks the credentials of consumers, whether or not a plugin that knows them is in use.

use std::collections::HashMap;

use sluice_config::{Config, KeyPath, Problem, one_of};

use crate::registry::PLUGINS;

/// Everything that is wrong with the credentials of all consumers.
pub fn check_credentials(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken: HashMap<(&str, String), &KeyPath> = HashMap::new();
    let entries = config.consumers.iter().flat_map(|consumer| &consumer.credentials);
    for entry in entries {
        let kind = PLUGINS.iter().find(|kind| kind.name == entry.plugin).and_then(|kind| kind.credential);
        let Some(kind) = kind else {
            problems.push(unknown(entry.block.path(), &entry.plugin));
            continue;
        };
        match (kind.check)(&entry.block) {
            Ok(unique) => {
                if let Some(first) = taken.insert((&entry.plugin, unique), entry.block.path()) {
                    problems.push(
                        entry.block.problem(format!("this credential is that of {first} already")).help("credentials are unique"),
                    );
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    problems.dedup();
    problems
}

fn unknown(path: &KeyPath, plugin: &str) -> Problem {
    let mut key = path.clone();
    key.0.pop();
    let known = ["id", "custom_id", "tags", "plugins"]
        .into_iter()
        .chain(PLUGINS.iter().filter(|kind| kind.credential.is_some()).map(|kind| kind.name));
    Problem::at_key(key, format!("unknown key \"{plugin}\": neither a consumer's own nor a plugin with credentials"))
        .help(one_of(plugin, known))
}
