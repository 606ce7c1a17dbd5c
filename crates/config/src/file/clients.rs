//! `[server.clients]` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::entities::Clients;
use crate::values::Millis;

/// `[server.clients]`: what clients may take before they are refused. Holds for connections that are made after a change.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientsTable {
    /// How long the head of a request may take, from its first byte to its last: 408 after that.
    pub header_timeout: Millis,
    /// How many bytes the head of a request may have: 431 (or 414 for its first line) beyond that.
    #[schemars(range(min = 1024, max = 1_000_000))]
    pub max_header_size: usize,
    /// How long a connection may be idle between requests.
    pub keepalive_timeout: Millis,
    /// How many requests a connection of HTTP/1 may have.
    #[schemars(range(min = 1))]
    pub keepalive_requests: u64,
    /// How many bytes the body of a request may have, of any route; 0: as many as it likes. 413 beyond that.
    pub max_body_size: u64,
    /// How long a client may send nothing of a body that it has begun, or take nothing of its answer.
    pub body_timeout: Millis,
    /// How many bytes a second of a body or an answer make up for a second of waiting for the client; 0: any makes up for all.
    pub min_body_rate: u64,
    /// How many connections there may be at once; 0: half of the files that the process may open.
    pub max_connections: usize,
    /// How many of them from one address (of IPv6: one /64); 0: all.
    pub max_connections_per_ip: usize,
}

impl Default for ClientsTable {
    fn default() -> Self {
        Self {
            header_timeout: Millis(10_000),
            max_header_size: 32 * 1024,
            keepalive_timeout: Millis(60_000),
            keepalive_requests: 10_000,
            max_body_size: 0,
            body_timeout: Millis(30_000),
            min_body_rate: 240,
            max_connections: 0,
            max_connections_per_ip: 0,
        }
    }
}

impl ClientsTable {
    pub fn into_clients(self) -> Clients {
        Clients {
            header_timeout: self.header_timeout.duration(),
            max_header_size: self.max_header_size,
            keepalive_timeout: self.keepalive_timeout.duration(),
            keepalive_requests: self.keepalive_requests,
            max_body_size: self.max_body_size,
            body_timeout: self.body_timeout.duration(),
            min_body_rate: self.min_body_rate,
            max_connections: self.max_connections,
            max_connections_per_ip: self.max_connections_per_ip,
        }
    }
}
