//! The gateway itself: how it listens, and what its limits and hooks share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Clients;
use crate::file::HooksTable;

/// How the proxy listens and runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where the proxy listens.
    pub listen: Vec<SocketAddr>,
    /// Where the proxy listens with TLS.
    pub tls: Vec<TlsListener>,
    /// Whether what connects to [`Self::listen`] says first, by the PROXY protocol, for whom.
    pub proxy_protocol: bool,
    /// Worker threads; 0 is one a core.
    pub threads: usize,
    /// Peers whose X-Forwarded-* headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// In which header they say who asks.
    pub client_ip_header: ClientIpHeader,
    /// The name servers that are asked; none: those of the system.
    pub dns_resolver: Vec<SocketAddr>,
    /// Where state is kept over restarts.
    pub state_dir: PathBuf,
    /// How long a stop waits for requests in flight.
    pub shutdown_timeout: Duration,
    /// How long the proxy still accepts after a stop was asked for.
    pub shutdown_delay: Duration,
    /// What clients may take.
    pub clients: Clients,
}

impl Server {
    /// Whether it differs from `other` in what cannot change while the gateway runs.
    pub fn needs_start(&self, other: &Self) -> bool {
        let fixed =
            |server: &Self| Self { proxy_protocol: false, tls: Vec::new(), clients: Clients::default(), ..server.clone() };
        let listen = |server: &Self| server.tls.iter().map(|tls| tls.listen).collect::<Vec<_>>();
        fixed(self) != fixed(other) || listen(self) != listen(other)
    }
}

/// Where the proxy listens with TLS, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsListener {
    /// The address.
    pub listen: SocketAddr,
    /// The names of its certificates; the first is served to clients that name no other's.
    pub certificates: Vec<String>,
    /// The names of the authorities whose certificates clients may show.
    pub client_ca: Vec<String>,
    /// Whether clients must show one.
    pub client_auth: ClientAuth,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether what connects says first, by the PROXY protocol, for whom.
    pub proxy_protocol: bool,
}

/// The header in which trusted proxies say who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientIpHeader {
    /// X-Forwarded-For, and the other X-Forwarded-* for the rest.
    #[default]
    XForwardedFor,
    /// Forwarded (RFC 7239), for all of it.
    Forwarded,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// Who shows none is not served.
    #[default]
    Required,
    /// Who shows none is served all the same.
    Optional,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V13,
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
