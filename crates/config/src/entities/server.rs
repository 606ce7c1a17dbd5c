//! The gateway itself: how it listens, what its limits and hooks share, and its Admin API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::file::HooksTable;

/// How the proxy listens and runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where the proxy listens.
    pub listen: Vec<SocketAddr>,
    /// Worker threads; 0 is one a core.
    pub threads: usize,
    /// Peers whose X-Forwarded-* headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// The name servers that are asked; none: those of the system.
    pub dns_resolver: Vec<SocketAddr>,
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
