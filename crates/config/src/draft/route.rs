//! Reads `[routes.NAME]`, checks each of its conditions, and finds the service that it names.

use super::{At, Reader};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{Route, RouteProtocol, RouteSource, Scope, Stamps};
use crate::file::RouteTable;
use crate::key_path::KeyPath;
use crate::tree::Table;
use crate::values::network;
use crate::{host, route_path};

impl Reader {
    pub(super) fn route(&mut self, mut at: At<'_>, root: &Table) -> Option<Route> {
        let scope = Scope::Route(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let mut table = self.route_table(&at)?;
        self.check_protocols(&at.path, &table);
        self.check_conditions(&at.path, &table);
        let sources = self.sources(&at.path, &table);
        let service = table.service.take().and_then(|name| {
            let id = self.reference(root, "services", &name, at.path.key("service"))?;
            Some((name, id))
        });
        Some(Route {
            id: self.id_of(table.id, ("routes", at.name), &at.path),
            name: at.name.to_owned(),
            service,
            https_redirect_status_code: table.https_redirect_status_code,
            hosts: table.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            paths: table.paths,
            regex_priority: table.regex_priority,
            methods: table.methods.into_iter().map(|method| method.0).collect(),
            headers: table.headers,
            snis: table.snis.iter().map(|sni| sni.to_ascii_lowercase()).collect(),
            sources,
            strip_path: table.strip_path.unwrap_or(!is_grpc(&table.protocols)),
            protocols: table.protocols,
            path_handling: table.path_handling,
            preserve_host: table.preserve_host,
            request_buffering: table.request_buffering,
            response_buffering: table.response_buffering,
            tags: table.tags,
            stamps: Stamps::default(),
        })
    }

    /// The table of a route. A list with nothing good in it is left out, so that all else can be checked.
    fn route_table(&mut self, at: &At<'_>) -> Option<RouteTable> {
        let known = self.problems.len();
        if let Some(table) = self.take(&at.path, &at.node) {
            return Some(table);
        }
        let mut node = at.node.clone();
        let below = self.problems[known..].iter().filter_map(|problem| problem.path.below(&at.path));
        for key in below.filter_map(|path| path.0.into_iter().next()) {
            node.remove(&[key]);
        }
        Block::new(at.path.clone(), node).read().ok()
    }

    /// What a route may be asked by, and what goes with it.
    fn check_protocols(&mut self, path: &KeyPath, table: &RouteTable) {
        let protocols = &table.protocols;
        let key = path.key("protocols");
        let grpc = is_grpc(protocols);
        let http = protocols.iter().any(|protocol| matches!(protocol, RouteProtocol::Http | RouteProtocol::Https));
        if protocols.is_empty() {
            self.add_of_whole(Problem::at(key, "length must be at least 1").help("leave it out for [\"http\", \"https\"]"));
        } else if grpc && http {
            let problem = Problem::at(key, "these sets are mutually exclusive: ('http', 'https'), ('grpc', 'grpcs')");
            self.problems.push(problem.help("write a route for each"));
        }
        if grpc && table.strip_path == Some(true) {
            let message = "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'";
            self.problems.push(Problem::at(path.key("strip_path"), message).help("a gRPC path names a method; take it out"));
        }
        if grpc && !table.methods.is_empty() {
            let message = "cannot set 'methods' when 'protocols' is 'grpc' or 'grpcs'";
            self.problems.push(Problem::at(path.key("methods"), message).help("every gRPC call is a POST; take it out"));
        }
        if !table.snis.is_empty() && !protocols.is_empty() && !protocols.iter().any(|protocol| protocol.is_secure()) {
            let problem = Problem::at(path.key("snis"), "'snis' can only be set when 'protocols' is 'grpcs' or 'https'");
            self.problems.push(problem.help("without TLS there is no SNI; add one of them, or take `snis` out"));
        }
        if ![426, 301, 302, 307, 308].contains(&table.https_redirect_status_code) {
            let problem = Problem::at(path.key("https_redirect_status_code"), "expected one of: 426, 301, 302, 307, 308");
            self.problems.push(problem);
        }
    }

    /// What a request is matched by: something, and each of it possible.
    fn check_conditions(&mut self, path: &KeyPath, table: &RouteTable) {
        let RouteTable { hosts, paths, methods, headers, snis, sources, .. } = table;
        let counts = [hosts.len(), paths.len(), methods.len(), headers.len(), snis.len(), sources.len()];
        if counts.iter().all(|count| *count == 0) {
            let list = "must set one of 'methods', 'hosts', 'headers', 'paths', 'snis', 'sources'";
            let problem = Problem::at(path.clone(), format!("{list} when 'protocols' is '{}'", asked_by(&table.protocols)));
            self.add_of_whole(problem.help("write paths = [\"/\"] for a route that takes everything"));
        }
        for (index, host) in hosts.iter().enumerate() {
            if let Some(message) = host::refuse_host(host) {
                let problem = Problem::at(path.key("hosts").index(index), message);
                self.problems.push(problem.help("write one such as \"example.com\", \"*.example.com\" or \"example.com:8000\""));
            }
        }
        for (index, text) in paths.iter().enumerate() {
            let at = path.key("paths").index(index);
            self.problems.extend(route_path::refuse_path(text).map(|refusal| refusal.at(at)));
        }
        for (index, sni) in snis.iter().enumerate() {
            let refused = host::refuse_host(sni).or_else(|| refuse_sni(sni));
            let place = path.key("snis").index(index);
            self.problems.extend(refused.map(|message| Problem::at(place, message).help("write a name such as \"example.com\"")));
        }
        self.check_headers(path, table);
    }

    fn check_headers(&mut self, path: &KeyPath, table: &RouteTable) {
        for (name, values) in &table.headers {
            let at = path.key("headers").key(name);
            if name.eq_ignore_ascii_case("host") {
                let message = "cannot contain 'host' header, which must be specified in the 'hosts' attribute";
                self.problems.push(Problem::at_key(at, message).help("write hosts = [\"example.com\"]"));
                continue;
            }
            if name.is_empty() || !name.bytes().all(route_path::is_token) {
                let message = format!("bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'");
                self.problems.push(Problem::at_key(at, message));
                continue;
            }
            if values.is_empty() {
                let problem = Problem::at(at, "length must be at least 1");
                self.add_of_whole(problem.help("write what the header may be, or \"~*.\" for anything"));
                continue;
            }
            for (index, value) in values.iter().enumerate() {
                self.problems.extend(route_path::refuse_value(value).map(|refusal| refusal.at(at.index(index))));
            }
        }
    }

    fn sources(&mut self, path: &KeyPath, table: &RouteTable) -> Vec<RouteSource> {
        let mut all = Vec::new();
        for (index, source) in table.sources.iter().enumerate() {
            let at = path.key("sources").index(index);
            if source.ip.is_none() && source.port.is_none() {
                let problem = Problem::at(at.clone(), "at least one of these fields must be non-empty: 'ip', 'port'");
                self.add_of_whole(problem.help("write { ip = \"10.0.0.0/8\" }"));
            }
            let ip = match source.ip.as_deref().map(network) {
                Some(Ok(net)) => Some(net.trunc()),
                Some(Err(message)) => {
                    self.problems.push(Problem::at(at.key("ip"), message));
                    continue;
                }
                None => None,
            };
            all.push(RouteSource { ip, port: source.port });
        }
        all
    }
}

fn is_grpc(protocols: &[RouteProtocol]) -> bool {
    protocols.iter().any(|protocol| matches!(protocol, RouteProtocol::Grpc | RouteProtocol::Grpcs))
}

/// The protocol that Kong names when it says what a route lacks.
fn asked_by(protocols: &[RouteProtocol]) -> &'static str {
    match protocols {
        _ if protocols.contains(&RouteProtocol::Https) => "https",
        _ if protocols.contains(&RouteProtocol::Grpcs) => "grpcs",
        _ if protocols.contains(&RouteProtocol::Grpc) => "grpc",
        _ => "http",
    }
}

fn refuse_sni(sni: &str) -> Option<String> {
    let (host, port) = host::split_host(sni);
    if port.is_some() {
        return Some("must not have a port".to_owned());
    }
    host.parse::<std::net::IpAddr>().is_ok().then(|| "must not be an IP".to_owned())
}
