//! The gateway itself: how it listens, and what its limits and hooks share.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ClientsTable;
use crate::entities::{ClientAuth, ClientIpHeader, Egress, Hooks, TlsVersion};
use crate::values::{Millis, network};

/// `[server]`: how the proxy listens and runs. Changes take effect at the next start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerTable {
    /// Where the proxy listens.
    #[schemars(with = "Vec<String>")]
    pub listen: Vec<Address>,
    /// Where the proxy listens with TLS. All but the addresses takes effect at once.
    pub tls: Vec<TlsTable>,
    /// Whether what connects says first, by the PROXY protocol, for whom. It must: it counts from `trusted_proxies` only,
    /// and others are not served.
    pub proxy_protocol: bool,
    /// Worker threads; 0 is one a core.
    pub threads: usize,
    /// Peers whose X-Forwarded-* headers and PROXY protocol count, as addresses or networks.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<TrustedProxy>,
    /// The header in which they say who asks; the other one is not read.
    pub client_ip_header: ClientIpHeader,
    /// Name servers to ask, with port 53 if none is written; without any those of the system.
    #[schemars(with = "Vec<String>")]
    pub dns_resolver: Vec<NameServer>,
    /// Where state is kept over restarts.
    pub state_dir: PathBuf,
    /// How long a stop waits for requests in flight.
    pub shutdown_timeout: Millis,
    /// How long the proxy still accepts after a stop was asked for, and `/status/ready` says 503 already.
    pub shutdown_delay: Millis,
    /// What clients may take before they are refused.
    pub clients: ClientsTable,
}

impl Default for ServerTable {
    fn default() -> Self {
        Self {
            listen: vec![Address(SocketAddr::from(([127, 0, 0, 1], 8000)))],
            tls: Vec::new(),
            proxy_protocol: false,
            threads: 0,
            trusted_proxies: Vec::new(),
            client_ip_header: ClientIpHeader::default(),
            dns_resolver: Vec::new(),
            state_dir: PathBuf::from(".sluice"),
            shutdown_timeout: Millis(30_000),
            shutdown_delay: Millis(0),
            clients: ClientsTable::default(),
        }
    }
}

/// One of `server.tls`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsTable {
    /// Where it listens.
    #[schemars(with = "String")]
    pub listen: Address,
    /// The names of its certificates; without them, all. The client's SNI chooses, and the first is for all others.
    pub certificates: Option<Vec<String>>,
    /// The names of the authorities (`[ca_certificates]`) whose certificates clients may show.
    #[serde(default)]
    pub client_ca: Vec<String>,
    /// Whether a client must show a certificate, or may. `required` if there is a `client_ca`.
    pub client_auth: Option<ClientAuth>,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// The same as that of `server`, if it is another here.
    pub proxy_protocol: Option<bool>,
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

/// Where a name server is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct NameServer(pub SocketAddr);

impl TryFrom<String> for NameServer {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
        let wrong =
            |_| format!("`{text}` is no address of a name server; write one such as \"192.0.2.53\" or \"127.0.0.1:5353\"");
        parsed.map(Self).map_err(wrong)
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
