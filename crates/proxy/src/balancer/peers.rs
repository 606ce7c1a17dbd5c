//! The peers of an upstream as they are now, and how one of them is picked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_config::Algorithm;

use super::hashing::{Slots, best_of};
use super::peer::{Peer, State};
use super::sequence::sequence;

/// What a peer is weighed by that nothing is known of, in milliseconds, for each request that it has already.
const UNKNOWN: f32 = 1e3;

/// All peers, healthy or not, with what is worked out of those that are. When one changes, another is made.
#[derive(Debug)]
pub(crate) struct Peers {
    pub all: Box<[Arc<Peer>]>,
    pub algorithm: Algorithm,
    /// Whether their health counts.
    pub watched: bool,
    /// Whether enough of them are healthy.
    pub serves: bool,
    /// Which of them had traffic when this was worked out.
    up: Box<[bool]>,
    /// The turns of those that are.
    turns: Box<[u32]>,
    next: AtomicUsize,
    slots: Option<Arc<Slots>>,
}

impl Peers {
    /// Works out what follows from these peers; slots are taken over from `before` if they are the same.
    pub fn new(all: Box<[Arc<Peer>]>, settings: &Settings, before: Option<&Self>) -> Self {
        let Settings { algorithm, watched, slots, threshold } = *settings;
        let available = |peer: &Arc<Peer>| peer.weight > 0 && (!watched || peer.state.health.is_healthy());
        let weights: Vec<u16> = all.iter().map(|peer| if available(peer) { peer.weight } else { 0 }).collect();
        let available: Box<[bool]> = all.iter().map(available).collect();
        let sum = |weights: &mut dyn Iterator<Item = u16>| weights.map(u64::from).sum::<u64>();
        let (up, whole) = (sum(&mut weights.iter().copied()), sum(&mut all.iter().map(|peer| peer.weight)));
        let turned = matches!(algorithm, Algorithm::RoundRobin | Algorithm::Latency | Algorithm::ConsistentHashing);
        let known = |peers: &[Arc<Peer>]| peers.iter().map(|peer| (peer.weight, peer.hash)).collect::<Vec<_>>();
        let new_slots = || Arc::new(Slots::new(slots, &known(&all)));
        let kept = before.filter(|before| known(&before.all) == known(&all)).and_then(|before| before.slots.clone());
        Self {
            slots: (algorithm == Algorithm::ConsistentHashing).then(|| kept.unwrap_or_else(new_slots)),
            up: available,
            serves: whole > 0 && up as f64 * 100.0 / whole as f64 >= threshold,
            turns: if turned { sequence(&weights) } else { Box::default() },
            // Gateways that start at once do not begin with the same one.
            next: AtomicUsize::new(
                before.map_or_else(|| fastrand::usize(..1 << 16), |before| before.next.load(Ordering::Relaxed)),
            ),
            all,
            algorithm,
            watched,
        }
    }

    /// Picks a peer that was not tried yet, if there is one; one that was, if not. None: none is healthy.
    pub fn pick(&self, key: Option<u64>, tried: &[Arc<State>]) -> Option<&Arc<Peer>> {
        let fresh = |peer: &Peer| !tried.iter().any(|state| Arc::ptr_eq(state, &peer.state));
        let picked = if self.serves { self.pick_of(key, &fresh) } else { None };
        picked.or_else(|| if tried.is_empty() || !self.serves { None } else { self.pick_of(key, &|_| true) })
    }

    fn pick_of(&self, key: Option<u64>, fresh: &dyn Fn(&Peer) -> bool) -> Option<&Arc<Peer>> {
        let may = |peer: &Peer| self.is_available(peer) && fresh(peer);
        match (self.algorithm, key, &self.slots) {
            (Algorithm::LeastConnections, ..) => self.least(may),
            (Algorithm::Latency, ..) => self.fastest(may),
            (Algorithm::ConsistentHashing, Some(key), Some(slots)) => self.hashed(slots, key, may),
            (Algorithm::RoundRobin | Algorithm::ConsistentHashing, ..) => self.turn(may),
        }
    }

    /// Whether somebody's health has changed since.
    pub fn is_stale(&self) -> bool {
        self.all.iter().zip(&self.up).any(|(peer, up)| self.is_available(peer) != *up)
    }

