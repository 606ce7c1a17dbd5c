//! Reads `[services.NAME]`: by its `url`, or by its parts.

use std::net::IpAddr;

use super::{At, Reader};
use crate::diagnostics::Problem;
use crate::entities::{Protocol, Scope, Service, Stamps, is_host_name};
use crate::file::ServiceTable;
use crate::key_path::KeyPath;
use crate::tree::Table;
use crate::values::Millis;

impl Reader {
    pub(super) fn service(&mut self, mut at: At<'_>, root: &Table) -> Option<Service> {
        let scope = Scope::Service(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let table: ServiceTable = self.take(&at.path, &at.node)?;
        let request = table.request_timeout.unwrap_or(Millis(1));
        let timeouts = [
            ("connect", table.connect_timeout),
            ("write", table.write_timeout),
            ("read", table.read_timeout),
            ("request", request),
        ];
        for (kind, _) in timeouts.iter().filter(|(_, timeout)| timeout.0 == 0) {
            let problem = Problem::at(at.path.key(&format!("{kind}_timeout")), "must be at least 1 millisecond");
            self.problems.push(problem);
        }
        let place = self.place_of(&table, &at.path)?;
        if place.port == 0 {
            self.problems.push(Problem::at(at.path.key(if table.url.is_some() { "url" } else { "port" }), "port 0 is nobody's"));
        }
        if let Some(key) = ["url", "path"].into_iter().find(|key| at.node.table().is_some_and(|table| table.get(key).is_some()))
            && place.protocol.is_grpc()
            && place.path.is_some()
        {
            let problem = Problem::at(at.path.key(key), "a service of gRPC has no path: calls name their method by theirs");
            self.problems.push(problem.help("leave the path out"));
        }
        let tls = self.upstream_tls(&table, root, (&at.path, place.protocol));
        Some(Service {
            id: self.id_of(table.id, ("services", at.name), &at.path),
            name: at.name.to_owned(),
            protocol: place.protocol,
            host: place.host,
            port: place.port,
            path: place.path,
            http2: table.http2,
            retries: table.retries,
            connect_timeout: table.connect_timeout,
            write_timeout: table.write_timeout,
            read_timeout: table.read_timeout,
            tls,
            request_timeout: table.request_timeout,
            enabled: table.enabled,
            tags: table.tags,
            stamps: Stamps::default(),
        })
    }

    fn place_of(&mut self, table: &ServiceTable, path: &KeyPath) -> Option<Place> {
        let Some(url) = &table.url else {
            let Some(host) = table.host.clone() else {
                let problem = Problem::at(path.clone(), "required field missing: url");
                self.add_of_whole(problem.help("write url = \"http://127.0.0.1:8080/path\", or `host` and `port`"));
                return None;
            };
            if !is_host_name(&host) && host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_err() {
                let problem = Problem::at(path.key("host"), format!("`{host}` is no host"));
                self.problems.push(problem.help("write a name such as \"example.com\", or an address"));
            }
            let protocol = table.protocol.unwrap_or(Protocol::Http);
            let port = table.port.unwrap_or(protocol.port());
            return Some(Place { protocol, host, port, path: table.path.clone().map(|path| path.0) });
        };
        let parts = [
            ("protocol", table.protocol.is_some()),
            ("host", table.host.is_some()),
            ("port", table.port.is_some()),
            ("path", table.path.is_some()),
        ];
        if let Some((key, _)) = parts.iter().find(|(_, written)| *written) {
            self.problems.push(Problem::at(path.key(key), format!("`url` says the {key} already")).help("write one of the two"));
        }
        let url = &url.0;
        for (what, written) in
            [("a query", url.query().is_some()), ("a fragment", url.fragment().is_some()), ("a user", !url.username().is_empty())]
        {
            if written {
                self.problems.push(Problem::at(path.key("url"), format!("the url of a service has no place for {what}")));
            }
        }
        let protocol = Protocol::of_scheme(url.scheme())?;
        let host = url.host_str()?.to_owned();
        let path = Some(url.path()).filter(|path| !matches!(*path, "" | "/")).map(str::to_owned);
        Some(Place { protocol, host, port: url.port().unwrap_or(protocol.port()), path })
    }
}

/// Where a service is.
struct Place {
    protocol: Protocol,
    host: String,
    port: u16,
    path: Option<String>,
}
