//! Who has connected, as far as the connection says.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::Request;

/// The other end of a connection. Whoever serves the router puts it among a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// His address; none over a socket that is a file.
    from: Option<IpAddr>,
    /// Whether only who is on this machine could connect.
    local: bool,
}

impl Caller {
    /// Who has connected to this address of ours.
    pub fn by_address(peer: SocketAddr, ours: SocketAddr) -> Self {
        let [peer, ours] = [peer, ours].map(|address| address.ip().to_canonical());
        Self { from: Some(peer), local: peer.is_loopback() && ours.is_loopback() }
    }

    /// Who has connected to a socket that is a file, and so may read what its owner may.
    pub const fn by_file() -> Self {
        Self { from: None, local: true }
    }

    /// Who sent a request. Of one that nobody knows everything is asked.
    pub(crate) fn of(request: &Request) -> Self {
        let unknown = Self { from: Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)), local: false };
        request.extensions().get().copied().unwrap_or(unknown)
    }

    /// Whether only who is on this machine could connect.
    pub(crate) fn is_local(self) -> bool {
        self.local
    }

    /// Whether no browser can have made the connection for a page.
    pub(crate) fn is_by_file(self) -> bool {
        self.from.is_none()
    }

    /// Whom wrong tokens are counted for: the network of an IPv6 address, since its owner has all of it.
    pub(crate) fn network(self) -> Option<IpAddr> {
        self.from.map(|address| match address {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
            address => address,
        })
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_on_this_machine_has_connected_from_loopback_to_loopback() {
        for (peer, ours, shown, local) in [
            ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1", true),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:2", "127.0.0.1", true),
            ("[::1]:1", "[::1]:2", "::1", true),
            ("192.0.2.7:1", "192.0.2.7:2", "192.0.2.7", false),
            ("127.0.0.1:1", "192.0.2.7:2", "127.0.0.1", false),
        ] {
            let caller = Caller::by_address(peer.parse().unwrap(), ours.parse().unwrap());
            assert_eq!((caller.to_string().as_str(), caller.is_local()), (shown, local), "{peer}");
        }
        assert!(Caller::by_file().is_local() && Caller::by_file().is_by_file());
        assert!(!Caller::of(&Request::default()).is_local(), "nobody knows him");
    }

    #[test]
    fn an_address_of_ipv6_is_its_network() {
        let network = |peer: &str| Caller::by_address(peer.parse().unwrap(), "[::1]:1".parse().unwrap()).network().unwrap();
        assert_eq!(network("[2001:db8:1:2:3:4:5:6]:1"), network("[2001:db8:1:2::1]:1"));
        assert_ne!(network("[2001:db8:1:2::1]:1"), network("[2001:db8:1:3::1]:1"));
        assert_ne!(network("192.0.2.7:1"), network("192.0.2.8:1"));
    }
}
