//! From a file to a configuration: reads every table, checks references, and collects what is wrong on the way.

mod admin;
mod certificate;
mod clients;
mod consumer;
mod event_hook;
mod plugins;
mod reference;
mod route;
mod server;
mod service;
mod upstream;
mod upstream_tls;

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::block::Block;
use crate::diagnostics::{Diagnostics, Problem};
use crate::document::Document;
use crate::entities::{AccessLog, Config, Limits, PluginEntry, Scope};
use crate::file::{AccessLogTable, HooksTable, LimitsTable};
use crate::ids::entity_id;
use crate::interpolate::Environment;
use crate::key_path::KeyPath;
use crate::source::Source;
use crate::suggest::one_of;
use crate::tree::{Node, Table};

/// How many mistakes are looked for.
const ENOUGH: usize = 1000;

/// What stands at the top of the main file alone.
pub(crate) const SETTINGS: &[&str] = &["include", "server", "admin", "access_log", "limits", "hooks"];

/// The tables of entities: they may stand in any file.
pub(crate) const ENTITIES: &[&str] = &[
    "services",
    "upstreams",
    "routes",
    "consumers",
    "consumer_groups",
    "certificates",
    "ca_certificates",
    "plugins",
    "event_hooks",
];

/// Keys that a later version will know: refused by name, so that nobody believes they work.
const LATER: &[(&str, &str)] = &[
    ("services", "tls_verify_depth"),
    ("certificates", "cert_alt"),
    ("certificates", "key_alt"),
    ("routes", "destinations"),
    ("routes", "expression"),
    ("routes", "priority"),
    ("upstreams", "client_certificate"),
    ("upstreams", "hash_on_uri_capture"),
    ("upstreams", "hash_fallback_uri_capture"),
    ("upstreams", "sticky_sessions_cookie"),
    ("upstreams", "sticky_sessions_cookie_path"),
    ("upstreams", "use_srv_name"),
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

/// Reads a configuration of one file.
pub fn read(source: Source, env: &dyn Environment) -> Draft {
    read_all(vec![source], env)
}

/// Reads a configuration: the main file, and behind it those that it includes.
pub fn read_all(sources: Vec<Source>, env: &dyn Environment) -> Draft {
    let (document, problems) = Document::parse(sources, env);
    let mut reader = Reader { partial: !problems.is_empty(), problems, ..Reader::default() };
    let root = document.root();
    reader.check_sections(root);
    reader.check_include(root);
    let server = reader.server(root);
    let (admin, places) = reader.admin(root);
    reader.check_addresses(&server, places);
    let limits = reader.limits(root);
    let hooks = reader.section::<HooksTable>(root, "hooks").unwrap_or_default().into_hooks();
    let access_log = reader.access_log(root);
    let certificates = reader.entities(root, "certificates", |reader, at| reader.certificate(&at, env));
    let snis = reader.all_snis(&certificates);
    let ca_certificates = reader.entities(root, "ca_certificates", |reader, at| reader.ca_certificate(&at, env));
    let services = reader.entities(root, "services", |reader, at| reader.service(at, root));
    let (upstreams, targets): (Vec<_>, Vec<_>) =
        reader.entities(root, "upstreams", |reader, at| reader.upstream(&at)).into_iter().unzip();
    let targets = targets.concat();
    let routes = reader.entities(root, "routes", |reader, at| reader.route(at, root));
    let consumers = reader.entities(root, "consumers", |reader, at| reader.consumer(at, root));
    let consumer_groups = reader.entities(root, "consumer_groups", Reader::consumer_group);
    reader.plugins_of(root, &KeyPath::default(), &Scope::Global);
    let event_hooks = reader.entities(root, "event_hooks", Reader::event_hook);
    reader.unique_custom_ids(&consumers);
    let plugins = std::mem::take(&mut reader.plugins).into_iter();
    let plugins = plugins.map(|plugin| PluginEntry { owner: reader.owner(root, &plugin.scope), ..plugin }).collect();
    let config = Config {
        server,
        admin,
        access_log,
        limits,
        hooks,
        services,
        upstreams,
        targets,
        routes,
        consumers,
        consumer_groups,
        certificates,
        snis,
        ca_certificates,
        plugins,
        event_hooks,
    };
    Draft { config, document: Arc::new(document), problems: reader.problems }
}

#[derive(Default)]
struct Reader {
    /// Whether the file is broken, so that what is not found may be there all the same.
    partial: bool,
    problems: Vec<Problem>,
    plugins: Vec<PluginEntry>,
    /// Whose each id is, of each kind.
    ids: HashMap<(&'static str, Uuid), KeyPath>,
    /// What may be referred to, of each section that is.
    names: HashMap<&'static str, reference::Names>,
    /// Whose each `instance_name` is.
    instance_names: HashMap<String, KeyPath>,
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
            if !SETTINGS.contains(&key) && !ENTITIES.contains(&key) {
                let problem = Problem::at_key(KeyPath::of([key]), format!("unknown key \"{key}\""));
                self.problems.push(problem.help(one_of(key, SETTINGS.iter().chain(ENTITIES).copied())));
            }
        }
    }

    /// Checks `include`, which whoever read the files has followed.
    fn check_include(&mut self, root: &Table) {
        let path = KeyPath::of(["include"]);
        let patterns = root.get("include").and_then(|node| self.take::<Vec<String>>(&path, node)).unwrap_or_default();
        for (index, pattern) in patterns.iter().enumerate() {
            if let Err(error) = glob::Pattern::new(pattern) {
                let problem = Problem::at(path.index(index), format!("`{pattern}` is no pattern: {}", error.msg));
                self.problems.push(problem.help("write one such as \"conf.d/*.toml\""));
            }
        }
    }

    /// The id that is written, or that of the name. Two entities with one id would be one entity to whoever asks for it.
    fn id_of(&mut self, written: Option<Uuid>, (kind, name): (&'static str, &str), path: &KeyPath) -> Uuid {
        let id = written.unwrap_or_else(|| entity_id(kind, name));
        if let Some(owner) = self.ids.insert((kind, id), path.clone()) {
            let problem = Problem::at(path.key("id"), format!("the id is that of {owner} already"));
            self.problems.push(problem.help("write another, or none: without one it is made from the name"));
        }
        id
    }

    fn refuse_later(&mut self, section: &str, key: &str, path: &KeyPath) -> bool {
        let later = LATER.contains(&(section, key));
        if later {
            let problem = Problem::at(path.key(key), format!("`{key}` is not available yet"));
            self.problems.push(problem.help("take it out; the README's table says what is there"));
        }
        later
    }

    fn limits(&mut self, root: &Table) -> Limits {
        let table: LimitsTable = self.section(root, "limits").unwrap_or_default();
        if table.max_keys == 0 {
            let problem = Problem::at(KeyPath::of(["limits", "max_keys"]), "must be at least 1");
            self.problems.push(problem.help("1000000 is the default; a million clients take about 60 MiB"));
        }
        Limits { max_keys: table.max_keys }
    }

    fn access_log(&mut self, root: &Table) -> AccessLog {
        let table: AccessLogTable = self.section(root, "access_log").unwrap_or_default();
        if table.file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            let problem = Problem::at(KeyPath::of(["access_log", "file"]), "must not be empty");
            self.problems.push(problem.help("name a file, or take the key out: without it lines go to standard error"));
        }
        table.into_access_log()
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
            // Nobody mends so many at once, and each is looked for among those before it.
            if self.problems.len() > ENOUGH {
                self.partial = true;
                break;
            }
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

    /// Whether an element of a list could not be read, so that another one stands in its place.
    fn is_stand_in(&self, path: &KeyPath) -> bool {
        self.problems.iter().any(|known| known.path == *path)
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

fn take_key(node: &mut Node, key: &str) -> Option<Node> {
    node.table_mut()?.remove(key)
}
