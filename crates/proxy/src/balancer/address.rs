//! Where a peer listens: an address of the network, or a socket on this machine.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use pingora_core::protocols::l4::socket::SocketAddr as Known;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Inet(SocketAddr),
    Unix(Arc<Path>),
}

impl Address {
    /// As Pingora has it; none for a path that no socket can have, which the configuration refuses.
    pub fn known(&self) -> Option<Known> {
        match self {
            Self::Inet(address) => Some(Known::Inet(*address)),
            Self::Unix(path) => std::os::unix::net::SocketAddr::from_pathname(path).ok().map(Known::Unix),
        }
    }

    /// The address of the network, if it is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        if let Self::Inet(address) = self { Some(*address) } else { None }
    }

    /// The address without its port, or the path.
    pub fn ip(&self) -> String {
        match self {
            Self::Inet(address) => address.ip().to_string(),
            Self::Unix(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
