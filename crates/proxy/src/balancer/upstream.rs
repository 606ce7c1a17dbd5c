//! An upstream: its targets, their peers, and what becomes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use http::HeaderValue;
use sluice_config::{Active, Algorithm, HashInput, Healthchecks, Target, TargetPlace};
use sluice_events::{Emitter, TargetHealth};
use tokio::sync::{Notify, Semaphore};

use super::address::Address;
use super::health::Seen;
use super::names::{Name, Names, with_port};
use super::one_at_a_time::OneAtATime;
use super::peer::{Peer, State};
use super::peers::{Peers, Settings};
use crate::tls::UpstreamTls;

/// Several targets under one name, or the one that a service has by itself.
pub(crate) struct Upstream {
    pub name: String,
    id: Arc<str>,
    pub hash: Option<Hashing>,
    pub host_header: Option<HeaderValue>,
    pub healthchecks: Healthchecks,
    settings: Settings,
    targets: Vec<(Target, Option<Arc<Name>>)>,
    wanted: Arc<Notify>,
    peers: ArcSwap<Peers>,
    /// The versions of the names that the peers come from, together.
    version: AtomicU64,
    refreshing: OneAtATime,
    flipped: Emitter<TargetHealth>,
    /// As many active checks may be under way.
    pub places: Arc<Semaphore>,
    /// Whom those trust, and what they show, if they speak TLS: as its service does.
    pub check_tls: Option<UpstreamTls>,
}

/// What is hashed of a request.
pub(crate) struct Hashing {
    pub on: HashInput,
    pub fallback: HashInput,
    pub cookie_path: String,
}

/// What an upstream is built from, besides its targets.
pub(crate) struct Around<'a> {
    pub names: &'a Names,
    /// The upstream of this name before.
    pub before: Option<&'a Upstream>,
    pub flipped: Emitter<TargetHealth>,
    /// What its service speaks TLS by.
    pub tls: Option<UpstreamTls>,
}

impl Upstream {
    /// An upstream of the configuration.
    pub fn new(upstream: &sluice_config::Upstream, targets: &[&Target], around: Around<'_>) -> Self {
        let settings = Settings {
            algorithm: upstream.algorithm,
            watched: upstream.healthchecks.is_on(),
            slots: upstream.slots,
            threshold: upstream.healthchecks.threshold,
        };
        let hash = (upstream.algorithm == Algorithm::ConsistentHashing).then(|| Hashing {
            on: upstream.hash.clone(),
            fallback: upstream.fallback.clone(),
            cookie_path: upstream.hash_on_cookie_path.clone(),
        });
        let built = Self::build((&upstream.name, settings), targets, around);
        Self {
            id: upstream.id.to_string().into(),
            hash,
            host_header: upstream.host_header.as_ref().and_then(|host| HeaderValue::from_str(host).ok()),
            places: Arc::new(Semaphore::new(upstream.healthchecks.active.concurrency as usize)),
            healthchecks: upstream.healthchecks.clone(),
            ..built
        }
    }

    /// The upstream that a service is by itself, if its host is a name: nobody watches it.
    pub fn of_name(target: &Target, around: Around<'_>) -> Self {
        let settings = Settings { algorithm: Algorithm::RoundRobin, watched: false, slots: 0, threshold: 0.0 };
        Self::build((&target.place.to_string(), settings), &[target], around)
    }

    fn build((name, settings): (&str, Settings), targets: &[&Target], around: Around<'_>) -> Self {
        let named = |target: &Target| match &target.place {
            TargetPlace::Name { host, .. } => around.names.get(host).cloned(),
            TargetPlace::Address(_) | TargetPlace::Unix(_) => None,
        };
        let targets: Vec<_> = targets.iter().map(|target| ((*target).clone(), named(target))).collect();
        // What is not watched any more begins afresh when it is again.
        let before = around.before.filter(|before| before.settings.watched == settings.watched);
        let before = before.map(|before| before.peers.load_full());
        let version = version_of(&targets);
        let peers = Peers::new(peers_of(&targets, before.as_deref()), &settings, None);
        Self {
            name: name.to_owned(),
            id: "".into(),
            hash: None,
            host_header: None,
            healthchecks: Healthchecks::default(),
            settings,
            targets,
            wanted: around.names.wanted.clone(),
            peers: ArcSwap::from_pointee(peers),
            version: AtomicU64::new(version),
            refreshing: OneAtATime::default(),
            flipped: around.flipped,
            places: Arc::new(Semaphore::new(0)),
            check_tls: around.tls,
        }
    }

