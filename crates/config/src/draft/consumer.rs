//! Reads `[consumers.NAME]`; what is not its own is a plugin's list of credentials.

use super::{At, Reader, id_of};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{Consumer, CredentialEntry, Scope, Stamps};
use crate::file::ConsumerTable;
use crate::tree::{Table, Value};

impl Reader {
    pub(super) fn consumer(&mut self, mut at: At<'_>) -> Option<Consumer> {
        let scope = Scope::Consumer(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let credentials = self.take_credentials(&mut at);
        let table: ConsumerTable = self.take(&at.path, &at.node)?;
        Some(Consumer {
            id: id_of(table.id, "consumers", at.name),
            username: at.name.to_owned(),
            custom_id: table.custom_id,
            tags: table.tags,
            credentials,
            stamps: Stamps::default(),
        })
    }

    /// Takes every key that is not a consumer's own: each is a plugin's list of credentials.
    fn take_credentials(&mut self, at: &mut At<'_>) -> Vec<CredentialEntry> {
        let Some(table) = at.node.table_mut() else { return Vec::new() };
        let (own, foreign): (Vec<_>, Vec<_>) =
            std::mem::take(table).0.into_iter().partition(|(key, _)| ["id", "custom_id", "tags"].contains(&key.name.as_str()));
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
                items.into_iter().enumerate().map(|(index, item)| CredentialEntry {
                    plugin: key.name.clone(),
                    block: Block::new(path.index(index), item),
                }),
            );
        }
        all
    }
}
