//! What clients may take of the gateway before they are a request that somebody is charged for.

use std::time::Duration;

use crate::file::ClientsTable;

/// How long clients may take, and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clients {
    /// How long a request's head may take, from its first byte to its last.
    pub header_timeout: Duration,
    /// How long it may be, in bytes.
    pub max_header_size: usize,
    /// How long a connection may wait for its next request.
    pub keepalive_timeout: Duration,
    /// How many requests a connection may have.
    pub keepalive_requests: u64,
    /// How long a body may be, in bytes; 0: as long as it likes.
    pub max_body_size: u64,
    /// How long a client may send nothing of its body, or take nothing of its answer.
    pub body_timeout: Duration,
    /// How many bytes of them a second make up for a second of waiting; 0: any.
    pub min_body_rate: u64,
    /// How many connections there may be; 0: half of the files that the process may open.
    pub max_connections: usize,
    /// How many of one address; 0: all of them.
    pub max_connections_per_ip: usize,
}

impl Default for Clients {
    fn default() -> Self {
        ClientsTable::default().into_clients()
    }
}
