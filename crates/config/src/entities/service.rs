//! Upstream services.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stamps;
use crate::values::Millis;

/// What is spoken to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC in plain HTTP/2.
    Grpc,
    /// gRPC in HTTP/2 over TLS.
    Grpcs,
}

impl Protocol {
    /// The one that a URL's scheme names.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::Grpc, Self::Grpcs].into_iter().find(|protocol| protocol.scheme() == scheme)
    }

    /// The scheme of its URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
        }
    }

    /// The port that goes without saying.
    pub fn port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }

    /// Whether it is spoken over TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }

    /// Whether it is gRPC.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }
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
    /// Whether HTTP/2 is spoken to it: over TLS if it can, in plain it must. gRPC is always HTTP/2.
    pub http2: bool,
    /// How often a failed connection is tried again.
    pub retries: u16,
    /// How long connecting may take.
    pub connect_timeout: Millis,
    /// How long one write may take.
    pub write_timeout: Millis,
    /// How long one read may take.
    pub read_timeout: Millis,
    /// How it is spoken to by TLS.
    pub tls: UpstreamTls,
    /// Whether its routes are served.
    pub enabled: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// How an upstream is spoken to by TLS. Entities stand with their names and ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamTls {
    /// Whether its certificate must be good and for its host; if nothing is said, it must.
    pub verify: Option<bool>,
    /// The authorities that it may be from; none: those of the system.
    pub ca_certificates: Vec<(String, Uuid)>,
    /// What it is shown if it asks for a certificate.
    pub client_certificate: Option<(String, Uuid)>,
}

impl Service {
    /// `host:port`, the port left out where it is the protocol's own: what the upstream sees as Host.
    pub fn authority(&self) -> String {
        match self.port {
            port if port == self.protocol.port() => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}
