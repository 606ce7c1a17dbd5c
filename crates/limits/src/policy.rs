//! Several windows in one policy, all or nothing: a request refused by the hour does not spend the second.

use std::sync::Arc;

use governor::nanos::Nanos;
use smallvec::SmallVec;
use thiserror::Error;

use crate::{
    key::Key,
    limiter::{Decision, Limiter},
};

/// How many windows a policy has at most.
pub const MAX_WINDOWS: usize = 8;

/// Room for the decisions of a policy. All of them have some, so that nothing is allocated.
pub type Room = SmallVec<[Decision; MAX_WINDOWS]>;

/// Windows that a request must all fit, in the order in which they were configured. They read one clock.
#[derive(Clone, Debug)]
pub struct Policy {
    windows: Vec<Arc<dyn Limiter>>,
}

/// What a policy answers.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// The position of the first window that refused, or none if the request is admitted.
    pub refused_by: Option<usize>,
    /// How each window stands after the request, in order. If one refused, the others say what is left without the
    /// request.
    pub decisions: &'a [Decision],
}

/// A policy would have more than [`MAX_WINDOWS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a policy has at most {MAX_WINDOWS} windows, not {0}")]
pub struct TooManyWindows(usize);

impl Policy {
    /// A policy of these windows.
    pub fn new(windows: Vec<Arc<dyn Limiter>>) -> Result<Self, TooManyWindows> {
        if windows.len() > MAX_WINDOWS {
            return Err(TooManyWindows(windows.len()));
        }
        Ok(Self { windows })
    }

    /// The windows, in order.
    pub fn windows(&self) -> &[Arc<dyn Limiter>] {
        &self.windows
    }

    /// Charges every window, or none. The caller lends the room for the decisions; what is in it goes.
    ///
    /// A window that charges refused requests counts those that it refuses itself.
    ///
    /// Between the charge of a window and its return, another request may find it fuller than it is: under races
    /// a policy refuses too much rather than admits too much.
    pub fn check<'a>(&self, key: Key, cost: u32, room: &'a mut Room) -> Verdict<'a> {
        self.check_at(self.now(), key, cost, room)
    }

    /// The same at a time that [`Policy::now`] told: all policies of a request share one look at the clock.
    pub fn check_at<'a>(&self, now: Nanos, key: Key, cost: u32, room: &'a mut Room) -> Verdict<'a> {
        room.clear();
        for window in &self.windows {
            let decision = window.check_at(now, key, cost);
            room.push(decision);
            if !decision.admitted {
                return self.refuse(now, key, cost, room);
            }
        }
        Verdict { refused_by: None, decisions: room }
    }

    /// The last window that was asked refuses: those before it get back what they took, and the rest is only asked how it
    /// stands.
    #[inline(never)]
    fn refuse<'a>(&self, now: Nanos, key: Key, cost: u32, room: &'a mut Room) -> Verdict<'a> {
        let refused_by = room.len() - 1;
        room.extend(self.windows[room.len()..].iter().map(|window| window.check_at(now, key, 0)));
        for (window, decision) in self.windows.iter().zip(&mut *room).take(refused_by) {
            window.refund_at(now, key, cost);
            decision.rate -= u64::from(cost);
            decision.remaining += u64::from(cost);
            decision.cost = 0;
        }
        Verdict { refused_by: Some(refused_by), decisions: room }
    }

    /// How each window stands, without a charge: see [`Limiter::peek`].
    pub fn peek<'a>(&self, key: Key, room: &'a mut Room) -> &'a [Decision] {
        let now = self.now();
        room.clear();
        room.extend(self.windows.iter().map(|window| window.peek_at(now, key)));
        room
    }

    /// Forgets in every window what a key has spent.
    pub fn reset(&self, key: Key) {
        self.windows.iter().for_each(|window| window.reset(key));
    }

    /// What time it is by the clock of the windows.
    pub fn now(&self) -> Nanos {
        self.windows.first().map(|window| window.now()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        budget::Budget,
        clock::{ManualClock, SharedClock},
        key::Keys,
        limiter::{ALGORITHMS, Algorithm},
        quota::Quota,
    };

    /// Limits and the seconds of their windows.
    type Windows = [(u64, u64)];

    fn policy(algorithm: &Algorithm, windows: &Windows) -> Policy {
        let clock = SharedClock::new(ManualClock::at(Duration::from_secs(3600)));
        let build = |&(limit, seconds): &(u64, u64)| {
            let quota = Quota::new(limit, Duration::from_secs(seconds));
            (algorithm.build)(&quota, clock.clone(), &Budget::default()).expect("a sound quota")
        };
        Policy::new(windows.iter().map(build).collect()).expect("a few windows")
    }

    /// Spends `costs`; by every algorithm, who refuses the last one and what remains in each window?
    fn check(windows: &Windows, costs: &[u32], expected: (Option<usize>, &[u64])) {
        for algorithm in ALGORITHMS {
            let policy = policy(algorithm, windows);
            let key = Keys::fixed(0).key(&[b"client"]);
            let mut room = Room::new();
            let mut refused_by = None;
            for cost in costs {
                refused_by = policy.check(key, *cost, &mut room).refused_by;
            }
            let remaining: Vec<_> = room.iter().take(windows.len()).map(|decision| decision.remaining).collect();
            assert_eq!((refused_by, &remaining[..]), expected, "{} {costs:?}", algorithm.name);
            let asked = policy.check(key, 0, &mut room);
            let stands: Vec<_> = asked.decisions.iter().map(|decision| decision.remaining).collect();
            assert_eq!(stands, remaining, "{} {costs:?} as stored", algorithm.name);
        }
    }

    #[test]
    fn an_admitted_request_spends_every_window() {
        check(&[(3, 1), (5, 60), (100, 3600)], &[1], (None, &[2, 4, 99]));
    }

    #[test]
    fn a_refused_request_spends_no_window() {
        check(&[(3, 1), (5, 60), (100, 3600)], &[3, 1, 1, 1], (Some(0), &[0, 2, 97]));
        check(&[(3, 1), (1, 60), (100, 3600)], &[1, 1, 1, 1], (Some(1), &[2, 0, 99]));
        check(&[(300, 1), (50, 60), (10, 3600)], &[1, 20, 49], (Some(2), &[299, 49, 9]));
    }

    #[test]
    fn the_first_window_that_refuses_is_named() {
        check(&[(2, 1), (2, 60)], &[3], (Some(0), &[2, 2]));
        check(&[], &[1], (None, &[]));
    }

    #[test]
    fn a_policy_has_a_bounded_number_of_windows() {
        let quota = Quota::new(1, Duration::from_secs(1));
        let window = (ALGORITHMS[0].build)(&quota, SharedClock::unix(), &Budget::default()).expect("a sound quota");
        assert_eq!(Policy::new(vec![window; 9]).err(), Some(TooManyWindows(9)));
    }
}