    pub fn is_available(&self, peer: &Peer) -> bool {
        peer.weight > 0 && (!self.watched || peer.state.health.is_healthy())
    }

    /// The next in turn.
    fn turn(&self, may: impl Fn(&Peer) -> bool) -> Option<&Arc<Peer>> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let turns = self.turns.len();
        (0..turns).map(|step| &self.all[self.turns[start.wrapping_add(step) % turns] as usize]).find(|peer| may(peer))
    }

    /// The one with the fewest requests for its weight; of equals, another one each time.
    fn least(&self, may: impl Fn(&Peer) -> bool) -> Option<&Arc<Peer>> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let all = (0..self.all.len()).map(|step| &self.all[start.wrapping_add(step) % self.all.len()]);
        let load = |peer: &Arc<Peer>| u64::from(peer.state.in_flight()) + 1;
        all.filter(|peer| may(peer))
            .map(|peer| (load(peer), peer))
            .reduce(|best, other| {
                let less = other.0 * u64::from(best.1.weight) < best.0 * u64::from(other.1.weight);
                if less { other } else { best }
            })
            .map(|(_, peer)| peer)
    }

    /// The faster of two that are drawn by weight.
    fn fastest(&self, may: impl Fn(&Peer) -> bool) -> Option<&Arc<Peer>> {
        if self.turns.is_empty() {
            return None;
        }
        let drawn = || &self.all[self.turns[fastrand::usize(..self.turns.len())] as usize];
        let one = drawn();
        // Where one has nearly all of the weight, the other may not come up.
        let other = (0..4).map(|_| drawn()).find(|other| !Arc::ptr_eq(one, other)).unwrap_or(one);
        match (may(one), may(other)) {
            (true, true) => Some(if cost(other) < cost(one) { other } else { one }),
            (true, false) => Some(one),
            (false, true) => Some(other),
            (false, false) => self.all.iter().filter(|peer| may(peer)).min_by(|a, b| cost(a).total_cmp(&cost(b))),
        }
    }

    /// The one that the key's slot has; if it is not to be had, the one that gets the slot without it.
    fn hashed(&self, slots: &Slots, key: u64, may: impl Fn(&Peer) -> bool) -> Option<&Arc<Peer>> {
        let slot = slots.slot_of(key);
        let owner = self.all.get(slots.owner(slot));
        owner.filter(|peer| may(peer)).or_else(|| {
            let left = self.all.iter().enumerate().filter(|(_, peer)| may(peer));
            best_of(slot, left.map(|(at, peer)| (at, &**peer))).map(|at| &self.all[at])
        })
    }
}

/// What of an upstream peers are worked out by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub algorithm: Algorithm,
    pub watched: bool,
    pub slots: u32,
    /// The percentage of the weight that must be healthy.
    pub threshold: f64,
}

/// How long a request would take there, or nearly.
fn cost(peer: &Peer) -> f32 {
    let State { latency, .. } = &*peer.state;
    let waiting = peer.state.in_flight() as f32;
    latency.average(peer.state.now()).map_or(UNKNOWN * waiting, |average| average * (waiting + 1.0))
}

#[cfg(test)]
mod tests {
    use super::super::health::Seen;
    use super::*;
    use proptest::prelude::*;
    use sluice_config::{Target, TargetPlace};
    use std::time::Duration;

    fn peers(algorithm: Algorithm, weights: &[u16], threshold: f64) -> Peers {
        let peer = |(at, weight): (usize, &u16)| {
            let place = TargetPlace::parse(&format!("10.0.0.{at}:80")).expect("a target");
            let TargetPlace::Address(address) = place else { unreachable!("it is an address") };
            let target = Target {
                id: Default::default(),
                upstream: Default::default(),
                place,
                weight: *weight,
                tags: Vec::new(),
                stamps: Default::default(),
            };
            Arc::new(Peer::new(&target, super::super::address::Address::Inet(address), None))
        };
        let all = weights.iter().enumerate().map(peer).collect();
        Peers::new(all, &Settings { algorithm, watched: true, slots: 100, threshold }, None)
    }

    fn position(peers: &Peers, picked: Option<&Arc<Peer>>) -> Option<usize> {
        picked.and_then(|picked| peers.all.iter().position(|peer| Arc::ptr_eq(peer, picked)))
    }