    /// Its peers as they are now.
    pub fn peers(&self) -> Guard<Arc<Peers>> {
        self.peers.load()
    }

    /// The name that a peer's certificate must have.
    pub fn server_name<'a>(&'a self, peer: &'a Peer) -> &'a str {
        let told = self.host_header.as_ref().and_then(|host| host.to_str().ok());
        // A host may have a port, a name has none.
        told.map_or(&*peer.host, |host| host.split_once(':').map_or(host, |(name, _)| name))
    }

    /// Whether health is watched at all.
    pub fn is_watched(&self) -> bool {
        self.settings.watched
    }

    /// How targets are asked, if they are.
    pub fn active(&self) -> Option<&Active> {
        Some(&self.healthchecks.active).filter(|active| active.is_on())
    }

    pub fn targets(&self) -> impl Iterator<Item = (&Target, Option<&Name>)> {
        self.targets.iter().map(|(target, name)| (target, name.as_deref()))
    }

    /// Whether its peers are not those that its names lead to now.
    pub fn is_behind(&self) -> bool {
        self.version.load(Ordering::Acquire) != version_of(&self.targets)
    }

    /// Waits until something is known of its names, if nothing is. Whether there are peers then.
    pub async fn known(&self, within: Duration) -> bool {
        if !self.peers().all.is_empty() {
            return true;
        }
        let names = self.targets.iter().filter_map(|(_, name)| name.as_ref());
        let first = async {
            for name in names {
                name.first(&self.wanted).await;
            }
        };
        let _ = tokio::time::timeout(within, first).await;
        !self.peers().all.is_empty()
    }

    /// Whether it has no peer since its names lead nowhere.
    pub fn is_lost(&self) -> bool {
        self.peers().all.is_empty() && self.targets.iter().any(|(_, name)| name.is_some())
    }

    /// Counts what was seen of a peer, up to the limit.
    pub fn count(&self, peer: &Peer, seen: Seen, limit: u8) {
        if self.settings.watched && peer.state.health.count(seen, limit) {
            self.refresh();
        }
    }

    /// Somebody says how a peer is.
    pub fn set(&self, peer: &Peer, healthy: bool) {
        if peer.state.health.set(healthy) {
            self.refresh();
        }
    }

    /// Works out again what follows from names and health, and tells of what changed.
    pub fn refresh(&self) {
        self.refreshing.run(|| {
            let before = self.peers.load_full();
            let version = version_of(&self.targets);
            let all = peers_of(&self.targets, Some(&before));
            self.peers.store(Arc::new(Peers::new(all, &self.settings, Some(&before))));
            self.version.store(version, Ordering::Release);
            before.all.iter().for_each(|peer| peer.state.health.tell(|healthy| self.tell(peer, healthy)));
        });
    }

    fn tell(&self, peer: &Peer, healthy: bool) {
        let health = if healthy { "healthy" } else { "unhealthy" };
        tracing::warn!(upstream = self.name, address = %peer.address, health, "the health of a target has changed");
        self.flipped.emit(|| TargetHealth {
            upstream_id: self.id.clone(),
            ip: peer.address.ip(),
            port: peer.port,
            hostname: peer.host.clone(),
            health,
        });
    }
}

/// The versions of all names. Each only grows, so that no two states have the same.
fn version_of(targets: &[(Target, Option<Arc<Name>>)]) -> u64 {
    targets.iter().filter_map(|(_, name)| name.as_ref()).map(|name| name.version()).sum()
}

/// The peers of these targets: those that there were already keep what is known of them.
fn peers_of(targets: &[(Target, Option<Arc<Name>>)], before: Option<&Peers>) -> Box<[Arc<Peer>]> {
    let state = |target: &Target, address: &Address| -> Option<Arc<State>> {
        let shown = target.place.to_string();
        let same = |peer: &&Arc<Peer>| peer.address == *address && *peer.target == *shown;
        before?.all.iter().find(same).map(|peer| peer.state.clone())
    };
    let peer = |target: &Target, address: Address| {
        let state = state(target, &address);
        Arc::new(Peer::new(target, address, state))
    };
    let mut all = Vec::with_capacity(targets.len());
    for (target, name) in targets {
        match &target.place {
            TargetPlace::Address(address) => all.push(peer(target, Address::Inet(*address))),
            TargetPlace::Unix(path) => all.push(peer(target, Address::Unix(path.as_path().into()))),
            TargetPlace::Name { port, .. } => {
                let addresses = name.as_ref().and_then(|name| name.addresses()).unwrap_or_default();
                all.extend(with_port(&addresses, *port).map(|address| peer(target, Address::Inet(address))));
            }
        }
    }
    all.into()
}
