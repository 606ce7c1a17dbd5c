//! Whether a peer is healthy, and how near it is to the contrary: one number, changed by whoever sees something.
//!
//! Limits and statuses are the upstream's; a success forgets the failures before it, and the other way round.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What somebody saw of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Success,
    HttpFailure,
    TcpFailure,
    Timeout,
}

/// The state and the counters of a peer.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// How often it changed, in the upper half: an even number is healthy. Below, a byte for each counter.
    word: AtomicU64,
    /// How many of the changes were told.
    told: AtomicU32,
}

const FLIP: u64 = 1 << 32;
const SUCCESSES: u64 = 0xff;
const FAILURES: u64 = 0xffff_ff00;

impl Health {
    pub fn is_healthy(&self) -> bool {
        is_healthy(self.word.load(Ordering::Acquire))
    }

    /// Counts what was seen, up to a limit; 0 is none. Whether that changed the state.
    pub fn count(&self, seen: Seen, limit: u8) -> bool {
        self.change(|word| counted(word, seen, limit))
    }

    /// Somebody says how it is. Whether that is news.
    pub fn set(&self, healthy: bool) -> bool {
        self.change(|word| Some(if is_healthy(word) == healthy { word & !(FLIP - 1) } else { flipped(word) }))
    }

    fn change(&self, next: impl Fn(u64) -> Option<u64>) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        while let Some(new) = next(word) {
            match self.word.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return word >> 32 != new >> 32,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Tells of every change that was not told yet, in order: whether it is healthy since.
    pub fn tell(&self, mut tell: impl FnMut(bool)) {
        loop {
            let told = self.told.load(Ordering::Acquire);
            if told == (self.word.load(Ordering::Acquire) >> 32) as u32 {
                return;
            }
            let next = told.wrapping_add(1);
            if self.told.compare_exchange(told, next, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                tell(next.is_multiple_of(2));
            }
        }
    }
}

fn is_healthy(word: u64) -> bool {
    word & FLIP == 0
}

/// The other state, with counters at 0.
fn flipped(word: u64) -> u64 {
    (word & !(FLIP - 1)).wrapping_add(FLIP)
}

/// What becomes of the word; none: nothing.
fn counted(word: u64, seen: Seen, limit: u8) -> Option<u64> {
    let forgotten = if seen == Seen::Success { FAILURES } else { SUCCESSES };
    let kept = word & !forgotten;
    let counts = (seen == Seen::Success) != is_healthy(word) && limit > 0;
    if !counts {
        return (kept != word).then_some(kept);
    }
    let shift = match seen {
        Seen::Success => 0,
        Seen::HttpFailure => 8,
        Seen::TcpFailure => 16,
        Seen::Timeout => 24,
    };
    let count = (kept >> shift) & 0xff;
    Some(if count + 1 >= u64::from(limit) { flipped(word) } else { kept + (1 << shift) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn a_limit_in_a_row_changes_the_state_and_its_contrary_forgets() {
        let health = Health::default();
        assert!(!health.count(Seen::TcpFailure, 3) && !health.count(Seen::TcpFailure, 3));
        assert!(!health.count(Seen::Timeout, 3), "kinds are counted apart");
        assert!(!health.count(Seen::Success, 0), "a success forgets whatever its limit is");
        assert!(!health.count(Seen::TcpFailure, 3) && !health.count(Seen::TcpFailure, 3));
        assert!(health.count(Seen::TcpFailure, 3) && !health.is_healthy());
        assert!(!health.count(Seen::Success, 0) && !health.is_healthy(), "by passive checks alone it stays");
        assert!(!health.count(Seen::Success, 2) && !health.count(Seen::HttpFailure, 1));
        assert!(!health.count(Seen::Success, 2) && health.count(Seen::Success, 2) && health.is_healthy());
        assert!(!health.count(Seen::HttpFailure, 0) && health.is_healthy());
        assert!(!health.set(true) && health.set(false) && !health.set(false) && health.set(true));
    }

    #[test]
    fn each_change_is_told_once_and_in_order_whoever_races() {
        let health = Arc::new(Health::default());
        let told = crossbeam(&health);
        let flips = (health.word.load(Ordering::Acquire) >> 32) as usize;
        assert!(flips > 0 && told.len() == flips, "{flips} changes, {} told", told.len());
    }

    /// Threads that see everything; what was told.
    fn crossbeam(health: &Arc<Health>) -> Vec<bool> {
        let threads = (0..8_u32).map(|thread| {
            let health = health.clone();
            std::thread::spawn(move || {
                let mut told = Vec::new();
                for n in 0..20_000_u32 {
                    let changed = match (n + thread) % 5 {
                        0 => health.count(Seen::TcpFailure, 2),
                        1 => health.count(Seen::Success, 2),
                        2 => health.count(Seen::Timeout, 1),
                        3 => health.set(n % 2 == 0),
                        _ => health.count(Seen::Success, 1),
                    };
                    if changed {
                        health.tell(|healthy| told.push(healthy));
                    }
                }
                told
            })
        });
        let threads: Vec<_> = threads.collect();
        let mut told: Vec<bool> = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        health.tell(|healthy| told.push(healthy));
        let ups = told.iter().filter(|healthy| **healthy).count();
        assert!((told.len() - ups).abs_diff(ups) <= 1, "they alternate");
        told
    }

    proptest! {
        #[test]
        fn the_word_agrees_with_four_counters(steps in prop::collection::vec((0_usize..4, 0_u8..4), 0..60)) {
            let health = Health::default();
            let (mut healthy, mut counters) = (true, [0_u32; 4]);
            for (kind, limit) in steps {
                let seen = [Seen::Success, Seen::HttpFailure, Seen::TcpFailure, Seen::Timeout][kind];
                let before = healthy;
                if kind == 0 { counters[1..].fill(0) } else { counters[0] = 0 }
                if (kind == 0) != healthy && limit > 0 {
                    counters[kind] += 1;
                    if counters[kind] >= u32::from(limit) {
                        healthy = !healthy;
                        counters = [0; 4];
                    }
                }
                prop_assert_eq!(health.count(seen, limit), before != healthy);
                prop_assert_eq!(health.is_healthy(), healthy);
            }
        }
    }
}
