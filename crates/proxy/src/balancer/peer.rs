//! One address that requests go to, and what is known of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;
use sluice_config::{Target, TargetPlace};

use super::address::Address;
use super::health::Health;
use super::latency::Latency;

/// An address of a target.
#[derive(Debug)]
pub(crate) struct Peer {
    pub address: Address,
    /// The target, as people write it.
    pub target: Arc<str>,
    /// The host of the target.
    pub host: Arc<str>,
    pub port: u16,
    pub weight: u16,
    /// What it sees as Host, with its port and without; none if it is a socket on this machine.
    authority: Option<[HeaderValue; 2]>,
    /// What it is known by where keys are hashed.
    pub hash: u64,
    pub state: Arc<State>,
}

/// What is known of an address; it outlives a reload.
#[derive(Debug)]
pub(crate) struct State {
    pub health: Health,
    pub latency: Latency,
    in_flight: AtomicU32,
    /// When it is to be asked again, and whether it is being asked.
    next_check: AtomicU64,
    pub checking: AtomicBool,
    born: Instant,
}

impl Peer {
    /// A target at this address.
    pub fn new(target: &Target, address: Address, state: Option<Arc<State>>) -> Self {
        let (host, port) = (target.place.host(), target.place.port());
        let named = !matches!(target.place, TargetPlace::Unix(_));
        let value = |text: String| HeaderValue::from_str(&text).ok();
        let authority = value(format!("{host}:{port}")).zip(value(host.clone())).filter(|_| named);
        Self {
            hash: super::hashing::hash(address.to_string().as_bytes()),
            address,
            target: target.place.to_string().into(),
            host: host.into(),
            port,
            weight: target.weight,
            authority: authority.map(|(with_port, bare)| [with_port, bare]),
            state: state.unwrap_or_default(),
        }
    }

    /// What it sees as Host; none if it has no name.
    pub fn authority(&self, tls: bool) -> Option<&HeaderValue> {
        let default = if tls { 443 } else { 80 };
        self.authority.as_ref().map(|[with_port, bare]| if self.port == default { bare } else { with_port })
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            health: Health::default(),
            latency: Latency::default(),
            in_flight: AtomicU32::new(0),
            next_check: AtomicU64::new(0),
            checking: AtomicBool::new(false),
            born: Instant::now(),
        }
    }
}

impl State {
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// Milliseconds since it is known.
    pub fn now(&self) -> u32 {
        u32::try_from(self.born.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// How long it is until it is to be asked.
    pub fn until_check(&self) -> Duration {
        Duration::from_millis(self.next_check.load(Ordering::Relaxed)).saturating_sub(self.born.elapsed())
    }

    /// It is to be asked again after this long.
    pub fn check_after(&self, time: Duration) {
        let at = (self.born.elapsed() + time).as_millis();
        self.next_check.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
