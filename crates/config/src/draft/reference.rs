//! Finds what one entity names of another.

use std::collections::HashMap;

use uuid::Uuid;

use super::Reader;
use crate::diagnostics::Problem;
use crate::entities::Scope;
use crate::ids::entity_id;
use crate::key_path::KeyPath;
use crate::suggest::one_of;
use crate::tree::Table;

/// The entities of a section by their names, with the ids that are written.
pub(super) type Names = HashMap<String, Option<Uuid>>;

impl Reader {
    /// The id of what plugins of this scope belong to.
    pub(super) fn owner(&mut self, root: &Table, scope: &Scope) -> Option<Uuid> {
        let (section, name) = match scope {
            Scope::Global => return None,
            Scope::Service(name) => ("services", name),
            Scope::Route(name) => ("routes", name),
            Scope::Consumer(name) => ("consumers", name),
            Scope::ConsumerGroup(name) => ("consumer_groups", name),
        };
        self.id_by_name(root, section, name)
    }

    /// The id of the entity of this name. One that is there but broken is no dangling reference.
    pub(super) fn reference(&mut self, root: &Table, section: &'static str, name: &str, path: KeyPath) -> Option<Uuid> {
        let id = self.id_by_name(root, section, name);
        if id.is_none() && !self.partial {
            let names: Vec<&str> = table_of(root, section).map(|table| table.names().collect()).unwrap_or_default();
            let kind = section.trim_end_matches('s').replace('_', " ");
            self.problems.push(Problem::at(path, format!("there is no {kind} \"{name}\"")).help(one_of(name, names)));
        }
        id
    }

    fn id_by_name(&mut self, root: &Table, section: &'static str, name: &str) -> Option<Uuid> {
        let names = self.names.entry(section).or_insert_with(|| names_of(root, section));
        names.get(name).map(|written| written.unwrap_or_else(|| entity_id(section, name)))
    }
}

fn names_of(root: &Table, section: &str) -> Names {
    let entities = table_of(root, section).into_iter().flat_map(|table| &table.0);
    let id = |entity: &Table| entity.get("id")?.text()?.parse().ok();
    entities.map(|(key, node)| (key.name.clone(), node.table().and_then(id))).collect()
}

fn table_of<'a>(root: &'a Table, section: &str) -> Option<&'a Table> {
    root.get(section)?.table()
}
