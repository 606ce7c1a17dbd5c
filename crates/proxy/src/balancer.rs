//! Where a service is: its address is known from the start, or its name is looked up and kept for a while.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use sluice_config::{Protocol, Service};

use crate::tls::UpstreamTls;

/// How long a name's address is used before it is looked up again.
const KEEP: Duration = Duration::from_secs(10);
/// How many requests share a connection of HTTP/2 at most.
const STREAMS: usize = 100;
/// How often an upstream is asked over such a connection whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// How much of one answer waits here for a client that reads slowly.
const WINDOW: u32 = 256 * 1024;

/// The way to a service.
pub(crate) struct Target {
    /// Everything of the peer but the address that a name stands for.
    template: HttpPeer,
    /// `host:port` if the host is a name.
    name: Option<Name>,
}

struct Name {
    host: String,
    port: u16,
    resolved: ArcSwapOption<(Instant, SocketAddr)>,
}

impl Target {
    pub fn new(service: &Service, tls: Option<&UpstreamTls>) -> Self {
        let host = service.host.trim_start_matches('[').trim_end_matches(']');
        let (address, name) = match host.parse::<IpAddr>() {
            Ok(ip) => (SocketAddr::new(ip, service.port), None),
            Err(_) => {
                let name = Name { host: host.to_owned(), port: service.port, resolved: ArcSwapOption::empty() };
                (SocketAddr::from(([0, 0, 0, 0], service.port)), Some(name))
            }
        };
        let mut template = HttpPeer::new(address, service.protocol.is_tls(), host.to_owned());
        let options = &mut template.options;
        if service.protocol.is_grpc() || service.http2 {
            // Only TLS can ask what the upstream speaks.
            let asked = service.protocol == Protocol::Https;
            options.set_http_version(2, if asked { 1 } else { 2 });
            options.max_h2_streams = STREAMS;
            options.h2_ping_interval = Some(PING);
            options.h2_stream_window_size = Some(WINDOW);
        }
        options.connection_timeout = Some(service.connect_timeout.duration());
        options.total_connection_timeout = Some(service.connect_timeout.duration());
        options.read_timeout = Some(service.read_timeout.duration());
        options.write_timeout = Some(service.write_timeout.duration());
        options.idle_timeout = Some(Duration::from_secs(60));
        if let Some(tls) = tls {
            tls.apply(&mut template);
        }
        Self { template, name }
    }

    /// Whether it may be spoken to in HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.template.options.alpn != ALPN::H1
    }

    /// Whether it is spoken to in plain HTTP/1.
    pub fn is_plain(&self) -> bool {
        !self.template.is_tls() && !self.is_http2()
    }

    /// The address to connect to. Only a name that was not looked up lately waits, and only its own requests.
    pub async fn address(&self) -> std::io::Result<SocketAddr> {
        match (&self.name, &self.template._address) {
            (Some(name), _) => name.address().await,
            (None, pingora_core::protocols::l4::socket::SocketAddr::Inet(address)) => Ok(*address),
            (None, _) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    /// The address as people read it: the one that a name had last, or the name if it had none.
    pub fn shown(&self) -> String {
        match &self.name {
            None => self.template._address.to_string(),
            Some(name) => match name.resolved.load().as_deref() {
                Some((_, address)) => address.to_string(),
                None => format!("{}:{}", name.host, name.port),
            },
        }
    }

    /// The peer to connect to. Only a name that was not looked up lately waits, and only its own requests.
    pub async fn peer(&self) -> std::io::Result<Box<HttpPeer>> {
        let mut peer = Box::new(self.template.clone());
        if let Some(name) = &self.name {
            peer._address = pingora_core::protocols::l4::socket::SocketAddr::Inet(name.address().await?);
        }
        Ok(peer)
    }
}

impl Name {
    async fn address(&self) -> std::io::Result<SocketAddr> {
        let known = self.resolved.load();
        if let Some((at, address)) = known.as_deref()
            && at.elapsed() < KEEP
        {
            return Ok(*address);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await.map(|mut all| all.next());
        match (found, known.as_deref()) {
            (Ok(Some(address)), _) => {
                self.resolved.store(Some(Arc::new((Instant::now(), address))));
                Ok(address)
            }
            // A resolver that fails for a moment does not take down what was known.
            (_, Some((_, address))) => Ok(*address),
            (Ok(None), None) => Err(std::io::ErrorKind::NotFound.into()),
            (Err(error), None) => Err(error),
        }
    }
}
