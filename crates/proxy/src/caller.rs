//! Who is at the other end of a connection, and where he came in: known once a connection, asked by each of its requests.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;

use crate::tls::Secure;

/// Who calls.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The address at the other end.
    pub peer: IpAddr,
    /// The port at the other end.
    pub peer_port: u16,
    /// The port that he came to.
    pub port: u16,
    /// What his handshake told, if he came by TLS.
    pub tls: Option<Secure>,
}

impl Caller {
    /// Whoever is at the other end of a stream.
    pub fn of(stream: &Stream, tls: Option<Secure>) -> Self {
        let digest = stream.get_socket_digest();
        let peer = digest.as_ref().and_then(|digest| inet(digest.peer_addr()));
        let local = digest.as_ref().and_then(|digest| inet(digest.local_addr()));
        Self {
            peer: ip(peer),
            peer_port: peer.map_or(0, |address| address.port()),
            port: local.map_or(0, |address| address.port()),
            tls,
        }
    }

    /// The address at the other end, before anything was said.
    pub fn peer(stream: &Stream) -> IpAddr {
        ip(stream.get_socket_digest().and_then(|digest| inet(digest.peer_addr())))
    }

    /// Packs a caller up, so that Pingora carries him from a connection to the requests that share it.
    pub fn packed(self: &Arc<Self>) -> Arc<ProxyDigest> {
        let nothing = ResponseHeader::build_no_case(200, Some(0)).expect("200 is a status");
        Arc::new(ProxyDigest::new(Box::new(nothing), Some(Box::new(self.clone()))))
    }

    /// The caller that was packed up.
    pub fn unpacked(session: &ServerSession) -> Result<&Arc<Self>> {
        let packed = session.digest().and_then(|digest| digest.proxy_digest.as_ref());
        let caller = packed.and_then(|packed| packed.user_data.as_ref()).and_then(|data| data.downcast_ref());
        caller.ok_or_else(|| Error::explain(ErrorType::InternalError, "a connection that is not ours"))
    }
}

fn inet(address: Option<&SocketAddr>) -> Option<std::net::SocketAddr> {
    address.and_then(|address| address.as_inet()).copied()
}

fn ip(address: Option<std::net::SocketAddr>) -> IpAddr {
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip().to_canonical())
}
