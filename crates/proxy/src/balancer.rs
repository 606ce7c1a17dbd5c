//! Where a service is: at an address that is known from the start, or wherever its upstream or its name leads.

mod address;
mod checker;
mod dns;
mod hash_key;
mod hashing;
mod health;
mod latency;
mod names;
mod one_at_a_time;
mod peer;
mod peers;
mod report;
mod resolver;
mod sequence;
mod tries;
mod upstream;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::HttpPeer;
use sluice_config::{Protocol, Service, TargetPlace};

pub(crate) use address::Address;
pub use checker::watch_targets;
pub use dns::NameServers;
pub use report::{AddressHealth, TargetReport, UpstreamReport};
pub use resolver::resolve_names;
pub(crate) use tries::{Tries, again, choose};
pub(crate) use upstream::Upstream;
pub(crate) use upstreams::Upstreams;

use crate::tls::UpstreamTls;

/// How many requests share a connection of HTTP/2 at most.
const STREAMS: u32 = 100;
/// How often an upstream is asked over such a connection whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// How much of one answer waits here for a client that reads slowly.
const WINDOW: u32 = 256 * 1024;

/// The way to a service.
pub(crate) struct Target {
    /// Everything of a peer but its address and its name.
    template: HttpPeer,
    way: Way,
}

enum Way {
    Fixed(Address),
    Upstream(Arc<Upstream>),
}

impl Target {
    /// The way to the service: by the upstream that bears the name of its host, if there is one.
    pub fn new(service: &Service, tls: Option<&UpstreamTls>, upstreams: &Upstreams) -> Self {
        let host = service.host.trim_start_matches('[').trim_end_matches(']');
        let unknown = std::net::SocketAddr::from(([0, 0, 0, 0], service.port));
        let way = match (upstreams.of_service(service), TargetPlace::of(host, service.port)) {
            (Some(upstream), _) => Way::Upstream(upstream.clone()),
            (None, TargetPlace::Address(address)) => Way::Fixed(Address::Inet(address)),
            // Every name has an upstream, so nobody comes here.
            (None, _) => Way::Fixed(Address::Inet(([0, 0, 0, 0], service.port).into())),
        };
        let mut template = HttpPeer::new(unknown, service.protocol.is_tls(), host.to_owned());
        let options = &mut template.options;
        if service.protocol.is_grpc() || service.http2 {
            // Only TLS can ask what the upstream speaks.
            let asked = service.protocol == Protocol::Https;
            options.set_http_version(2, if asked { 1 } else { 2 });
            options.max_h2_streams = STREAMS as usize;
            options.h2_ping_interval = Some(PING);
            options.h2_stream_window_size = Some(WINDOW);
            // Answers that nobody takes leave room for the others.
            options.h2_connection_window_size = Some(STREAMS * WINDOW);
        }
        options.connection_timeout = Some(service.connect_timeout.duration());
        options.total_connection_timeout = Some(service.connect_timeout.duration());
        options.read_timeout = Some(service.read_timeout.duration());
        options.write_timeout = Some(service.write_timeout.duration());
        options.idle_timeout = Some(Duration::from_secs(60));
        if let Some(tls) = tls {
            tls.apply(&mut template);
        }
        Self { template, way }
    }

    /// Whether it may be spoken to in HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.template.options.alpn != ALPN::H1
    }

    /// Whether it is spoken to in plain HTTP/1.
    pub fn is_plain(&self) -> bool {
        !self.template.is_tls() && !self.is_http2()
    }

    /// Whether TLS is spoken to it.
    pub fn is_tls(&self) -> bool {
        self.template.is_tls()
    }

    /// The address, if there is but one.
    pub fn fixed(&self) -> Option<&Address> {
        if let Way::Fixed(address) = &self.way { Some(address) } else { None }
    }

    /// The upstream, if an address has to be chosen.
    pub fn upstream(&self) -> Option<&Arc<Upstream>> {
        if let Way::Upstream(upstream) = &self.way { Some(upstream) } else { None }
    }

    /// The place as people read it, as long as no address was chosen.
    pub fn shown(&self) -> String {
        match &self.way {
            Way::Fixed(address) => address.to_string(),
            Way::Upstream(upstream) => upstream.name.clone(),
        }
    }

    /// The peer to connect to, at an address and under a name; and all within the time that is left.
    pub fn peer(&self, (address, name): (&Address, Option<&str>), left: Option<Duration>) -> Option<Box<HttpPeer>> {
        let mut peer = Box::new(self.template.clone());
        peer._address = address.known()?;
        if let Some(name) = name {
            peer.sni = name.to_owned();
        }
        if let Some(left) = left {
            let options = &mut peer.options;
            for time in [
                &mut options.connection_timeout,
                &mut options.total_connection_timeout,
                &mut options.read_timeout,
                &mut options.write_timeout,
            ] {
                *time = time.map(|time| time.min(left));
            }
        }
        Some(peer)
    }
}
