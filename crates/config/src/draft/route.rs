//! Reads `[routes.NAME]`, and finds the service that it names.

use uuid::Uuid;

use super::{At, Reader, id_of};
use crate::diagnostics::Problem;
use crate::entities::{Route, Scope, Stamps};
use crate::file::RouteTable;
use crate::key_path::KeyPath;
use crate::suggest::one_of;
use crate::tree::Table;

impl Reader {
    pub(super) fn route(&mut self, mut at: At<'_>, root: &Table) -> Option<Route> {
        let scope = Scope::Route(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let table: RouteTable = self.take(&at.path, &at.node)?;
        if table.hosts.is_empty() && table.paths.is_empty() && table.methods.is_empty() {
            let problem = Problem::at(at.path.clone(), "must set one of 'methods', 'hosts', 'paths'");
            self.add_of_whole(problem.help("write paths = [\"/\"] for a route that takes everything"));
        }
        for (index, host) in table.hosts.iter().enumerate() {
            if let Err(message) = check_host(host) {
                self.problems.push(Problem::at(at.path.key("hosts").index(index), message));
            }
        }
        let service = table.service.and_then(|name| {
            let id = self.reference(root, "services", &name, at.path.key("service"))?;
            Some((name, id))
        });
        Some(Route {
            id: id_of(table.id, "routes", at.name),
            name: at.name.to_owned(),
            service,
            hosts: table.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            paths: table.paths.into_iter().map(|path| path.0).collect(),
            methods: table.methods.into_iter().map(|method| method.0).collect(),
            strip_path: table.strip_path,
            preserve_host: table.preserve_host,
            tags: table.tags,
            stamps: Stamps::default(),
        })
    }

    /// The id of the entity of this name. One that is there but broken is no dangling reference.
    pub(super) fn reference(&mut self, root: &Table, section: &str, name: &str, path: KeyPath) -> Option<Uuid> {
        let table = root.get(section).and_then(|node| node.table());
        let Some(node) = table.and_then(|table| table.get(name)) else {
            if self.partial {
                return None;
            }
            let names: Vec<&str> = table.map(|table| table.names().collect()).unwrap_or_default();
            let kind = section.trim_end_matches('s').replace('_', " ");
            self.problems.push(Problem::at(path, format!("there is no {kind} \"{name}\"")).help(one_of(name, names)));
            return None;
        };
        let written = node.table().and_then(|table| table.get("id")?.text()?.parse().ok());
        Some(id_of(written, section, name))
    }
}

/// A host is plain, or has one wildcard as its first or last label.
fn check_host(host: &str) -> Result<(), String> {
    let stars = host.matches('*').count();
    let wild = host.starts_with("*.") || host.ends_with(".*");
    if host.is_empty() || host.contains(['/', ' ', ':', '?', '#']) {
        return Err(format!("`{host}` is no host name; write one such as \"example.com\" or \"*.example.com\""));
    }
    if stars > 1 || (stars == 1 && !wild) {
        return Err(format!("`{host}`: a wildcard stands for the first or the last label only"));
    }
    Ok(())
}
