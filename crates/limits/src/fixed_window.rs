//! A fixed window, aligned to UTC: the first `limit` of each pass.
//!
//! Exact within a window. The bound across windows: any span of one window's length holds at most twice the limit, and
//! does when a client spends it at the end of one window and again at the start of the next. Over `n` windows it is
//! at most `n + 1` limits. Nothing is refused wrongly: whoever is refused would be above the limit within the last
//! window's length.
//!
//! A limit that changes keeps the counts: decisions are those of the new limit over the same requests.

use std::{cell::Cell, sync::Arc, time::Duration};

use governor::{clock::Clock, nanos::Nanos};

use crate::{
    budget::Budget,
    clock::{SharedClock, earliest},
    key::Key,
    limiter::{Algorithm, Decision, Limiter},
    quota::{MAX_LIMIT, Quota, QuotaError},
    shape::{Shape, Single},
    store::{Store, Table},
    window::{Standing, Window},
};

pub(crate) const ALGORITHM: Algorithm =
    Algorithm { name: "fixed", summary: "admits the first requests of every window of UTC time", max_limit: MAX_LIMIT, build };

fn build(quota: &Quota, clock: SharedClock, budget: &Budget) -> Result<Arc<dyn Limiter>, QuotaError> {
    quota.validate()?;
    Ok(Arc::new(FixedWindow::new(quota, clock, Store::new(budget))))
}

#[derive(Debug)]
struct FixedWindow {
    quota: Quota,
    window: Window,
    clock: SharedClock,
    store: Store<<Single as Shape>::Slot>,
}

impl FixedWindow {
    fn new(quota: &Quota, clock: SharedClock, store: Store<<Single as Shape>::Slot>) -> Self {
        Self { quota: *quota, window: Window::new(quota.window), clock, store }
    }

    /// Charges the cost if it fits, and answers. More than the limit is spent if that was larger once.
    #[inline]
    fn charge(&self, standing: &mut Standing, cost: u32) -> Decision {
        let limit = self.quota.limit;
        let rate = standing.counts.current + u64::from(cost);
        let admitted = rate <= limit;
        if admitted {
            standing.spend(cost.into());
        }
        let until_end = Duration::from_nanos(standing.until_end());
        Decision {
            admitted,
            cost,
            limit,
            remaining: limit.saturating_sub(standing.counts.current),
            rate,
            reset: until_end,
            retry_after: if admitted { Duration::ZERO } else { until_end },
        }
    }

    fn stand(&self, word: u64, now: Nanos) -> Standing {
        self.window.stand_by(&self.clock, Single.read(word), now)
    }

    fn at_rest(&self, word: u64, now: Nanos) -> bool {
        self.window.stand(Single.read(word), earliest(now)).counts.current == 0
    }
}

impl Limiter for FixedWindow {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        let decision = Cell::new(Decision::default());
        let at_rest = |word| self.at_rest(word, now);
        self.store.update(now, key, at_rest, |word| {
            let mut standing = self.stand(word, now);
            decision.set(self.charge(&mut standing, cost));
            standing.changed.then(|| Single.write(standing.counts))
        });
        decision.get()
    }

    fn peek_at(&self, now: Nanos, key: Key) -> Decision {
        let nothing = self.charge(&mut self.stand(self.store.load(key), now), 0);
        nothing.of_look(|| nothing.reset)
    }

    fn window_end(&self, now: Nanos) -> Nanos {
        self.window.end(now)
    }

    fn refund_at(&self, now: Nanos, key: Key, cost: u32) {
        self.store.amend(key, |word| self.window.refund(Single.read(word), now, cost).map(|counts| Single.write(counts)));
    }

    fn forget_idle(&self) {
        let now = self.now();
        self.store.retain(|word| !self.at_rest(word, now));
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
        if quota.window != self.quota.window {
            return build(quota, self.clock.clone(), self.store.budget());
        }
        quota.validate()?;
        Ok(Arc::new(Self::new(quota, self.clock.clone(), self.store.clone())))
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
        let limiter = build(&quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
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
