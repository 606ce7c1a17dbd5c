//! What users write: one type for each kind of table, with its defaults. Unknown keys are mistakes.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::entities::{Egress, EventName, Format, Hooks, Protocol};
use crate::values::{HttpUrl, Method, Millis, PathPrefix, network};

/// `[server]`: how the proxy listens and runs. Changes take effect at the next start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerTable {
    /// Where the proxy listens.
    #[schemars(with = "Vec<String>")]
    pub listen: Vec<Address>,
    /// Worker threads; 0 is one a core.
    pub threads: usize,
    /// Peers whose X-Forwarded-* headers count, as addresses or networks.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Where state is kept over restarts.
    pub state_dir: PathBuf,
    /// How long a stop waits for requests in flight.
    pub shutdown_timeout: Millis,
}

impl Default for ServerTable {
    fn default() -> Self {
        Self {
            listen: vec![Address(SocketAddr::from(([127, 0, 0, 1], 8000)))],
            threads: 0,
            trusted_proxies: Vec::new(),
            state_dir: PathBuf::from(".sluice"),
            shutdown_timeout: Millis(30_000),
        }
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address(pub SocketAddr);

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse();
        parsed
            .map(Self)
            .map_err(|_| format!("`{text}` is no address to listen on; write one with its port, such as \"127.0.0.1:8000\""))
    }
}

/// A network, or an address as the network of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TrustedProxy(pub IpNet);

impl TryFrom<String> for TrustedProxy {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        network(&text).map(Self)
    }
}

/// `[admin]`: the Admin API. Changes take effect at the next start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminTable {
    /// Where the Admin API listens.
    #[schemars(with = "String")]
    pub listen: Address,
    /// What a caller must send as Kong-Admin-Token or as a bearer token; empty: nothing.
    pub token: String,
    /// Whether changes by the Admin API are written into the file.
    pub write_back: bool,
}

impl Default for AdminTable {
    fn default() -> Self {
        Self { listen: Address(SocketAddr::from(([127, 0, 0, 1], 8001))), token: String::new(), write_back: true }
    }
}

/// `[limits]`: what all limits share. Changes take effect at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsTable {
    /// How many clients all limits together remember one by one. The clients of a network share what is left beyond.
    #[schemars(range(min = 1))]
    pub max_keys: usize,
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self { max_keys: 1_000_000 }
    }
}

/// `[hooks]`: what all event hooks share. Changes take effect at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HooksTable {
    /// Where webhooks may call: `any` address, or `public` ones only. Link-local addresses and the metadata services of
    /// clouds are refused always.
    pub egress: Egress,
    /// Where they may call although it is not public: networks, addresses, and names of hosts.
    pub egress_allow: Vec<String>,
    /// PEM files of authorities to trust besides those of the system.
    pub ca_certificates: Vec<PathBuf>,
    /// How long deliveries that are over, delivered or dead, are kept to be looked at and replayed.
    pub retention: Millis,
    /// How many of them of each hook; delivered ones and dead ones apart.
    pub retention_count: u64,
    /// After how long with nothing but failures a hook is disabled; 0: never.
    pub disable_after: Millis,
}

impl Default for HooksTable {
    fn default() -> Self {
        const DAY: u64 = 86_400_000;
        Self {
            egress: Egress::Any,
            egress_allow: Vec::new(),
            ca_certificates: Vec::new(),
            retention: Millis(3 * DAY),
            retention_count: 10_000,
            disable_after: Millis(5 * DAY),
        }
    }
}

impl HooksTable {
    pub fn into_hooks(self) -> Hooks {
        let Self { egress, egress_allow, ca_certificates, retention, retention_count, disable_after } = self;
        let (retention, disable_after) = (retention.duration(), disable_after.duration());
        Hooks { egress, egress_allow, ca_certificates, retention, retention_count, disable_after }
    }
}

/// `[services.NAME]`: an upstream service, by `url` or by its parts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTable {
    pub id: Option<Uuid>,
    /// Protocol, host, port and path in one.
    pub url: Option<HttpUrl>,
    pub protocol: Option<Protocol>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub path: Option<PathPrefix>,
    /// How often a failed connection is tried again.
    #[serde(default = "five")]
    pub retries: u16,
    #[serde(default = "minute")]
    pub connect_timeout: Millis,
    #[serde(default = "minute")]
    pub write_timeout: Millis,
    #[serde(default = "minute")]
    pub read_timeout: Millis,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `[routes.NAME]`: which requests go to a service. Of the conditions that are written, all must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTable {
    pub id: Option<Uuid>,
    /// The name of the service.
    pub service: Option<String>,
    /// Host names; a leading or trailing label may be `*`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Beginnings of the path.
    #[serde(default)]
    pub paths: Vec<PathPrefix>,
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Whether the matched beginning of the path is taken off.
    #[serde(default = "yes")]
    pub strip_path: bool,
    /// Whether the upstream sees the Host that the client sent.
    #[serde(default)]
    pub preserve_host: bool,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `[consumers.NAME]`: somebody who calls. Any further key is a plugin's list of credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ConsumerTable {
    pub id: Option<Uuid>,
    pub custom_id: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `[event_hooks.NAME]`: what is done when something happens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventHookTable {
    pub id: Option<Uuid>,
    /// Where the event comes from, such as `rate-limiting-advanced`. Needed unless there are `events`.
    pub source: Option<String>,
    /// The event; without it, every event of the source.
    pub event: Option<String>,
    /// Several events, instead of `source` and `event`.
    #[schemars(length(min = 1))]
    pub events: Option<Vec<EventName>>,
    /// `webhook`, `webhook-custom` or `log`.
    pub handler: String,
    /// What a `webhook` posts: Kong's flat object, a CloudEvent whose attributes and data are one JSON object, or a
    /// CloudEvent whose attributes are `ce-*` headers and whose data is the body. In a CloudEvent `count`, `firstat` and
    /// `lastat` are extension attributes beside the data, which is the event's own.
    pub format: Option<Format>,
    /// Fire only if the unique fields differ from those of the last event.
    pub on_change: Option<bool>,
    /// Seconds in which the same unique fields do not fire again.
    pub snooze: Option<u64>,
    /// How long events with the same unique fields are gathered: the first is delivered at once, and what comes within this
    /// time after it is one delivery at its end, with `count`, `first_at` and `last_at`. At least "1s". It gathers what
    /// passes `filter` and `on_change`, and does not go with `snooze`, which would swallow it.
    pub digest: Option<Millis>,
    /// How many deliveries may start in a second, such as 5 or 0.1; what is above it waits, and is merged as for a receiver
    /// that falls behind.
    #[schemars(range(min = 0.0001, max = 1_000_000.0))]
    pub rate: Option<f64>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The deadline of one delivery, from connecting to the last byte of the answer.
    pub timeout: Option<Millis>,
    pub retry: Option<RetryTable>,
    /// How many deliveries may be under way at once.
    pub concurrency: Option<u16>,
    /// Keys that sign (Standard Webhooks); several while one is being replaced.
    #[serde(default)]
    pub secrets: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `retry` of a hook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryTable {
    /// How long to wait before each further try.
    pub schedule: Vec<Millis>,
}

/// What may stand beside a plugin's own options.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PluginTable {
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn five() -> u16 {
    5
}

fn minute() -> Millis {
    Millis(60_000)
}

fn yes() -> bool {
    true
}
