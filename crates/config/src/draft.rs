//! From a file to a configuration: reads every table, checks references, and collects what is wrong on the way.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::block::Block;
use crate::diagnostics::{Diagnostics, Problem};
use crate::document::Document;
use crate::entities::{
    Admin, Config, Consumer, CredentialEntry, EventHook, PluginEntry, Protocol, Route, Scope, Server, Service, Stamps,
};
use crate::file::{AdminTable, ConsumerTable, EventHookTable, PluginTable, RouteTable, ServerTable, ServiceTable};
use crate::ids::entity_id;
use crate::interpolate::Environment;
use crate::key_path::KeyPath;
use crate::source::Source;
use crate::suggest::one_of;
use crate::tree::{Node, Table, Value};

/// The tables of the top level.
pub(crate) const SECTIONS: &[&str] = &["server", "admin", "services", "routes", "consumers", "plugins", "event_hooks"];

/// Keys that a later version will know: refused by name, so that nobody believes they work.
const LATER: &[(&str, &str)] = &[
    ("", "upstreams"),
    ("", "certificates"),
    ("", "include"),
    ("server", "tls"),
    ("routes", "headers"),
    ("routes", "snis"),
    ("routes", "sources"),
    ("routes", "protocols"),
    ("routes", "regex_priority"),
    ("event_hooks", "events"),
    ("event_hooks", "filter"),
    ("event_hooks", "digest"),
    ("event_hooks", "format"),
    ("event_hooks", "rate"),
];

/// A configuration that may have mistakes still: whoever owns plugins and handlers adds what is wrong with theirs.
pub struct Draft {
    /// What could be read.
    pub config: Config,
    /// Where it was read from.
    pub document: Arc<Document>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
}

impl Draft {
    /// The configuration, if nothing was found wrong with it.
    pub fn finish(self) -> Result<Config, Diagnostics> {
        if self.problems.is_empty() { Ok(self.config) } else { Err(Diagnostics::locate(self.problems, &self.document)) }
    }
}

/// Reads a configuration file.
pub fn read(source: Source, env: &dyn Environment) -> Draft {
    let (document, problems) = Document::parse(source, env);
    let mut reader = Reader { partial: !problems.is_empty(), problems, plugins: Vec::new() };
    let root = document.root();
    reader.check_sections(root);
    let server = reader.server(root);
    let admin = reader.admin(root);
    let services = reader.entities(root, "services", Reader::service);
    let routes = reader.entities(root, "routes", |reader, at| reader.route(at, root));
    let consumers = reader.entities(root, "consumers", Reader::consumer);
    reader.plugins_of(root, &KeyPath::default(), &Scope::Global);
    let event_hooks = reader.entities(root, "event_hooks", Reader::event_hook);
    reader.unique_ids("services", services.iter().map(|entity| (&entity.name, entity.id)));
    reader.unique_ids("routes", routes.iter().map(|entity| (&entity.name, entity.id)));
    reader.unique_ids("consumers", consumers.iter().map(|entity| (&entity.username, entity.id)));
    reader.unique_ids("event_hooks", event_hooks.iter().map(|entity| (&entity.name, entity.id)));
    let plugins = reader.plugins;
    let config = Config { server, admin, services, routes, consumers, plugins, event_hooks };
    Draft { config, document: Arc::new(document), problems: reader.problems }
}

struct Reader {
    /// Whether the file is broken, so that what is not found may be there all the same.
    partial: bool,
    problems: Vec<Problem>,
    plugins: Vec<PluginEntry>,
}

/// An entity's table on its way to becoming one.
struct At<'a> {
    name: &'a str,
    path: KeyPath,
    node: Node,
}

impl Reader {
    fn check_sections(&mut self, root: &Table) {
        for key in root.names() {
            if !SECTIONS.contains(&key) && !self.refuse_later("", key, &KeyPath::default()) {
                let problem = Problem::at_key(KeyPath::of([key]), format!("unknown key \"{key}\""));
                self.problems.push(problem.help(one_of(key, SECTIONS.iter().copied())));
            }
        }
    }

