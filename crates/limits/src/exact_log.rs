//! An exact log: the time of every request that was admitted, in a ring of at most `limit` places.
//!
//! There is no approximation to bound: no window `(now - window, now]` ever holds more than the limit, and nothing is
//! refused that would fit. Windows are those of the clock's readings while it runs forward. A clock that jumps back
//! shows some readings twice; across the jump the promise is kept by the time that passed.
//!
//! The price is memory, 8 bytes for each unit of cost in the window. Two times stand in the table; a ring has four times the
//! places of the one before, or `limit`, 80 KB for the largest. They are given back when their key is forgotten. So a key
//! that comes rarely takes about 120 bytes in the table. All rings together take at most `14 * limit` bytes for each key of
//! the budget, and for each of 65,792 overflow keys and spare slots, if every key spends its whole limit: choose
//! `max_keys` by that.
//!
//! With `charge_rejected` refused requests take places as well and push out the oldest: then the newest `limit`
//! requests of any kind are remembered, which decides every charge the same as if all were, and a client that hammers
//! gets in only after a pause. `rate` then counts at most the limit and the cost.
//!
//! A limit that changes keeps the rings: decisions are those of the new limit over the same requests. With
//! `charge_rejected` a higher limit knows of no more requests than the lower one remembered.

use std::{sync::Arc, time::Duration};

use governor::{clock::Clock, nanos::Nanos};

use crate::{
    budget::Budget,
    clock::{SharedClock, earliest},
    key::Key,
    limiter::{Algorithm, Decision, Limiter},
    log::{Glance, Held, Log},
    quota::{LimitError, MAX_EXACT_LIMIT, Quota, QuotaError},
    store::{Store, Table},
};

pub(crate) const ALGORITHM: Algorithm = Algorithm {
    name: "exact",
    summary: "remembers the time of each request: no window ever holds more than the limit",
    max_limit: MAX_EXACT_LIMIT,
    build,
};

/// More places than this leave the window at once only after a pause.
const FEW: usize = 8;

fn build(quota: &Quota, clock: SharedClock, budget: &Budget) -> Result<Arc<dyn Limiter>, QuotaError> {
    validate(quota)?;
    Ok(Arc::new(ExactLog::new(quota, clock, Store::new(budget))))
}

fn validate(quota: &Quota) -> Result<(), QuotaError> {
    quota.validate()?;
    match quota.limit > MAX_EXACT_LIMIT {
        true => Err(LimitError::Exact(quota.limit).into()),
        false => Ok(()),
    }
}

#[derive(Debug)]
struct ExactLog {
    quota: Quota,
    limit: usize,
    /// The length of the window in nanoseconds.
    window: u64,
    clock: SharedClock,
    store: Store<Log>,
}

impl ExactLog {
    fn new(quota: &Quota, clock: SharedClock, store: Store<Log>) -> Self {
        Self { quota: *quota, limit: quota.limit as usize, window: quota.window.as_nanos() as u64, clock, store }
    }

    /// Refuses a request if a glance at the log says all: the log is full, and nothing of it has left the window.
    #[inline]
    fn refuse(&self, glance: Glance, now: u64, cost: u32) -> Option<Decision> {
        let Glance { count, oldest, newest } = glance;
        let leaves = oldest.saturating_add(self.window);
        if cost != 1 || count != self.limit || self.quota.charge_rejected || newest > now || leaves <= now {
            return None;
        }
        let (limit, wait) = (self.quota.limit, Duration::from_nanos(leaves - now));
        Some(Decision { admitted: false, cost, limit, remaining: 0, rate: limit + 1, reset: wait, retry_after: wait })
    }

    /// Answers a request, and says whether it left a trace in the log. None if that is elsewhere.
    #[inline]
    fn decide(&self, log: &Log, now: u64, cost: u32, decision: &mut Decision) -> Option<bool> {
        if let Some(refusal) = log.glance().and_then(|glance| self.refuse(glance, now, cost)) {
            *decision = refusal;
            return Some(false);
        }
        let mut log = log.hold();
        (!log.is_elsewhere()).then(|| self.charge(&mut log, now, cost, decision))
    }

