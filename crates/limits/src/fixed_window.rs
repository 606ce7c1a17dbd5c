//! A fixed window, aligned to UTC: the first `limit` of each pass.
//!
//! Exact within a window. The bound across windows: any span of one window's length holds at most twice the limit, and
//! does when a client spends it at the end of one window and again at the start of the next. Over `n` windows it is
//! at most `n + 1` limits. Nothing is refused wrongly: whoever is refused would be above the limit within the last
//! window's length.
//!
//! A limit that changes keeps the counts: decisions are those of the new limit over the same requests.

use std::{sync::Arc, time::Duration};

use governor::{clock::Clock, nanos::Nanos};

use crate::{
    budget::Budget,
    clock::{SharedClock, earliest},
    key::Key,
    limiter::{Algorithm, Decision, Limiter},
    quota::{MAX_LIMIT, Quota, QuotaError},
    shape::{Shape, Single},
    store::{Store, Table},
    window::{Counts, Looked, Moment, Standing, Window},
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

    /// What a request leaves of a word, if it leaves a trace. Threads race for that: so it is short, and requests are
    /// answered when the race is over. Of most the rate is all that must be known then; of others the word that they found.
    #[inline]
    fn charge(&self, word: u64, cost: u32, moment: &Moment, looked: &Looked) -> (Option<u64>, Result<u64, u64>) {
        let counts = Single.read(word);
        if moment.standing(counts).is_none() {
            return (self.charge_other(counts, cost, moment, looked), Err(word));
        }
        let rate = counts.current + u64::from(cost);
        if rate <= self.quota.limit {
            return ((cost > 0).then(|| Single.add(word, cost)), Ok(rate));
        }
        looked.set(None);
        (None, Err(word))
    }

    /// The same where the counts are of another window.
    #[inline(never)]
    fn charge_other(&self, counts: Counts, cost: u32, moment: &Moment, looked: &Looked) -> Option<u64> {
        let mut standing = self.window.stand_by(&self.clock, counts, moment, looked);
        if standing.counts.current + u64::from(cost) <= self.quota.limit {
            standing.spend(cost.into());
        }
        standing.changed.then(|| Single.write(standing.counts))
    }

    /// Answers a request that is admitted with this rate, so long before its window ends.
    #[inline]
    fn admission(&self, cost: u32, rate: u64, reset: Duration) -> Decision {
        let limit = self.quota.limit;
        Decision { admitted: true, cost, limit, remaining: limit - rate, rate, reset, retry_after: Duration::ZERO }
    }

    /// Answers any request, by how it found its key. More than the limit is spent if that was larger once.
    #[inline(never)]
    fn decision(&self, standing: Standing, cost: u32) -> Decision {
        let (limit, spent) = (self.quota.limit, standing.counts.current);
        let (rate, wait) = (spent + u64::from(cost), Duration::from_nanos(standing.until_end()));
        if rate <= limit {
            return self.admission(cost, rate, wait);
        }
        let remaining = limit.saturating_sub(spent);
        Decision { admitted: false, cost, limit, remaining, rate, reset: wait, retry_after: wait }
    }

    fn at_rest(&self, word: u64, now: Nanos) -> bool {
        self.window.stand(Single.read(word), &self.window.moment(earliest(now))).counts.current == 0
    }
}

impl Limiter for FixedWindow {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        let moment = self.window.moment(now);
        let at_rest = |word| self.at_rest(word, now);
        let (reset, looked) = (moment.until_end(), Looked::default());
        match self.store.update(now, key, at_rest, |word| self.charge(word, cost, &moment, &looked)) {
            Ok(rate) => self.admission(cost, rate, reset),
            Err(found) => self.decision(self.window.stand_later(Single.read(found), &moment, &looked), cost),
        }
    }

    fn peek_at(&self, now: Nanos, key: Key) -> Decision {
        let counts = Single.read(self.store.load(key));
        let nothing = self.decision(self.window.stand_by(&self.clock, counts, &self.window.moment(now), &Looked::default()), 0);
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
