//! Whom a request is counted for. What is missing falls back to the IP address, never to "unlimited".

use std::net::IpAddr;

use sluice_limits::Key;

use super::{Identifier, RateLimitingAdvanced};
use crate::cx::Cx;

impl RateLimitingAdvanced {
    /// The key of the client; its first part is the kind, so that a header cannot pose as an address.
    pub(super) fn key_of(&self, cx: &Cx<'_>) -> Key {
        let found = match self.identifier {
            Identifier::Ip => None,
            Identifier::Consumer => cx.memory.consumer.as_ref().map(|c| self.keys.key(&[b"consumer", c.id.as_bytes()])),
            Identifier::Service => cx.service.map(|service| self.keys.key(&[b"service", &service.id.to_be_bytes()])),
            Identifier::Header => self
                .header_name
                .as_ref()
                .and_then(|name| cx.request.headers.get(name))
                .map(|value| self.keys.key(&[b"header", value.as_bytes()])),
            Identifier::Path => (self.path.as_deref() == Some(cx.path)).then(|| self.keys.key(&[b"path", cx.path.as_bytes()])),
        };
        found.unwrap_or_else(|| self.address_key(cx.client_ip))
    }

    fn address_key(&self, ip: IpAddr) -> Key {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.keys.key(&[b"ip", &ip.octets()]),
            // One client has a whole /64 to choose from.
            IpAddr::V6(ip) => self.keys.key(&[b"ip", &ip.octets()[..8]]),
        }
    }
}