    /// Charges what is to be charged, and answers; says too whether anything was charged.
    #[inline]
    fn charge(&self, log: &mut Held<'_>, now: u64, cost: u32, decision: &mut Decision) -> bool {
        let now = match log.newest() {
            Some(newest) if newest > now => self.look_again(log, now),
            _ => now,
        };
        let mut gone = self.gone(log, now);
        let cost = cost as usize;
        let rate = log.len() - gone + cost;
        let admitted = rate <= self.limit;
        let charged = cost > 0 && (admitted || self.quota.charge_rejected);
        if charged {
            self.push(log, gone, now, cost.min(self.limit));
            gone = 0;
        }
        let retry_after = if admitted { Duration::ZERO } else { self.wait(log, gone, now, cost) };
        *decision = Decision {
            admitted,
            cost: cost as u32,
            limit: self.quota.limit,
            // More than the limit is spent if that was larger once.
            remaining: self.limit.saturating_sub(log.len() - gone) as u64,
            rate: rate as u64,
            reset: if admitted {
                log.get(gone).map_or(Duration::ZERO, |oldest| self.until_gone(oldest, now))
            } else {
                retry_after
            },
            retry_after,
        };
        charged
    }

    /// The log is ahead of `now`. Most often another thread was faster since this one read the clock: then a second
    /// look at the clock is not behind the log, since this thread has it.
    ///
    /// Else the clock jumped back, and what was spent ahead of it counts as spent now. So nothing is forgotten before
    /// a window has passed, and nobody is kept out for longer than a window.
    #[cold]
    fn look_again(&self, log: &mut Held<'_>, now: u64) -> u64 {
        let now = self.clock.now().as_u64().max(now);
        log.set_from(log.until(now), now);
        now
    }

    /// How many times left the window. Mostly few, which are counted; many are searched for.
    #[inline]
    fn gone(&self, log: &Held<'_>, now: u64) -> usize {
        let Some(edge) = now.checked_sub(self.window) else { return 0 };
        let left = |position: &usize| log.get(*position).is_some_and(|time| time <= edge);
        match (0..=FEW).take_while(left).count() {
            few @ 0..=FEW => few,
            _ => log.until(edge),
        }
    }

    /// Whether every time left the window.
    fn at_rest(&self, log: &Held<'_>, now: Nanos) -> bool {
        log.newest().is_none_or(|newest| newest.saturating_add(self.window) <= earliest(now).as_u64())
    }

    /// Adds times, after those are dropped that left the window, and as many more as there is no room for.
    #[inline]
    fn push(&self, log: &mut Held<'_>, gone: usize, now: u64, times: usize) {
        log.drop_oldest(gone.max((log.len() + times).saturating_sub(self.limit)));
        log.make_room(times, self.limit);
        (0..times).for_each(|_| log.push(now));
    }

    /// How long until so many of the oldest left the window that `cost` fits. A cost above the limit never does: then
    /// until all left, or a window if there are none.
    #[cold]
    fn wait(&self, log: &Held<'_>, gone: usize, now: u64, cost: usize) -> Duration {
        let last_to_leave = match cost <= self.limit {
            true => log.get(log.len() + cost - self.limit - 1),
            false => log.newest().filter(|_| gone < log.len()),
        };
        self.until_gone(last_to_leave.unwrap_or(now), now)
    }

    /// How long until a time leaves the window.
    #[inline]
    fn until_gone(&self, time: u64, now: u64) -> Duration {
        Duration::from_nanos(time.saturating_add(self.window) - now)
    }
}

