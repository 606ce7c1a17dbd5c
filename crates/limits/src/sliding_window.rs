//! The sliding window of Kong: the count of this window, plus the part of the last one that still overlaps.
//!
//! `rate = current + previous * (window - now % window) / window`, charged first and then compared, in whole
//! nanoseconds and whole numbers: each decision is that of the formula in exact arithmetic.
//!
//! The bound of the approximation: the last window's requests are taken as spread evenly. If they came at its end, a
//! span of one window's length may hold up to twice the limit less one: the limit at the end of one window and the
//! rest at the end of the next. No aligned window holds more than the limit, so over `n` windows it is at most
//! `n + 1` limits. If they came at its start, a request is refused at worst one window too long.
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
    shape::{Packed, Shape, Spread},
    slot::CopySlot,
    store::{Store, Table},
    window::{Counts, Looked, Moment, Standing, Window},
};

pub(crate) const ALGORITHM: Algorithm = Algorithm {
    name: "sliding",
    summary: "counts this window and the overlapping part of the last one, as Kong does",
    max_limit: MAX_LIMIT,
    build,
};

fn build(quota: &Quota, clock: SharedClock, budget: &Budget) -> Result<Arc<dyn Limiter>, QuotaError> {
    quota.validate()?;
    Ok(match Packed::for_quota(quota) {
        Some(shape) => Arc::new(SlidingWindow::new(quota, clock, shape, Store::new(budget))),
        None => Arc::new(SlidingWindow::new(quota, clock, Spread, Store::new(budget))),
    })
}

#[derive(Debug)]
struct SlidingWindow<S: Shape> {
    quota: Quota,
    window: Window,
    clock: SharedClock,
    shape: S,
    store: Store<S::Slot>,
}

impl<S: Shape> SlidingWindow<S> {
    fn new(quota: &Quota, clock: SharedClock, shape: S, store: Store<S::Slot>) -> Self {
        Self { quota: *quota, window: Window::new(quota.window), clock, shape, store }
    }

    fn at_rest(&self, state: State<S>, now: Nanos) -> bool {
        self.window.stand(self.shape.read(state), &self.window.moment(earliest(now))).counts.at_rest()
    }

    /// What a request leaves of a state, if it leaves a trace. Threads race for that: so it is short, and requests are
    /// answered when the race is over. Of most the rate is all that must be known then; of others the state that they found.
    #[inline]
    fn charge(&self, state: State<S>, cost: u32, moment: &Moment, looked: &Looked) -> (Option<State<S>>, Result<u64, State<S>>) {
        let counts = self.shape.read(state);
        let Some(standing) = moment.standing(counts) else {
            return (self.charge_other(counts, cost, moment, looked), Err(state));
        };
        let rate = self.spent(&standing).saturating_add(cost.into());
        if rate <= self.quota.limit {
            return ((cost > 0).then(|| self.shape.add(state, cost)), Ok(rate));
        }
        looked.set(None);
        let charged = cost > 0 && self.quota.charge_rejected;
        (charged.then(|| self.shape.add(state, cost)), Err(state))
    }

    /// The same where the counts are of another window.
    #[inline(never)]
    fn charge_other(&self, counts: Counts, cost: u32, moment: &Moment, looked: &Looked) -> Option<State<S>> {
        let mut standing = self.window.stand_by(&self.clock, counts, moment, looked);
        self.spend(&mut standing, cost);
        standing.changed.then(|| self.shape.write(standing.counts))
    }

    /// Charges what is to be charged.
    fn spend(&self, standing: &mut Standing, cost: u32) {
        if self.spent(standing).saturating_add(cost.into()) <= self.quota.limit || self.quota.charge_rejected {
            standing.spend(cost.into());
        }
    }

    /// Answers a request that is admitted with this rate, so long before its window ends.
    #[inline]
    fn admission(&self, cost: u32, rate: u64, reset: Duration) -> Decision {
        let limit = self.quota.limit;
        Decision { admitted: true, cost, limit, remaining: limit - rate, rate, reset, retry_after: Duration::ZERO }
    }

    /// Answers any request, by how it found its key.
    #[inline(never)]
    fn decision(&self, mut standing: Standing, cost: u32) -> Decision {
        let (limit, spent) = (self.quota.limit, self.spent(&standing));
        let rate = spent.saturating_add(cost.into());
        if rate <= limit {
            return self.admission(cost, rate, Duration::from_nanos(standing.until_end()));
        }
        self.spend(&mut standing, cost);
        let remaining = if self.quota.charge_rejected { 0 } else { limit.saturating_sub(spent) };
        let wait = Duration::from_nanos(self.wait(&standing, cost.into()));
        Decision { admitted: false, cost, limit, remaining, rate, reset: wait, retry_after: wait }
    }

    /// The rate before the request, rounded up. Costs are whole, so rounding up changes no decision.
    #[inline]
    fn spent(&self, Standing { counts, left, .. }: &Standing) -> u64 {
        counts.current.saturating_add(self.overlap(counts.previous, *left))
    }

    /// `previous * left / window`, rounded up.
    #[inline]
    fn overlap(&self, previous: u64, left: u64) -> u64 {
        if previous == 0 {
            return 0;
        }
        match previous.checked_mul(left) {
            Some(product) => self.window.by_nanos.div_ceil(product),
            None => self.long_overlap(previous, left),
        }
    }

