//! A bucket that refills evenly: governor's own rate limiter on our store and clock.
//!
//! The bound: a burst is admitted at once, and one more for each refill, so any span of one window's length holds at
//! most `burst + limit - 1`, and does when a client at rest takes all it can get. Over `n` windows it is less than
//! `burst + n * limit`.
//!
//! A burst of the limit or more refuses nothing wrongly: whoever is refused would be above the limit within the
//! last window's length. A smaller burst refuses what comes faster than it refills, at worst all but `burst` of the
//! limit; a cost waits for at most as many refills. The time per refill is rounded up to a whole nanosecond, so that
//! the rate is never above the limit; below a million a second that costs less than one in a thousand.
//!
//! A limit that changes keeps what was taken from a bucket, counted in requests, the part of one that is refilled by now
//! rounded to what is still missing, up to a nanosecond. What is more than the new burst is forgotten: the bucket is empty.

use std::{
    cell::Cell,
    num::{NonZeroU32, NonZeroU64},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use governor::{
    RateLimiter,
    clock::Clock,
    middleware::{RateLimitingMiddleware, StateSnapshot},
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

use crate::{
    budget::Budget,
    clock::{SharedClock, earliest},
    divisor::Divisor,
    hot::ELSEWHERE,
    key::Key,
    limiter::{Algorithm, Decision, Limiter},
    quota::{MAX_LIMIT, MAX_WINDOW, Quota, QuotaError},
    store::{Store, Table},
};

pub(crate) const ALGORITHM: Algorithm =
    Algorithm { name: "gcra", summary: "a bucket of `burst` that refills evenly, by governor", max_limit: MAX_LIMIT, build };

/// A bucket takes at most this long to fill; a larger burst is cut, so that time fits a word.
const LONGEST_FILL: Duration = MAX_WINDOW.saturating_mul(10);

fn build(quota: &Quota, clock: SharedClock, budget: &Budget) -> Result<Arc<dyn Limiter>, QuotaError> {
    quota.validate()?;
    Ok(Arc::new(Gcra::new(quota, clock, Store::new(budget))))
}

/// Nanoseconds until one more is in the bucket.
fn refill(quota: &Quota) -> u64 {
    (quota.window.as_nanos() as u64).div_ceil(quota.limit)
}

#[derive(Debug)]
struct Gcra {
    quota: Quota,
    limiter: RateLimiter<Key, Buckets, AtHand, Terse>,
    /// The store of `limiter`.
    store: Buckets,
    clock: SharedClock,
    burst: u32,
    /// Nanoseconds until one more is in the bucket.
    refill: u64,
    /// Divides by it.
    by_refill: Divisor,
}

impl Gcra {
    fn new(quota: &Quota, clock: SharedClock, store: Store<AtomicU64>) -> Self {
        let refill = refill(quota);
        let most = (LONGEST_FILL.as_nanos() as u64 / refill).clamp(1, MAX_LIMIT);
        let burst = quota.burst.unwrap_or(quota.limit).min(most) as u32;
        let governors = governor::Quota::with_period(Duration::from_nanos(refill))
            .expect("a window is longer than nothing")
            .allow_burst(NonZeroU32::new(burst).expect("a burst is at least one"));
        let store = Buckets(store);
        // Governor counts from the time of its making, and stands still before: so it is made at the epoch.
        let limiter = AtHand::at(Nanos::new(0), || RateLimiter::new(governors, store.clone(), AtHand));
        Self { quota: *quota, limiter, store, clock, burst, refill, by_refill: Divisor::new(refill) }
    }

    /// How long an empty bucket takes to fill.
    fn capacity(&self) -> u64 {
        self.refill * u64::from(self.burst)
    }

    /// Admits with a bucket that needs `debt` nanoseconds to fill.
    #[inline]
    fn admit(&self, debt: u64, cost: u32) -> Decision {
        let used = self.by_refill.div_ceil(debt) as u32;
        Decision {
            admitted: true,
            cost,
            limit: u64::from(self.burst),
            remaining: u64::from(self.burst - used),
            rate: u64::from(used),
            reset: Duration::from_nanos(self.refill * u64::from(used)),
            retry_after: Duration::ZERO,
        }
    }

    /// Refuses with a bucket that needs `debt` nanoseconds to fill.
    fn refuse(&self, debt: u64, cost: u32, wait: u64) -> Decision {
        let used = self.by_refill.div_ceil(debt);
        let wait = Duration::from_nanos(wait);
        Decision {
            admitted: false,
            cost,
            limit: u64::from(self.burst),
            remaining: u64::from(self.burst).saturating_sub(used),
            rate: used + u64::from(cost),
            reset: wait,
            retry_after: wait,
        }
    }

    /// What `key` stands at, without asking governor: for costs of nothing and costs that never fit.
    fn debt(&self, now: Nanos, key: Key) -> u64 {
        self.store.0.load(key).saturating_sub(now.as_u64()).min(self.capacity())
    }

    /// Asks governor. `Ok` is how long the bucket then needs to fill, `Err` how long until the cost fits. Both stay in
    /// registers, and so the most frequent answer is written once.
    #[inline(always)]
    fn ask(&self, now: Nanos, key: Key, cost: NonZeroU32) -> Result<u64, u64> {
        let answer = AtHand::at(now, || match cost.get() {
            1 => self.limiter.check_key(&key),
            _ => self.limiter.check_key_n(&key, cost).expect("the cost is no larger than the burst"),
        });
        let debt = AtHand::full_at().saturating_sub(now.as_u64());
        match answer {
            Ok(()) => Ok(debt),
            // Refused is what would leave more to fill than a bucket holds.
            Err(()) => Err(debt.saturating_add(self.refill * u64::from(cost.get())).saturating_sub(self.capacity())),
        }
    }

    /// The same buckets where one more takes this long: what was taken stays taken, in requests, not in time. Rounded up
    /// to a whole nanosecond.
    fn rescaled(&self, refill: u64) -> Store<AtomicU64> {
        let now = self.now().as_u64();
        self.store.0.converted(|full_at: u64| {
            let debt = u128::from(full_at.saturating_sub(now).min(self.capacity()));
            let rescaled = (debt * u128::from(refill)).div_ceil(u128::from(self.refill)).min(LONGEST_FILL.as_nanos());
            if debt == 0 { full_at } else { now.saturating_add(rescaled as u64).min(ELSEWHERE - 1) }
        })
    }

    /// The bucket seems more than empty. Most often another thread was faster since this one read the clock: then a second
    /// look is not behind. Else the clock jumped back: empties the bucket as of now.
    #[cold]
    #[inline(never)]
    fn ask_again(&self, now: Nanos, key: Key, cost: NonZeroU32) -> Result<u64, u64> {
        let now = self.clock.now().max(now);
        let latest = now.as_u64() + self.capacity();
        self.store.0.amend(key, |full_at| (full_at > latest).then_some(latest));
        self.ask(now, key, cost)
    }
}

/// Per key, the time at which its bucket will be full: what governor keeps, where we keep everything.
#[derive(Clone, Debug)]
struct Buckets(Store<AtomicU64>);

/// To governor a key without state is `None`, to us it is zero.
impl StateStore for Buckets {
    type Key = Key;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let now = AtHand.now();
        let measure = &measure;
        let at_rest = move |full_at| full_at <= earliest(now).as_u64();
        let (answer, full_at) = self.0.update(now, *key, at_rest, move |full_at| {
            match measure(NonZeroU64::new(full_at).map(|full_at| full_at.get().into())) {
                Ok((answer, after)) => {
                    let after = u64::from(after).min(ELSEWHERE - 1);
                    (Some(after), (Ok(answer), after))
                }
                Err(refusal) => (None, (Err(refusal), full_at)),
            }
        });
        AtHand::found(full_at);
        answer
    }
}

impl ShrinkableKeyedStateStore<Key> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain(|state| state > drop_below.as_u64());
    }

    /// Every sweep does that.
    fn shrink_to_fit(&self) {}

    fn len(&self) -> usize {
        self.0.keys()
    }

    fn is_empty(&self) -> bool {
        self.0.keys() == 0
    }
}

