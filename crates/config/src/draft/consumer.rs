//! Reads `[consumers.NAME]` and `[consumer_groups.NAME]`; what is not a consumer's own is a plugin's list of credentials.

use std::collections::HashMap;

use super::{At, Reader};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{Consumer, ConsumerGroup, CredentialEntry, Scope, Stamps};
use crate::file::{ConsumerGroupTable, ConsumerTable};
use crate::key_path::KeyPath;
use crate::tree::{Table, Value};

impl Reader {
    pub(super) fn consumer(&mut self, mut at: At<'_>, root: &Table) -> Option<Consumer> {
        let scope = Scope::Consumer(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let credentials = self.take_credentials(&mut at);
        let table: ConsumerTable = self.take(&at.path, &at.node)?;
        for (index, group) in table.groups.iter().enumerate() {
            self.reference(root, "consumer_groups", group, at.path.key("groups").index(index));
        }
        Some(Consumer {
            id: self.id_of(table.id, ("consumers", at.name), &at.path),
            username: at.name.to_owned(),
            custom_id: table.custom_id,
            groups: table.groups,
            tags: table.tags,
            credentials,
            stamps: Stamps::default(),
        })
    }

    pub(super) fn consumer_group(&mut self, mut at: At<'_>) -> Option<ConsumerGroup> {
        let scope = Scope::ConsumerGroup(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let table: ConsumerGroupTable = self.take(&at.path, &at.node)?;
        let id = self.id_of(table.id, ("consumer_groups", at.name), &at.path);
        Some(ConsumerGroup { id, name: at.name.to_owned(), tags: table.tags, stamps: Stamps::default() })
    }

    /// Two consumers with one `custom_id` would be one consumer to whoever asks for it.
    pub(super) fn unique_custom_ids(&mut self, consumers: &[Consumer]) {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        for consumer in consumers {
            let Some(custom_id) = &consumer.custom_id else { continue };
            if let Some(owner) = owners.insert(custom_id, &consumer.username) {
                let path = KeyPath::of(["consumers", consumer.username.as_str(), "custom_id"]);
                self.problems.push(Problem::at(path, format!("the custom_id is that of \"{owner}\" already")));
            }
        }
    }

    /// Takes every key that is not a consumer's own: each is a plugin's list of credentials.
    fn take_credentials(&mut self, at: &mut At<'_>) -> Vec<CredentialEntry> {
        let Some(table) = at.node.table_mut() else { return Vec::new() };
        let (own, foreign): (Vec<_>, Vec<_>) = std::mem::take(table)
            .0
            .into_iter()
            .partition(|(key, _)| ["id", "custom_id", "groups", "tags"].contains(&key.name.as_str()));
        *table = Table(own);
        let mut all = Vec::new();
        for (key, node) in foreign {
            let path = at.path.key(&key.name);
            let Value::Array(items) = node.value else {
                let problem = Problem::at_key(path, format!("expected a list of credentials of a plugin \"{}\"", key.name));
                self.problems.push(problem.help("such as key-auth = [{ key = \"…\" }]"));
                continue;
            };
            all.extend(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| CredentialEntry { list: key.name.clone(), block: Block::new(path.index(index), item) }),
            );
        }
        all
    }
}
