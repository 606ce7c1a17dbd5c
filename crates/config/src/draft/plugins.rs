//! Reads the `plugins` tables of every scope; their options are left to the plugins.

use super::{At, Reader, take_key};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{PluginEntry, RouteProtocol, Scope, Stamps};
use crate::file::PluginTable;
use crate::key_path::KeyPath;
use crate::name::refuse_name;
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
        PluginTable::KEYS.iter().for_each(|key| drop(take_key(&mut node, key)));
        self.check_plugin(&path, &own);
        Some(PluginEntry {
            id: self.id_of(own.id, ("plugins", &path.to_string()), &path),
            name: name.to_owned(),
            instance_name: own.instance_name,
            scope,
            owner: None,
            enabled: own.enabled,
            protocols: own.protocols,
            tags: own.tags,
            block: Block::new(path, node),
            stamps: Stamps::default(),
        })
    }
    fn check_plugin(&mut self, path: &KeyPath, own: &PluginTable) {
        if let Some(name) = &own.instance_name {
            let key = path.key("instance_name");
            if let Some(message) = refuse_name(name) {
                self.problems.push(Problem::at(key, message).help("write one such as \"demo-limit\""));
            } else if let Some(owner) = self.instance_names.insert(name.clone(), path.clone()) {
                self.problems.push(Problem::at(key, format!("the instance_name is that of {owner} already")));
            }
        }
        let key = path.key("protocols");
        let whole = [RouteProtocol::Http, RouteProtocol::Https].iter().all(|protocol| own.protocols.contains(protocol));
        if !whole && !self.problems.iter().any(|known| known.path.below(&key).is_some()) {
            let problem = Problem::at(key, "a plugin for some protocols alone is not available yet");
            self.problems
                .push(problem.help("take it out, or write both http and https: what a request may come by is its route's"));
        }
    }
}