impl Limiter for Gcra {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        let Some(charge) = NonZeroU32::new(cost) else {
            return self.admit(self.debt(now, key), 0);
        };
        if cost > self.burst {
            return self.refuse(self.debt(now, key), cost, self.capacity());
        }
        // A bucket that is empty, but no more than empty, has room for the cost after this.
        let longest_wait = self.refill * u64::from(cost);
        let answer = match self.ask(now, key, charge) {
            Err(wait) if wait > longest_wait => self.ask_again(now, key, charge),
            answer => answer,
        };
        match answer {
            Ok(debt) => self.admit(debt, cost),
            Err(wait) => {
                let wait = wait.min(longest_wait);
                self.refuse(self.capacity() - (longest_wait - wait), cost, wait)
            }
        }
    }

    fn peek_at(&self, now: Nanos, key: Key) -> Decision {
        let debt = self.debt(now, key);
        let nothing = self.admit(debt, 0);
        nothing.of_look(|| Duration::from_nanos(debt + self.refill - self.capacity()))
    }

    fn window_end(&self, now: Nanos) -> Nanos {
        Nanos::new(now.as_u64().saturating_add(self.quota.window.as_nanos() as u64))
    }

    /// No more is taken back than is not refilled since.
    fn refund_at(&self, now: Nanos, key: Key, cost: u32) {
        let refilled = self.now().saturating_sub(now).as_u64();
        let back = self.refill.saturating_mul(u64::from(cost)).saturating_sub(refilled);
        self.store.0.amend(key, |full_at| Some(full_at.saturating_sub(back)));
    }

    fn forget_idle(&self) {
        // Governor's own sweep keeps keys for one refill more.
        self.store.retain_recent(earliest(self.now()));
    }

    fn name(&self) -> &'static str {
        ALGORITHM.name
    }

    fn quota(&self) -> &Quota {
        &self.quota
    }

    fn table(&self) -> &dyn Table {
        &self.store.0
    }

    fn rebuilt(&self, quota: &Quota) -> Result<Arc<dyn Limiter>, QuotaError> {
        if quota.window != self.quota.window {
            return build(quota, self.clock.clone(), self.store.0.budget());
        }
        quota.validate()?;
        let refill = refill(quota);
        let store = match refill == self.refill {
            true => self.store.0.clone(),
            false => self.rescaled(refill),
        };
        Ok(Arc::new(Self::new(quota, self.clock.clone(), store)))
    }
}