    /// Two entities with one id would be one entity to whoever asks for it.
    fn unique_ids<'a>(&mut self, section: &str, entities: impl Iterator<Item = (&'a String, Uuid)>) {
        let mut owners: HashMap<Uuid, &String> = HashMap::new();
        for (name, id) in entities {
            if let Some(owner) = owners.insert(id, name) {
                let problem = Problem::at(KeyPath::of([section, name, "id"]), format!("the id is that of \"{owner}\" already"));
                self.problems.push(problem.help("write another, or none: it is made from the name"));
            }
        }
    }

    fn refuse_later(&mut self, section: &str, key: &str, path: &KeyPath) -> bool {
        let later = LATER.contains(&(section, key));
        if later {
            let problem = Problem::at(path.key(key), format!("`{key}` is not available yet"));
            self.problems.push(problem.help("take it out; the README's table says what is there"));
        }
        later
    }

    fn server(&mut self, root: &Table) -> Server {
        let table: ServerTable = self.section(root, "server").unwrap_or_default();
        if table.listen.is_empty() {
            self.problems.push(Problem::at(KeyPath::of(["server", "listen"]), "needs at least one address"));
        }
        Server {
            listen: table.listen.into_iter().map(|address| address.0).collect(),
            threads: table.threads,
            trusted_proxies: table.trusted_proxies.into_iter().map(|proxy| proxy.0).collect(),
            state_dir: table.state_dir,
            shutdown_timeout: table.shutdown_timeout.duration(),
        }
    }

    fn admin(&mut self, root: &Table) -> Admin {
        let table: AdminTable = self.section(root, "admin").unwrap_or_default();
        let token = Some(table.token).filter(|token| !token.is_empty());
        if token.is_none() && !table.listen.0.ip().is_loopback() {
            let problem = Problem::at(KeyPath::of(["admin", "listen"]), "without a token the Admin API listens on loopback only");
            self.problems.push(problem.help("write a `token`, or listen on 127.0.0.1"));
        }
        Admin { listen: table.listen.0, token, write_back: table.write_back }
    }

    /// Reads a single table of the top level, without what a later version will know.
    fn section<T: DeserializeOwned>(&mut self, root: &Table, name: &str) -> Option<T> {
        let path = KeyPath::of([name]);
        let node = self.without_later(root.get(name)?.clone(), name, &path);
        self.take(&path, &node)
    }

    /// Reads every entity of a section; one that is broken is left out, and said to be broken.
    fn entities<T>(&mut self, root: &Table, section: &str, mut build: impl FnMut(&mut Self, At<'_>) -> Option<T>) -> Vec<T> {
        let Some(node) = root.get(section) else { return Vec::new() };
        let Some(table) = node.table() else {
            let problem = Problem::at(KeyPath::of([section]), "expected tables, one for each name");
            self.problems.push(problem.help(format!("write [{section}.NAME]")));
            return Vec::new();
        };
        let mut all = Vec::with_capacity(table.0.len());
        for (key, node) in &table.0 {
            let path = KeyPath::of([section, &key.name]);
            let node = self.without_later(node.clone(), section, &path);
            all.extend(build(self, At { name: &key.name, path, node }));
        }
        all
    }

    fn without_later(&mut self, mut node: Node, section: &str, path: &KeyPath) -> Node {
        if let Some(table) = node.table_mut() {
            table.0.retain(|(key, _)| !self.refuse_later(section, &key.name, path));
        }
        node
    }

    fn service(&mut self, mut at: At<'_>) -> Option<Service> {
        let scope = Scope::Service(at.name.to_owned());
        self.take_plugins(&mut at, &scope);
        let table: ServiceTable = self.take(&at.path, &at.node)?;
        let place = self.place_of(&table, &at.path)?;
        Some(Service {
            id: id_of(table.id, "services", at.name),
            name: at.name.to_owned(),
            protocol: place.protocol,
            host: place.host,
            port: place.port,
            path: place.path,
            retries: table.retries,
            connect_timeout: table.connect_timeout,
            write_timeout: table.write_timeout,
            read_timeout: table.read_timeout,
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
            let protocol = table.protocol.unwrap_or(Protocol::Http);
            let port = table.port.unwrap_or(if protocol == Protocol::Https { 443 } else { 80 });
            return Some(Place { protocol, host, port, path: table.path.clone().map(|path| path.0) });
        };
        let parts = [("protocol", table.protocol.is_some()), ("host", table.host.is_some()), ("port", table.port.is_some()), ("path", table.path.is_some())];
        if let Some((key, _)) = parts.iter().find(|(_, written)| *written) {
            self.problems.push(Problem::at(path.key(key), format!("`url` says the {key} already")).help("write one of the two"));
        }
        let url = &url.0;
        for (what, written) in [("a query", url.query().is_some()), ("a fragment", url.fragment().is_some()), ("a user", !url.username().is_empty())] {
            if written {
                self.problems.push(Problem::at(path.key("url"), format!("the url of a service has no place for {what}")));
            }
        }
        let protocol = if url.scheme() == "https" { Protocol::Https } else { Protocol::Http };
        let host = url.host_str()?.to_owned();
        Some(Place { protocol, host, port: url.port_or_known_default()?, path: (url.path() != "/").then(|| url.path().to_owned()) })
    }

    fn route(&mut self, mut at: At<'_>, root: &Table) -> Option<Route> {
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
    fn reference(&mut self, root: &Table, section: &str, name: &str, path: KeyPath) -> Option<Uuid> {
        let table = root.get(section).and_then(|node| node.table());
        let Some(node) = table.and_then(|table| table.get(name)) else {
            if self.partial {
                return None;
            }
            let names: Vec<&str> = table.map(|table| table.names().collect()).unwrap_or_default();
            let kind = section.trim_end_matches('s');
            self.problems.push(Problem::at(path, format!("there is no {kind} \"{name}\"")).help(one_of(name, names)));
            return None;
        };
        let written = node.table().and_then(|table| table.get("id")?.text()?.parse().ok());
        Some(id_of(written, section, name))
    }

    fn consumer(&mut self, mut at: At<'_>) -> Option<Consumer> {
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
            all.extend(items.into_iter().enumerate().map(|(index, item)| CredentialEntry {
                plugin: key.name.clone(),
                block: Block::new(path.index(index), item),
            }));
        }
        all
    }

    fn event_hook(&mut self, mut at: At<'_>) -> Option<EventHook> {
        let config = take_key(&mut at.node, "config").unwrap_or_else(|| Block::empty(at.path.key("config")).into_node());
        let table: EventHookTable = self.take(&at.path, &at.node)?;
        if table.concurrency == Some(0) {
            self.problems.push(Problem::at(at.path.key("concurrency"), "must be at least 1"));
        }
        Some(EventHook {
            id: id_of(table.id, "event_hooks", at.name),
            name: at.name.to_owned(),
            source: table.source,
            event: table.event,
            handler: table.handler,
            on_change: table.on_change,
            snooze: table.snooze,
            enabled: table.enabled,
            timeout: table.timeout,
            retry: table.retry.map(|retry| retry.schedule),
            concurrency: table.concurrency,
            secrets: table.secrets,
            tags: table.tags,
            config: Block::new(at.path.key("config"), config),
            path: at.path,
            stamps: Stamps::default(),
        })
    }

    fn take_plugins(&mut self, at: &mut At<'_>, scope: &Scope) {
        let Some(table) = at.node.table_mut() else { return };
        self.plugins_of(table, &at.path, scope);
        table.remove("plugins");
    }

    fn plugins_of(&mut self, table: &Table, path: &KeyPath, scope: &Scope) {
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

    /// Notes what an entity lacks, unless it has that and it could not be read.
    fn add_of_whole(&mut self, problem: Problem) {
        if !self.problems.iter().any(|known| known.path.below(&problem.path).is_some()) {
            self.problems.push(problem);
        }
    }

    /// Reads a table as far as it can be read, and notes what is wrong with it.
    fn take<T: DeserializeOwned>(&mut self, path: &KeyPath, node: &Node) -> Option<T> {
        let (value, problems) = Block::new(path.clone(), node.clone()).read_on();
        self.problems.extend(problems);
        value
    }
}

/// Where a service is.
struct Place {
    protocol: Protocol,
    host: String,
    port: u16,
    path: Option<String>,
}

fn id_of(written: Option<Uuid>, kind: &str, name: &str) -> Uuid {
    written.unwrap_or_else(|| entity_id(kind, name))
}

fn take_key(node: &mut Node, key: &str) -> Option<Node> {
    node.table_mut()?.remove(key)
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
