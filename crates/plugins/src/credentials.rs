//! The credentials of consumers, whether or not a plugin that knows them is in use.

use std::collections::HashMap;

use sluice_config::{Block, Config, KeyPath, Problem, entity_id, one_of};
use uuid::Uuid;

use crate::plugin::CredentialKind;
use crate::registry::PLUGINS;

/// What stands in the lists of this name.
fn kind_of(list: &str) -> Option<&'static CredentialKind> {
    PLUGINS.iter().filter_map(|kind| kind.credential).find(|kind| kind.list == list)
}

/// The id of a credential: it is written, or follows from where the credential stands.
pub fn credential_id(table: &str, block: &Block) -> Uuid {
    let written = block.text("id").and_then(|id| id.parse().ok());
    written.unwrap_or_else(|| entity_id(table, &block.path().to_string()))
}

/// Everything that is wrong with the credentials of all consumers.
pub fn check_credentials(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut taken: HashMap<(&str, String), &KeyPath> = HashMap::new();
    let entries = config.consumers.iter().flat_map(|consumer| &consumer.credentials);
    for entry in entries {
        let Some(kind) = kind_of(&entry.list) else {
            problems.push(unknown(entry.block.path(), &entry.list));
            continue;
        };
        match (kind.check)(&entry.block) {
            Ok(unique) => {
                if let Some(first) = taken.insert((&entry.list, unique), entry.block.path()) {
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

fn unknown(path: &KeyPath, list: &str) -> Problem {
    let mut key = path.clone();
    key.0.pop();
    let known = ["id", "custom_id", "groups", "tags", "plugins"]
        .into_iter()
        .chain(PLUGINS.iter().filter_map(|kind| Some(kind.credential?.list)));
    Problem::at_key(key, format!("unknown key \"{list}\": neither a consumer's own nor a plugin with credentials"))
        .help(one_of(list, known))
}