/// The check at hand. It is governor's clock, so that governor judges the moment that we were given; and it takes from the
/// store what governor would compute from copies of its state: when the bucket will be full.
#[derive(Debug)]
struct AtHand;

thread_local! {
    static TIME: Cell<u64> = const { Cell::new(0) };
    static FULL_AT: Cell<u64> = const { Cell::new(0) };
}

impl AtHand {
    /// Runs `ask` at this time.
    #[inline]
    fn at<R>(now: Nanos, ask: impl FnOnce() -> R) -> R {
        TIME.set(now.as_u64());
        ask()
    }

    /// Notes when the bucket will be full: with what was taken, or as it stands if nothing was.
    #[inline]
    fn found(full_at: u64) {
        FULL_AT.set(full_at);
    }

    #[inline]
    fn full_at() -> u64 {
        FULL_AT.get()
    }
}

impl Clock for AtHand {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::new(TIME.get())
    }
}

/// Has governor say yes or no, and no more.
#[derive(Debug)]
struct Terse;

impl RateLimitingMiddleware<Nanos> for Terse {
    type PositiveOutcome = ();
    type NegativeOutcome = ();

    #[inline]
    fn allow<K>(_: &K, _: impl Into<StateSnapshot>) {}

    #[inline]
    fn disallow<K>(_: &K, _: impl Into<StateSnapshot>, _: Nanos) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::ManualClock, key::Keys};

    const SECOND: Duration = Duration::from_secs(1);

    fn check(quota: Quota, costs: &[(u64, u32)], expected: &[bool]) -> Decision {
        let clock = ManualClock::default();
        let limiter = build(&quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
        let key = Keys::fixed(0).key(&[b"client"]);
        let spend = |&(milliseconds, cost): &(u64, u32)| {
            clock.set(Duration::from_millis(milliseconds));
            limiter.check(key, cost)
        };
        let decisions = costs.iter().map(spend).collect::<Vec<_>>();
        assert_eq!(decisions.iter().map(|decision| decision.admitted).collect::<Vec<_>>(), expected, "{costs:?}");
        decisions.last().copied().expect("at least one cost")
    }

    #[test]
    fn a_burst_passes_and_then_one_per_refill() {
        let ten_a_second = Quota { burst: Some(2), ..Quota::new(10, SECOND) };
        let last =
            check(ten_a_second, &[(5000, 1), (5000, 1), (5099, 1), (5100, 1), (5100, 1)], &[true, true, false, true, false]);
        let wait = Duration::from_millis(100);
        let expected = Decision { cost: 1, limit: 2, rate: 3, reset: wait, retry_after: wait, ..Decision::default() };
        assert_eq!(last, expected);
    }

    #[test]
    fn several_at_once_are_all_or_nothing() {
        let last = check(Quota::new(10, SECOND), &[(5000, 4), (5000, 7), (5000, 0)], &[true, false, true]);
        assert_eq!((last.remaining, last.rate, last.reset), (6, 4, Duration::from_millis(400)));
    }

    #[test]
    fn a_clock_that_jumps_back_empties_the_bucket_at_worst() {
        let costs = [(3_600_000, 10), (1_000, 1), (1_099, 1), (1_100, 1), (1_100, 1)];
        check(Quota::new(10, SECOND), &costs, &[true, false, false, true, false]);
    }

    #[test]
    fn extreme_quotas_do_not_overflow() {
        for (limit, window) in [(1, MAX_WINDOW), (MAX_LIMIT, SECOND), (MAX_LIMIT, MAX_WINDOW)] {
            let quota = Quota { burst: Some(MAX_LIMIT), ..Quota::new(limit, window) };
            check(quota, &[(1_800_000_000_000, 1), (1_800_000_000_001, u32::MAX)], &[true, false]);
        }
    }
}
