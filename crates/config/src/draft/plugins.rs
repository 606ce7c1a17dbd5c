//! Reads the `plugins` tables of every scope; their options are left to the plugins.

use super::{At, Reader, take_key};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{PluginEntry, Scope, Stamps};
use crate::file::PluginTable;
use crate::ids::entity_id;
use crate::key_path::KeyPath;
use crate::tree::{Node, Table};

impl Reader {
    pub(super) fn take_plugins(&mut self, at: &mut At<'_>, scope: &Scope) {
        let Some(table) = at.node.table_mut() else { return };
        self.plugins_of(table, &at.path, scope);
        table.remove("plugins");
    }

    pub(super) fn plugins_of(&mut self, table: &Table, path: &KeyPath, scope: &Scope) {
        let Some(node) = table.get("plugins") else { return };
        let path = path.key("plugins");
        let Some(table) = node.table() else {
            self.problems.push(Problem::at(path, "expected tables, one for each plugin"));
            return;
        };
        for (key, node) in &table.0 {
            let plugin = self.plugin(&key.name, node.clone(), path.key(&key.name), scope.clone());
            self.plugins.extend(plugin);
        }
    }

    fn plugin(&mut self, name: &str, mut node: Node, path: KeyPath, scope: Scope) -> Option<PluginEntry> {
        let own: PluginTable = self.take(&path, &node)?;
        take_key(&mut node, "enabled");
        Some(PluginEntry {
            id: entity_id("plugins", &path.to_string()),
            name: name.to_owned(),
            scope,
            enabled: own.enabled,
            block: Block::new(path, node),
            stamps: Stamps::default(),
        })
    }
}
