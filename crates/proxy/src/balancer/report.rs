//! How the targets of upstreams are, for people and for metrics; and how people say how they are.

use super::peer::Peer;
use super::upstream::Upstream;
use crate::snapshot::Snapshot;

/// How an upstream is.
#[derive(Clone, Debug)]
pub struct UpstreamReport {
    /// Its name.
    pub name: String,
    /// Whether it serves at all: enough of its targets are healthy.
    pub healthy: bool,
    /// Whether its targets are watched; if not, each counts as healthy.
    pub watched: bool,
    /// Its targets.
    pub targets: Vec<TargetReport>,
}

/// How a target is.
#[derive(Clone, Debug)]
pub struct TargetReport {
    /// The target as the configuration has it.
    pub target: String,
    /// Its weight.
    pub weight: u16,
    /// Whether its name leads nowhere.
    pub lost: bool,
    /// Its addresses.
    pub addresses: Vec<AddressHealth>,
}

/// How an address of a target is.
#[derive(Clone, Debug)]
pub struct AddressHealth {
    /// The address, or the path of a socket.
    pub ip: String,
    /// The port; 0 if it has none.
    pub port: u16,
    /// Whether it is healthy.
    pub healthy: bool,
    /// How many requests are at it.
    pub in_flight: u32,
}

impl Snapshot {
    /// How all upstreams are.
    pub fn upstreams(&self) -> Vec<UpstreamReport> {
        self.upstreams.named().map(|upstream| report(upstream)).collect()
    }

    /// How an upstream is.
    pub fn upstream(&self, name: &str) -> Option<UpstreamReport> {
        self.upstreams.get(name).map(|upstream| report(upstream))
    }

    /// Says how a target is, or one of its addresses alone. Whether there is any.
    pub fn set_health(&self, upstream: &str, (target, address): (&str, Option<&str>), healthy: bool) -> bool {
        let Some(upstream) = self.upstreams.get(upstream) else { return false };
        let peers = upstream.peers();
        let mut any = false;
        for peer in peers.all.iter().filter(|peer| *peer.target == *target) {
            let meant = address.is_none_or(|address| peer.address.to_string() == address || peer.address.ip() == address);
            if meant {
                any = true;
                upstream.set(peer, healthy);
            }
        }
        any
    }
}

fn report(upstream: &Upstream) -> UpstreamReport {
    let peers = upstream.peers();
    let of = |target: &str| peers.all.iter().filter(|peer| *peer.target == *target).map(|peer| address(peer, upstream)).collect();
    let targets = upstream.targets().map(|(target, name)| {
        let shown = target.place.to_string();
        let addresses: Vec<AddressHealth> = of(&shown);
        let lost = addresses.is_empty() && name.is_some_and(super::names::Name::is_lost);
        TargetReport { target: shown, weight: target.weight, lost, addresses }
    });
    let any = peers.all.iter().any(|peer| peers.is_available(peer));
    UpstreamReport {
        name: upstream.name.clone(),
        healthy: peers.serves && any,
        watched: upstream.is_watched(),
        targets: targets.collect(),
    }
}

fn address(peer: &Peer, upstream: &Upstream) -> AddressHealth {
    AddressHealth {
        ip: peer.address.ip(),
        port: peer.port,
        healthy: !upstream.is_watched() || peer.state.health.is_healthy(),
        in_flight: peer.state.in_flight(),
    }
}