    /// The same where the product takes more than a word: after longer windows in which much was spent.
    #[cold]
    #[inline(never)]
    fn long_overlap(&self, previous: u64, left: u64) -> u64 {
        (u128::from(previous) * u128::from(left)).div_ceil(u128::from(self.window.nanos)) as u64
    }

    /// How long until `cost` fits, if nobody spends: in this window, in the next, or in the one after, when nothing
    /// is left of what was spent.
    #[cold]
    fn wait(&self, standing: &Standing, cost: u64) -> u64 {
        let Standing { counts, left, ahead, .. } = *standing;
        let spent = counts.current.saturating_add(cost);
        let here = self.fits(counts.previous, spent).map(|fits| ahead + left.saturating_sub(fits));
        let next = self.fits(counts.current, cost).map(|fits| ahead + left + (self.window.nanos - fits));
        here.or(next).unwrap_or(ahead + left + self.window.nanos)
    }

    /// With how much of a window left at most `previous` and `spent` fit together. None if `spent` alone is too much.
    fn fits(&self, previous: u64, spent: u64) -> Option<u64> {
        let room = u128::from(self.quota.limit.checked_sub(spent)?);
        let window = u128::from(self.window.nanos);
        let fits = (room * window).checked_div(u128::from(previous)).unwrap_or(window);
        Some(fits.min(window) as u64)
    }
}

type State<S> = <<S as Shape>::Slot as CopySlot>::State;

impl<S: Shape> Limiter for SlidingWindow<S> {
    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision {
        let moment = self.window.moment(now);
        let at_rest = |state| self.at_rest(state, now);
        let (reset, looked) = (moment.until_end(), Looked::default());
        match self.store.update(now, key, at_rest, |state| self.charge(state, cost, &moment, &looked)) {
            Ok(rate) => self.admission(cost, rate, reset),
            Err(found) => self.decision(self.window.stand_later(self.shape.read(found), &moment, &looked), cost),
        }
    }

    fn peek_at(&self, now: Nanos, key: Key) -> Decision {
        let counts = self.shape.read(self.store.load(key));
        let standing = self.window.stand_by(&self.clock, counts, &self.window.moment(now), &Looked::default());
        self.decision(standing, 0).of_look(|| Duration::from_nanos(self.wait(&standing, 1)))
    }

    fn window_end(&self, now: Nanos) -> Nanos {
        self.window.end(now)
    }

    fn refund_at(&self, now: Nanos, key: Key, cost: u32) {
        self.store
            .amend(key, |state| self.window.refund(self.shape.read(state), now, cost).map(|counts| self.shape.write(counts)));
    }

    fn forget_idle(&self) {
        let now = self.now();
        self.store.retain(|state| !self.at_rest(state, now));
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
        let clock = self.clock.clone();
        Ok(match self.shape.again(quota) {
            Some(shape) => Arc::new(Self::new(quota, clock, shape, self.store.clone())),
            None => {
                let store = self.store.converted(|state| Spread.write(self.shape.read(state)));
                Arc::new(SlidingWindow::new(quota, clock, Spread, store))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::ManualClock, key::Keys};

    const MINUTE: Duration = Duration::from_secs(60);

    /// Spends `costs`, pairs of a second and a cost, and returns the last decision.
    fn check(quota: Quota, costs: &[(f64, u32)]) -> Decision {
        let clock = ManualClock::default();
        let limiter = build(&quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
        let key = Keys::fixed(0).key(&[b"client"]);
        let spend = |&(second, cost): &(f64, u32)| {
            clock.set(Duration::from_secs_f64(second));
            limiter.check(key, cost)
        };
        costs.iter().map(spend).fold(None, |_, decision| Some(decision)).expect("at least one cost")
    }

    #[test]
    fn the_fourth_request_of_three_is_refused_with_rate_four() {
        let decision = check(Quota::new(3, MINUTE), &[(600.0, 1), (610.0, 1), (620.0, 1), (630.0, 1)]);
        // The three weigh on the next window until a third of its weight is gone.
        let wait = Duration::from_secs(30 + 20);
        let expected = Decision { cost: 1, limit: 3, rate: 4, reset: wait, retry_after: wait, ..Decision::default() };
        assert_eq!(decision, expected);
    }

    #[test]
    fn the_last_window_weighs_by_what_is_left_of_it() {
        let decision = check(Quota::new(100, MINUTE), &[(600.0, 100), (675.0, 10)]);
        let expected = Decision {
            admitted: true,
            cost: 10,
            limit: 100,
            rate: 85,
            remaining: 15,
            reset: Duration::from_secs(45),
            retry_after: Duration::ZERO,
        };
        assert_eq!(decision, expected);
    }

    #[test]
    fn a_refused_request_is_charged_only_on_demand() {
        let costs = [(600.0, 3), (601.0, 1), (602.0, 1)];
        assert_eq!(check(Quota::new(3, MINUTE), &costs).rate, 4);
        assert_eq!(check(Quota { charge_rejected: true, ..Quota::new(3, MINUTE) }, &costs).rate, 5);
    }

    #[test]
    fn a_limit_of_one_is_free_again_when_the_next_window_is_over() {
        let decision = check(Quota::new(1, MINUTE), &[(600.0, 1), (630.0, 1)]);
        assert_eq!(decision.retry_after, Duration::from_secs(90));
    }

    #[test]
    fn a_cost_above_the_limit_never_fits() {
        let decision = check(Quota::new(3, MINUTE), &[(600.0, 4)]);
        assert_eq!((decision.admitted, decision.rate, decision.remaining), (false, 4, 3));
    }
}
