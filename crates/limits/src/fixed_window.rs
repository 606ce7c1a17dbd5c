//! A fixed window, aligned to UTC: the first `limit` of each pass.
//!
//! Exact within a window. The bound across windows: any span of one window's length holds at most twice the limit, and
//! does when a client spends it at the end of one window and again at the start of the next. Over `n` windows it is
//! at most `n + 1` limits. Nothing is refused wrongly: whoever is refused would be above the limit within the last
//! window's length.

use std::{sync::Arc, time::Duration};

use governor::{clock::Clock, nanos::Nanos};

use crate::{
    clock::SharedClock,
    key::Key,
    limiter::{Algorithm, Decision, Limiter},
    quota::{MAX_LIMIT, Quota, QuotaError},
    shape::{Shape, Single},
    store::Store,
    window::{Standing, Window},
};

pub(crate) const ALGORITHM: Algorithm =
    Algorithm { name: "fixed", summary: "admits the first requests of every window of UTC time", max_limit: MAX_LIMIT, build };

fn build(quota: &Quota, clock: SharedClock) -> Result<Arc<dyn Limiter>, QuotaError> {
    quota.validate()?;
    Ok(Arc::new(FixedWindow { limit: quota.limit, window: Window::new(quota.window), clock, store: Store::new(quota.max_keys) }))
}

#[derive(Debug)]
struct FixedWindow {
    limit: u64,
    window: Window,
    clock: SharedClock,
    store: Store<<Single as Shape>::Slot>,
}

impl FixedWindow {
    /// Charges the cost if it fits, and answers.
    #[inline]
    fn charge(&self, standing: &mut Standing, cost: u64) -> Decision {
        let rate = standing.counts.current + cost;
        let admitted = rate <= self.limit;
        if admitted {
            standing.spend(cost);
        }
        let until_end = Duration::from_nanos(standing.until_end());
        Decision {
            admitted,
            limit: self.limit,
            remaining: self.limit - standing.counts.current,
            rate,
            reset: until_end,
            retry_after: if admitted { Duration::ZERO } else { until_end },
        }
    }
}

impl Limiter for FixedWindow {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        self.store.update(key, |word| {
            let mut standing = self.window.stand(Single.read(word), now);
            let decision = self.charge(&mut standing, u64::from(cost));
            (decision, standing.changed.then(|| Single.write(standing.counts)))
        })
    }

    fn refund(&self, key: Key, cost: u32) {
        let now = self.now();
        self.store.amend(key, |word| {
            let counts = self.window.stand(Single.read(word), now).counts;
            Some(Single.write(counts.refunded(u64::from(cost))))
        });
    }

    fn forget_idle(&self) {
        let now = self.now();
        self.store.retain(|word| self.window.stand(Single.read(word), now).counts.current > 0);
    }

    fn keys(&self) -> usize {
        self.store.keys()
    }

    fn overflowed(&self) -> u64 {
        self.store.overflowed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::ManualClock, key::Keys};

    /// Spends one at each of these seconds, of two a minute; who gets in?
    fn check(seconds: &[u64], expected: &[bool]) {
        let clock = ManualClock::default();
        let quota = Quota::new(2, Duration::from_secs(60));
        let limiter = build(&quota, SharedClock::new(clock.clone())).expect("a sound quota");
        let key = Keys::fixed(0).key(&[b"client"]);
        let spend = |&second: &u64| {
            clock.set(Duration::from_secs(second));
            limiter.check(key, 1).admitted
        };
        assert_eq!(seconds.iter().map(spend).collect::<Vec<_>>(), expected, "{seconds:?}");
    }

    #[test]
    fn the_limit_is_back_with_the_minute() {
        check(&[600, 601, 602, 659, 660, 661, 662], &[true, true, false, false, true, true, false]);
    }

    #[test]
    fn twice_the_limit_may_pass_around_an_edge() {
        check(&[658, 659, 660, 661], &[true; 4]);
    }

    #[test]
    fn a_clock_that_jumps_back_resets_nothing_and_the_wait_is_one_window() {
        check(&[6000, 6001, 1200, 1259, 1260], &[true, true, false, false, true]);
    }
}