impl Limiter for ExactLog {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        let at_rest = |log: &Log| self.at_rest(&log.hold(), now);
        let mut decision = Decision::default();
        self.store.visit(now, key, at_rest, |log| self.decide(log, now.as_u64(), cost, &mut decision));
        decision
    }

    fn peek_at(&self, now: Nanos, key: Key) -> Decision {
        let peek = |log: &Log| {
            let (mut log, mut nothing) = (log.hold(), Decision::default());
            self.charge(&mut log, now.as_u64(), 0, &mut nothing);
            nothing.of_look(|| {
                let now = log.newest().map_or(now.as_u64(), |newest| now.as_u64().max(newest));
                self.wait(&log, self.gone(&log, now), now, 1)
            })
        };
        self.store.look(key, peek).unwrap_or_else(|| peek(&Log::default()))
    }

    fn window_end(&self, now: Nanos) -> Nanos {
        Nanos::new(now.as_u64().saturating_add(self.window))
    }

    /// The oldest times that are not before the check are taken back: so none leaves earlier than it would.
    fn refund_at(&self, now: Nanos, key: Key, cost: u32) {
        self.store.look(key, |log| {
            let mut log = log.hold();
            let first = now.as_u64().checked_sub(1).map_or(0, |before| log.until(before));
            log.drop_between(first, log.len().min(first + cost as usize));
        });
    }

    fn forget_idle(&self) {
        let now = self.now();
        self.store.retain_slots(|log| !self.at_rest(&log.hold(), now));
    }

    fn name(&self) -> &'static str {
        ALGORITHM.name
    }

    fn quota(&self) -> &Quota {
        &self.quota
    }

    fn table(&self) -> &dyn Table {
        &self.store
    }

    fn rebuilt(&self, quota: &Quota) -> Result<Arc<dyn Limiter>, QuotaError> {
        validate(quota)?;
        let same = quota.window == self.quota.window;
        let store = if same { self.store.clone() } else { Store::new(self.store.budget()) };
        Ok(Arc::new(Self::new(quota, self.clock.clone(), store)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::ManualClock, key::Keys};

    const MINUTE: Duration = Duration::from_secs(60);

    /// Spends `costs`, pairs of a second and a cost; who gets in? Returns the last decision.
    fn check(quota: Quota, costs: &[(u64, u32)], expected: &[bool]) -> Decision {
        let clock = ManualClock::default();
        let limiter = build(&quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
        let key = Keys::fixed(0).key(&[b"client"]);
        let spend = |&(second, cost): &(u64, u32)| {
            clock.set(Duration::from_secs(second));
            limiter.check(key, cost)
        };
        let decisions = costs.iter().map(spend).collect::<Vec<_>>();
        assert_eq!(decisions.iter().map(|decision| decision.admitted).collect::<Vec<_>>(), expected, "{costs:?}");
        decisions.last().copied().expect("at least one cost")
    }

    #[test]
    fn each_request_leaves_a_window_after_it_came() {
        let costs = [(630, 1), (650, 1), (689, 1), (690, 1), (709, 1), (710, 1)];
        check(Quota::new(2, MINUTE), &costs, &[true, true, false, true, false, true]);
    }

    #[test]
    fn the_wait_is_until_enough_of_the_oldest_left() {
        let (spent, admitted) = ([(600, 1), (610, 1), (620, 1)], [true, true, true]);
        for (cost, wait) in [(1, 30), (2, 40), (3, 50), (4, 50)] {
            let decision =
                check(Quota::new(3, MINUTE), &[&spent[..], &[(630, cost)]].concat(), &[&admitted[..], &[false]].concat());
            let wait = Duration::from_secs(wait);
            let rate = 3 + u64::from(cost);
            assert_eq!(decision, Decision { cost, limit: 3, rate, reset: wait, retry_after: wait, ..Decision::default() });
        }
    }

    #[test]
    fn the_reset_is_when_the_oldest_leaves() {
        assert_eq!(check(Quota::new(3, MINUTE), &[(600, 1), (645, 1)], &[true, true]).reset, Duration::from_secs(15));
        assert_eq!(check(Quota::new(3, MINUTE), &[(600, 1), (660, 0)], &[true, true]).reset, Duration::ZERO);
    }

    #[test]
    fn a_cost_above_the_limit_never_fits() {
        let decision = check(Quota::new(3, MINUTE), &[(600, 4)], &[false]);
        assert_eq!((decision.rate, decision.remaining, decision.retry_after), (4, 3, MINUTE));
    }

    #[test]
    fn a_refused_request_is_charged_only_on_demand() {
        let costs = [(600, 2), (630, 1), (660, 1), (689, 1), (751, 1)];
        check(Quota::new(2, MINUTE), &costs, &[true, false, true, true, true]);
        let hammered = Quota { charge_rejected: true, ..Quota::new(2, MINUTE) };
        check(hammered, &costs, &[true, false, true, false, true]);
        check(hammered, &[(600, 2), (630, u32::MAX), (689, 1), (749, 1)], &[true, false, false, true]);
    }

    #[test]
    fn a_clock_that_jumps_back_resets_nothing_and_the_wait_is_one_window() {
        check(Quota::new(2, MINUTE), &[(6000, 1), (6001, 1), (1200, 1), (1259, 1), (1260, 2)], &[true, true, false, false, true]);
        check(Quota::new(2, MINUTE), &[(6000, 1), (6050, 1), (6040, 1), (6060, 1), (6061, 1)], &[true, true, false, true, false]);
    }

    #[test]
    fn a_refund_takes_back_what_was_charged_and_a_key_is_at_rest_a_second_after_the_last_one_left() {
        let clock = ManualClock::at(MINUTE);
        let limiter = ExactLog::new(&Quota::new(3, MINUTE), SharedClock::new(clock.clone()), Store::new(&Budget::default()));
        let key = Keys::fixed(0).key(&[b"client"]);
        limiter.check(key, 1);
        clock.advance(MINUTE / 2);
        limiter.check(key, 2);
        limiter.refund(key, 2);
        clock.advance(MINUTE / 2 + Duration::from_secs(1) - Duration::from_nanos(1));
        limiter.forget_idle();
        assert_eq!((limiter.keys(), limiter.check(key, 0).remaining), (1, 3));
        clock.advance(Duration::from_nanos(1));
        limiter.forget_idle();
        assert_eq!(limiter.keys(), 0);
    }

    #[test]
    fn a_limit_that_no_log_should_hold_is_refused() {
        let refusal =
            build(&Quota::new(10_001, MINUTE), SharedClock::unix(), &Budget::default()).map(drop).expect_err("it is too large");
        assert_eq!(
            refusal.to_string(),
            "with `exact` a limit is at most 10000, not 10001: it remembers the time of every request; `sliding` takes more",
        );
    }

    #[test]
    fn a_ring_grows_a_few_times_as_it_fills_and_never_beyond_the_limit() {
        let limiter =
            ExactLog::new(&Quota::new(1_000, MINUTE), SharedClock::new(ManualClock::default()), Store::new(&Budget::default()));
        let key = Keys::fixed(0).key(&[b"client"]);
        let mut sizes = Vec::new();
        for _ in 0..2_000 {
            limiter.check(key, 1);
            limiter.store.look(key, |log| sizes.push(log.room()));
        }
        sizes.dedup();
        assert!(sizes.is_sorted() && sizes.len() <= 7, "{sizes:?}");
        assert_eq!((sizes.first(), sizes.last()), (Some(&2), Some(&1_000)));
    }

    #[test]
    fn a_thread_that_read_the_clock_earlier_looks_again() {
        let clock = ManualClock::at(MINUTE);
        let limiter = ExactLog::new(&Quota::new(2, MINUTE), SharedClock::new(clock.clone()), Store::new(&Budget::default()));
        let key = Keys::fixed(0).key(&[b"client"]);
        let early = limiter.now();
        clock.advance(MINUTE / 2);
        limiter.check(key, 1);
        limiter.check_at(early, key, 1);
        clock.advance(MINUTE - Duration::from_nanos(1));
        assert_eq!(limiter.check(key, 1).retry_after, Duration::from_nanos(1));
    }
}
