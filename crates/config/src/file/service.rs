//! Upstream services.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::yes;
use crate::entities::Protocol;
use crate::values::{Millis, PathPrefix, ServiceUrl, SomeMillis};

/// `[services.NAME]`: an upstream service, by `url` or by its parts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceTable {
    pub id: Option<Uuid>,
    /// Protocol, host, port and path in one.
    pub url: Option<ServiceUrl>,
    pub protocol: Option<Protocol>,
    pub host: Option<String>,
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    pub path: Option<PathPrefix>,
    /// Whether HTTP/2 is spoken to it: over TLS if it can, in plain by prior knowledge. gRPC always is.
    #[serde(default)]
    pub http2: bool,
    /// How often a failed connection is tried again.
    #[serde(default = "five")]
    pub retries: u16,
    #[serde(default = "minute")]
    #[schemars(with = "SomeMillis")]
    pub connect_timeout: Millis,
    #[serde(default = "minute")]
    #[schemars(with = "SomeMillis")]
    pub write_timeout: Millis,
    #[serde(default = "minute")]
    #[schemars(with = "SomeMillis")]
    pub read_timeout: Millis,
    /// How long a request and its answer may take as a whole. Sluice's own.
    #[schemars(with = "Option<SomeMillis>")]
    pub request_timeout: Option<Millis>,
    /// Whether the certificate of an https upstream must be good and for its host. True by default.
    pub tls_verify: Option<bool>,
    /// The names of the authorities (`[ca_certificates]`) that it may be from; without them, those of the system.
    pub ca_certificates: Option<Vec<String>>,
    /// The name of the certificate (`[certificates]`) that the upstream is shown if it asks for one.
    pub client_certificate: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub tags: Vec<String>,
}

fn five() -> u16 {
    5
}

fn minute() -> Millis {
    Millis(60_000)
}
