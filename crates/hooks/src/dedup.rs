//! Which events a hook swallows: Kong's `snooze` and `on_change`, on the unique fields of an event.
//!
//! - `on_change`: an event fires only if its unique fields differ from those of the last event that this hook saw,
//!   whether that one fired or not. The first event of all fires.
//! - `snooze`: after an event fired, events with the same unique fields are swallowed for that many seconds. A swallowed
//!   event does not prolong the time. The first event after it fires at once; there is no summary.
//! - With both, an event must pass both.
//!
//! The state lives in this process and as long as the hook is unchanged. At most [`REMEMBERED`] snoozes are kept for a
//! hook: past that the oldest is forgotten, and its event may fire again before its time.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How many different unique fields a hook remembers.
const REMEMBERED: usize = 65_536;
/// A century: longer is not meant.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The memory of one hook.
pub(crate) struct Dedup {
    snooze: Duration,
    on_change: bool,
    last: Option<u64>,
    snoozed: HashSet<u64>,
    /// The snoozed ones by the time of their end: all last equally long, so the oldest ends first.
    ends: VecDeque<(Instant, u64)>,
}

impl Dedup {
    /// A memory that remembers nothing yet.
    pub fn new(snooze: Duration, on_change: bool) -> Self {
        Self { snooze: snooze.min(LONGEST), on_change, last: None, snoozed: HashSet::new(), ends: VecDeque::new() }
    }

    /// Whether an event of this identity fires.
    pub fn fires(&mut self, identity: u64, now: Instant) -> bool {
        let seen_last = self.last.replace(identity) == Some(identity);
        if self.on_change && seen_last {
            return false;
        }
        if self.snooze.is_zero() {
            return true;
        }
        self.forget(now);
        if !self.snoozed.insert(identity) {
            return false;
        }
        self.ends.push_back((now + self.snooze, identity));
        true
    }

    /// Forgets what is over, and the oldest if there are too many.
    fn forget(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now || self.ends.len() >= REMEMBERED) {
            if let Some((_, identity)) = self.ends.pop_front() {
                self.snoozed.remove(&identity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events as (second, identity, fires).
    fn check(snooze: u64, on_change: bool, events: &[(u64, u64, bool)]) {
        let mut dedup = Dedup::new(Duration::from_secs(snooze), on_change);
        let start = Instant::now();
        for (second, identity, expected) in events {
            assert_eq!(dedup.fires(*identity, start + Duration::from_secs(*second)), *expected, "{identity} at {second}");
        }
    }

    #[test]
    fn without_either_everything_fires() {
        check(0, false, &[(0, 1, true), (0, 1, true), (1, 1, true)]);
    }

    #[test]
    fn snooze_swallows_the_same_for_a_while_and_does_not_prolong() {
        check(
            10,
            false,
            &[
                (0, 1, true),
                (1, 1, false),
                (2, 2, true),
                (9, 1, false),
                (10, 1, true),
                (11, 2, false),
                (12, 2, true),
                (19, 1, false),
                (20, 1, true),
            ],
        );
    }

    #[test]
    fn on_change_compares_with_the_last_event_seen() {
        check(0, true, &[(0, 1, true), (1, 1, false), (99, 1, false), (100, 2, true), (101, 1, true), (102, 1, false)]);
    }

    #[test]
    fn with_both_an_event_must_pass_both() {
        check(
            10,
            true,
            &[(0, 1, true), (1, 2, true), (2, 1, false), (3, 1, false), (10, 1, false), (11, 2, true), (12, 1, true)],
        );
    }

    #[test]
    fn memory_is_bounded() {
        let (mut dedup, now) = (Dedup::new(Duration::from_secs(u64::MAX), false), Instant::now());
        for identity in 0..200_000 {
            assert!(dedup.fires(identity, now));
        }
        assert!(dedup.snoozed.len() <= REMEMBERED && dedup.ends.len() == dedup.snoozed.len());
        assert!(!dedup.fires(199_999, now), "the newest are remembered");
        assert!(dedup.fires(0, now), "the oldest are forgotten");
    }
}