    const ALL: [Algorithm; 4] =
        [Algorithm::RoundRobin, Algorithm::LeastConnections, Algorithm::ConsistentHashing, Algorithm::Latency];

    #[test]
    fn the_least_busy_for_its_weight_is_next() {
        let peers = peers(Algorithm::LeastConnections, &[100, 300], 0.0);
        let mut counts = [0; 2];
        for _ in 0..400 {
            let picked = peers.pick(None, &[]).expect("one is healthy");
            picked.state.begin();
            counts[position(&peers, Some(picked)).expect("it is one of them")] += 1;
        }
        assert_eq!(counts, [100, 300]);
        peers.all[0].state.end();
        assert_eq!(position(&peers, peers.pick(None, &[])), Some(0), "whoever is done gets the next");
    }

    #[test]
    fn of_two_the_faster_is_picked_and_a_slow_one_sinks() {
        let peers = peers(Algorithm::Latency, &[100, 100], 0.0);
        let at = |peer: usize, ms| peers.all[peer].state.latency.observe(0, Duration::from_millis(ms));
        at(0, 1);
        at(1, 300);
        let slow = (0..1000).filter(|_| position(&peers, peers.pick(None, &[])) == Some(1)).count();
        // Only when one is drawn five times in a row.
        assert!(slow < 150, "{slow}");
    }

    #[test]
    fn below_the_threshold_nobody_is_picked() {
        let peers = peers(Algorithm::RoundRobin, &[100, 100, 200], 51.0);
        assert!(peers.pick(None, &[]).is_some());
        peers.all[2].state.health.set(false);
        let settings = Settings { algorithm: Algorithm::RoundRobin, watched: true, slots: 100, threshold: 51.0 };
        let again = Peers::new(peers.all.clone(), &settings, Some(&peers));
        assert!(again.pick(None, &[]).is_none());
    }

    proptest! {
        #[test]
        fn over_a_whole_round_each_healthy_peer_has_its_share(
            weights in prop::collection::vec(0_u16..20, 1..6), sick in prop::collection::vec(any::<bool>(), 6),
        ) {
            let first = peers(Algorithm::RoundRobin, &weights, 0.0);
            first.all.iter().zip(&sick).filter(|(_, sick)| **sick).for_each(|(peer, _)| { peer.state.health.count(Seen::Timeout, 1); });
            let settings = Settings { algorithm: Algorithm::RoundRobin, watched: true, slots: 100, threshold: 0.0 };
            let peers = Peers::new(first.all.clone(), &settings, Some(&first));
            let round = peers.turns.len();
            let picked: Vec<_> = (0..round).filter_map(|_| position(&peers, peers.pick(None, &[]))).collect();
            let share: u64 = weights.iter().zip(&sick).filter(|(_, sick)| !**sick).map(|(weight, _)| u64::from(*weight)).sum();
            for (at, weight) in weights.iter().enumerate() {
                let times = picked.iter().filter(|one| **one == at).count() as u64;
                prop_assert_eq!(times * share, if sick[at] { 0 } else { u64::from(*weight) * round as u64 });
            }
        }

        #[test]
        fn who_is_not_healthy_is_never_picked_and_who_was_tried_only_if_nobody_else_is_left(
            kind in 0_usize..4, weights in prop::collection::vec(0_u16..5, 1..6),
            sick in prop::collection::vec(any::<bool>(), 6), tried in prop::collection::vec(any::<bool>(), 6), key in any::<u64>(),
        ) {
            let peers = peers(ALL[kind], &weights, 0.0);
            let had: Vec<_> = peers.all.iter().zip(&tried).filter(|(_, tried)| **tried).map(|(peer, _)| peer.state.clone()).collect();
            // Some turn sick after everything was worked out.
            peers.all.iter().zip(&sick).filter(|(_, sick)| **sick).for_each(|(peer, _)| { peer.state.health.set(false); });
            let good: Vec<usize> = (0..weights.len()).filter(|at| weights[*at] > 0 && !sick[*at]).collect();
            let fresh = good.iter().any(|at| !tried[*at]);
            match position(&peers, peers.pick(Some(key), &had)) {
                None => prop_assert!(good.is_empty()),
                Some(at) => prop_assert!(good.contains(&at) && (!fresh || !tried[at])),
            }
        }
    }
}
