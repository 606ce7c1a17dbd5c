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

impl Service {
    /// `host:port`, the port left out where it is the protocol's own: what the upstream sees as Host.
    pub fn authority(&self) -> String {
        match (self.protocol, self.port) {
            (Protocol::Http, 80) | (Protocol::Https, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}
