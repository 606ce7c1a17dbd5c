//! What the gateway needs: entities in Kong's shape, with defaults filled in and references resolved.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::block::Block;
use crate::file::HooksTable;
use crate::key_path::KeyPath;
use crate::values::Millis;

/// A whole configuration.
#[derive(Clone)]
pub struct Config {
    /// How the proxy listens and runs.
    pub server: Server,
    /// What all limits share.
    pub limits: Limits,
    /// What all event hooks share.
    pub hooks: Hooks,
    /// The Admin API.
    pub admin: Admin,
    /// Upstream services, in the order of the file.
    pub services: Vec<Service>,
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Consumers, in the order of the file.
    pub consumers: Vec<Consumer>,
    /// Plugins of every scope.
    pub plugins: Vec<PluginEntry>,
    /// Event hooks, in the order of the file.
    pub event_hooks: Vec<EventHook>,
}

/// How the proxy listens and runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where the proxy listens.
    pub listen: Vec<SocketAddr>,
    /// Worker threads; 0 is one a core.
    pub threads: usize,
    /// Peers whose X-Forwarded-* headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Where state is kept over restarts.
    pub state_dir: PathBuf,
    /// How long a stop waits for requests in flight.
    pub shutdown_timeout: Duration,
}

/// The Admin API.
#[derive(Clone, PartialEq)]
pub struct Admin {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What a caller must send.
    pub token: Option<String>,
    /// Whether changes are written into the file.
    pub write_back: bool,
}

/// What all limits share.
#[derive(Clone, PartialEq)]
pub struct Limits {
    /// How many clients they remember one by one, together.
    pub max_keys: usize,
}

/// What all event hooks share.
#[derive(Clone, Debug, PartialEq)]
pub struct Hooks {
    /// Where webhooks may call.
    pub egress: Egress,
    /// Where they may call all the same: networks, addresses and names of hosts.
    pub egress_allow: Vec<String>,
    /// Files with certificates of authorities to trust besides those of the system.
    pub ca_certificates: Vec<PathBuf>,
    /// How long deliveries that are over are kept to be looked at.
    pub retention: Duration,
    /// How many of them of each hook.
    pub retention_count: u64,
    /// After how long with nothing but failures a hook is disabled; zero: never.
    pub disable_after: Duration,
}

impl Default for Hooks {
    fn default() -> Self {
        HooksTable::default().into_hooks()
    }
}

/// Where webhooks may call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// Anywhere but link-local addresses and the metadata of clouds.
    #[default]
    Any,
    /// Addresses of the public internet only.
    Public,
}

/// When an entity came, and when it last changed, in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// When it came.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
}

/// What is spoken to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// An upstream service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What is spoken to it.
    pub protocol: Protocol,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What every path begins with.
    pub path: Option<String>,
    /// How often a failed connection is tried again.
    pub retries: u16,
    /// How long connecting may take.
    pub connect_timeout: Millis,
    /// How long one write may take.
    pub write_timeout: Millis,
    /// How long one read may take.
    pub read_timeout: Millis,
    /// Whether its routes are served.
    pub enabled: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// Which requests go to a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The name and the id of its service.
    pub service: Option<(String, Uuid)>,
    /// Host names in lower case; a leading or trailing label may be `*`.
    pub hosts: Vec<String>,
    /// Beginnings of the path.
    pub paths: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Whether the matched beginning of the path is taken off.
    pub strip_path: bool,
    /// Whether the upstream sees the Host that the client sent.
    pub preserve_host: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// Somebody who calls.
#[derive(Clone)]
pub struct Consumer {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub username: String,
    /// The id that the user's own systems know.
    pub custom_id: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Credentials, by the plugin that knows them.
    pub credentials: Vec<CredentialEntry>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// One credential of a consumer, unread.
#[derive(Clone)]
pub struct CredentialEntry {
    /// The plugin that knows it.
    pub plugin: String,
    /// What stands in the file.
    pub block: Block,
}

/// Where a plugin applies; of one name the most specific applies to a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// To every route.
    Global,
    /// To the routes of a service.
    Service(String),
    /// To a route.
    Route(String),
    /// To the requests of a consumer.
    Consumer(String),
}

/// One plugin in one scope, its options unread.
#[derive(Clone)]
pub struct PluginEntry {
    /// Its id.
    pub id: Uuid,
    /// The plugin's name.
    pub name: String,
    /// Where it applies.
    pub scope: Scope,
    /// Whether it runs.
    pub enabled: bool,
    /// Its options.
    pub block: Block,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// Which event, or which events, of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventName {
    /// Where it comes from.
    pub source: String,
    /// Its name, or all of the source.
    pub event: Option<String>,
}

/// What a `webhook` posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Kong's flat object.
    Kong,
    /// A CloudEvent 1.0 as one JSON object.
    Cloudevents,
    /// A CloudEvent 1.0 with its attributes in `ce-*` headers.
    CloudeventsBinary,
}

/// What is done when something happens; the options of its handler are unread.
#[derive(Clone)]
pub struct EventHook {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where it stands in the file.
    pub path: KeyPath,
    /// Where the event comes from, unless there are `events`.
    pub source: Option<String>,
    /// The event, or all of the source.
    pub event: Option<String>,
    /// Several events, instead of `source` and `event`.
    pub events: Option<Vec<EventName>>,
    /// What an event's fields must be, unread.
    pub filter: Option<Block>,
    /// The handler's name.
    pub handler: String,
    /// What a `webhook` posts.
    pub format: Option<Format>,
    /// Fire only if the unique fields differ from the last.
    pub on_change: Option<bool>,
    /// Seconds in which the same unique fields do not fire again.
    pub snooze: Option<u64>,
    /// How long events with the same unique fields are gathered after the first.
    pub digest: Option<Millis>,
    /// How many deliveries may start in a second.
    pub rate: Option<f64>,
    /// Whether it fires.
    pub enabled: bool,
    /// The deadline of one delivery.
    pub timeout: Option<Millis>,
    /// How long to wait before each further try.
    pub retry: Option<Vec<Millis>>,
    /// How many deliveries may be under way at once.
    pub concurrency: Option<u16>,
    /// Keys that sign.
    pub secrets: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The handler's options.
    pub config: Block,
    /// When it came and changed.
    pub stamps: Stamps,
}

impl EventHook {
    /// Every event that the hook names, and where each stands in the file.
    pub fn event_names(&self) -> Vec<(KeyPath, EventName)> {
        let one = self.source.clone().map(|source| (self.path.clone(), EventName { source, event: self.event.clone() }));
        let several = self.events.iter().flatten().enumerate();
        one.into_iter().chain(several.map(|(at, name)| (self.path.key("events").index(at), name.clone()))).collect()
    }
}

impl Service {
    /// `host:port`, the port left out where it is the protocol's own: what the upstream sees as Host.
    pub fn authority(&self) -> String {
        match (self.protocol, self.port) {
            (Protocol::Http, 80) | (Protocol::Https, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}
