//! The ways in: what each listener does with a connection before its first request.
//!
//! A listener without TLS and without the PROXY protocol has no door: its connections come in as they are.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use pingora_core::protocols::l4::{socket, stream};
use pingora_core::protocols::{GetSocketDigest, Stream};
use sluice_config::{Clients, Config, Problem};
use tokio::time::timeout;

use crate::client_ip::is_trusted;
use crate::connection::Connection;
use crate::proxy_protocol;
use crate::tls::{Material, Tls};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long it may take to say for whom a connection is.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// The doors of all listeners that have one.
#[derive(Clone, Default)]
pub struct Doors(Vec<Door>);

/// What one listener does.
#[derive(Clone)]
pub(crate) struct Door {
    listen: SocketAddr,
    pub proxy_protocol: bool,
    tls: Option<Arc<Tls>>,
}

/// Why a connection did not come in.
pub(crate) enum Refused {
    /// By the PROXY protocol.
    Introduction(io::Error),
    /// By TLS.
    Handshake(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Introduction(error) => write!(f, "PROXY protocol: {error}"),
            Self::Handshake(error) => write!(f, "TLS: {error}"),
        }
    }
}

impl Doors {
    /// Those of a configuration, and what is wrong with its certificates at this time. What is as it was `before` stays
    /// what it is, so that sessions go on; so does what listens until the next start.
    pub fn build(config: &Config, before: Option<(&Config, &Self)>, now: i64) -> (Self, Vec<Problem>) {
        let (material, problems) = Material::new(config, before.map(|(config, _)| config), now);
        let old = before.map_or(&[][..], |(_, doors)| &doors.0);
        let server = &config.server;
        let plain = server.listen.iter().map(|listen| Door { listen: *listen, proxy_protocol: server.proxy_protocol, tls: None });
        let mut doors: Vec<Door> = plain.collect();
        for listener in &server.tls {
            let known = old.iter().find(|door| door.listen == listener.listen).and_then(|door| door.tls.clone());
            // Without a certificate there is a problem, and these doors are never opened.
            let Some(tls) = Tls::new(listener, &material, known) else { continue };
            doors.push(Door { listen: listener.listen, proxy_protocol: listener.proxy_protocol, tls: Some(tls) });
        }
        let gone = old.iter().filter(|old| !doors.iter().any(|door| door.listen == old.listen)).cloned();
        let gone: Vec<Door> = gone.collect();
        doors.extend(gone);
        doors.retain(|door| door.proxy_protocol || door.tls.is_some());
        (Self(doors), problems)
    }

    /// That of what was accepted here.
    pub(crate) fn of(&self, stream: &Stream) -> Option<&Door> {
        if self.0.is_empty() {
            return None;
        }
        let local = address(stream.get_socket_digest()?.local_addr())?;
        let exact = self.0.iter().find(|door| door.listen == local);
        exact.or_else(|| self.0.iter().find(|door| door.listen.ip().is_unspecified() && door.listen.port() == local.port()))
    }
}

impl Door {
    /// Lets a connection in.
    pub async fn enter(&self, stream: Stream, trusted: &[IpNet], clients: Clients) -> Result<Connection, Refused> {
        let stream = stream.into_any().downcast::<stream::Stream>();
        let mut stream = *stream.map_err(|_| Refused::Handshake("a stream that is not of TCP".into()))?;
        if self.proxy_protocol {
            let introduced = timeout(INTRODUCTION, introduce(&mut stream, trusted)).await;
            introduced.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(Refused::Introduction)?;
        }
        let Some(tls) = &self.tls else { return Ok(Connection::new(Box::new(stream), None, clients)) };
        match timeout(HANDSHAKE, tls.shake_hands(stream)).await {
            Ok(Ok((stream, secure))) => Ok(Connection::new(Box::new(stream), Some(secure), clients)),
            Ok(Err(error)) => Err(Refused::Handshake(error.to_string())),
            Err(_) => Err(Refused::Handshake("it takes too long".into())),
        }
    }
}

/// Hears for whom a connection is, from those who are believed.
async fn introduce(stream: &mut stream::Stream, trusted: &[IpNet]) -> io::Result<()> {
    let peer = stream.get_socket_digest().and_then(|digest| address(digest.peer_addr()));
    if !peer.is_some_and(|peer| is_trusted(peer.ip(), trusted)) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it comes from none of `trusted_proxies`"));
    }
    proxy_protocol::read(stream).await
}

fn address(address: Option<&socket::SocketAddr>) -> Option<SocketAddr> {
    let address = address?.as_inet()?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}
