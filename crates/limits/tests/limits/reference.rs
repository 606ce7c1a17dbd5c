//! `sliding`, `fixed` and `exact` against the formulas, written as plainly as can be and in exact arithmetic; `gcra`
//! against governor alone.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use governor::{RateLimiter, clock::Clock as _};
use proptest::prelude::*;
use sluice_limits::{Algorithm, Decision, MAX_EXACT_LIMIT, MAX_LIMIT, Quota};

use super::{client, exact, fixed, gcra, limiter, sliding};

/// Counts of every window there ever was, and every charge.
#[derive(Default)]
pub(crate) struct Oracle {
    counts: HashMap<u128, u128>,
    log: Vec<(Duration, u64)>,
}

impl Oracle {
    /// `current + previous * (window - now % window) / window > limit`, both sides times `window`.
    pub(crate) fn sliding(&mut self, quota: &Quota, now: Duration, cost: u32) -> bool {
        let (window, now) = (quota.window.as_nanos(), now.as_nanos());
        let number = now / window;
        let weight = window - now % window;
        let current = self.counts.get(&number).copied().unwrap_or(0) + u128::from(cost);
        let previous = self.counts.get(&(number - 1)).copied().unwrap_or(0);
        let denied = current * window + previous * weight > u128::from(quota.limit) * window;
        if !denied || quota.charge_rejected {
            self.counts.insert(number, current);
        }
        !denied
    }

    /// `current > limit`.
    pub(crate) fn fixed(&mut self, quota: &Quota, now: Duration, cost: u32) -> bool {
        let current = self.counts.entry(now.as_nanos() / quota.window.as_nanos()).or_default();
        let denied = *current + u128::from(cost) > u128::from(quota.limit);
        if !denied {
            *current += u128::from(cost);
        }
        !denied
    }

    /// What was charged since a window ago, and the cost, against the limit.
    pub(crate) fn exact(&mut self, quota: &Quota, now: Duration, cost: u32) -> bool {
        let denied = cost > 0 && self.spent(quota, now) + u64::from(cost) > quota.limit;
        if cost > 0 && (!denied || quota.charge_rejected) {
            self.log.push((now, u64::from(cost)));
        }
        !denied
    }

    /// The sum of the log over `(now - window, now]`.
    fn spent(&self, quota: &Quota, now: Duration) -> u64 {
        self.log.iter().filter(|(time, _)| now < *time + quota.window).map(|(_, cost)| cost).sum()
    }

    /// All that `exact` should answer, if refused requests are not charged.
    fn exact_decision(&mut self, quota: &Quota, now: Duration, cost: u32) -> Decision {
        let rate = self.spent(quota, now) + u64::from(cost);
        let admitted = self.exact(quota, now, cost);
        // Something changes only when a request leaves: the first such moment at which it fits.
        let mut moments = self.log.iter().map(|(time, _)| *time + quota.window).filter(|moment| *moment > now);
        let (first, last) = (moments.clone().next(), moments.clone().next_back());
        let fitting = match u64::from(cost) <= quota.limit {
            true => moments.find(|moment| self.spent(quota, *moment) + u64::from(cost) <= quota.limit),
            false => Some(last.unwrap_or(now + quota.window)),
        };
        let retry_after = if admitted { Duration::ZERO } else { fitting.expect("a cost of the limit fits at last") - now };
        let reset = if admitted { first.map_or(Duration::ZERO, |first| first - now) } else { retry_after };
        let remaining = quota.limit - self.spent(quota, now);
        Decision { admitted, cost, limit: quota.limit, remaining, rate, reset, retry_after }
    }
}

/// A trace of three keys: which key, what happens to the clock, what is spent.
type Step = (u64, Pause, Cost);

/// What a request costs.
#[derive(Clone, Copy, Debug)]
enum Cost {
    Exactly(u32),
    /// What the limiter says is left, and a little more: the edge of the decision.
    Remaining(u32),
}

/// How the clock moves.
#[derive(Clone, Debug)]
pub(crate) enum Pause {
    None,
    Nanos(u64),
    Part(f64),
    ToEdge,
    JustBeforeEdge,
    Windows(u32),
}

pub(crate) fn pause() -> impl Strategy<Value = Pause> {
    prop_oneof![
        5 => Just(Pause::None),
        2 => (0..10_000_u64).prop_map(Pause::Nanos),
        5 => (0.0..0.5).prop_map(Pause::Part),
        1 => Just(Pause::ToEdge),
        1 => Just(Pause::JustBeforeEdge),
        1 => (1..4_u32).prop_map(Pause::Windows),
    ]
}

pub(crate) fn after(now: Duration, window: Duration, pause: &Pause) -> Duration {
    let left = Duration::from_nanos((window.as_nanos() - now.as_nanos() % window.as_nanos()) as u64);
    now + match pause {
        Pause::None => Duration::ZERO,
        Pause::Nanos(nanos) => Duration::from_nanos(*nanos),
        Pause::Part(part) => window.mul_f64(*part),
        Pause::ToEdge => left,
        Pause::JustBeforeEdge => left - Duration::from_nanos(1),
        Pause::Windows(windows) => *windows * window,
    }
}

fn trace(limit: u64) -> impl Strategy<Value = Vec<Step>> {
    let most = (limit + limit / 4 + 1) as u32;
    let cost = prop_oneof![
        3 => (1..3_u32).prop_map(Cost::Exactly),
        1 => (1..=most).prop_map(Cost::Exactly),
        1 => (0..2_u32).prop_map(Cost::Remaining),
    ];
    prop::collection::vec((0..3_u64, pause(), cost), 1..120)
}

fn quotas(max_limit: u64) -> impl Strategy<Value = (Quota, Vec<Step>)> {
    let limit = prop_oneof![1..5_u64, 1..100_u64, 1..50_000.min(max_limit), max_limit - max_limit / 1_000..=max_limit];
    let seconds = prop_oneof![Just(1), Just(60), Just(3600), Just(31_536_000), 2..100_000_u64];
    (limit, seconds, any::<bool>()).prop_flat_map(|(limit, seconds, charge_rejected)| {
        let quota = Quota { charge_rejected, ..Quota::new(limit, Duration::from_secs(seconds)) };
        (Just(quota), trace(limit))
    })
}

pub(crate) type Formula = fn(&mut Oracle, &Quota, Duration, u32) -> bool;

fn check(algorithm: &Algorithm, formula: Formula, quota: &Quota, steps: &[Step]) {
    let (limiter, clock) = limiter(algorithm, quota);
    let mut oracles = [Oracle::default(), Oracle::default(), Oracle::default()];
    for (index, (key, pause, cost)) in steps.iter().enumerate() {
        clock.set(after(clock.time(), quota.window, pause));
        if index % 16 == 0 {
            limiter.forget_idle();
        }
        let cost = match cost {
            Cost::Exactly(cost) => *cost,
            Cost::Remaining(more) => limiter.check(client(*key), 0).remaining as u32 + more,
        };
        let expected = formula(&mut oracles[*key as usize], quota, clock.time(), cost);
        let decision = limiter.check(client(*key), cost);
        assert_eq!(decision.admitted, expected, "step {index} of {quota:?}: {decision:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn sliding_decides_as_the_formula((quota, steps) in quotas(MAX_LIMIT)) {
        check(sliding(), Oracle::sliding, &quota, &steps);
    }

    #[test]
    fn gcra_decides_as_governor_alone(
        burst in 1..50_u32,
        steps in prop::collection::vec((0..500_000_000_u64, 1..60_u32), 1..120),
    ) {
        let quota = Quota { burst: Some(burst.into()), ..Quota::new(10, Duration::from_secs(1)) };
        let (limiter, clock) = limiter(gcra(), &quota);
        let size = |number| NonZeroU32::new(number).expect("it is more than zero");
        let governors = governor::Quota::per_second(size(10)).allow_burst(size(burst));
        let governor = RateLimiter::dashmap_with_clock(governors, clock.clone());
        for (pause, cost) in steps {
            clock.advance(Duration::from_nanos(pause));
            let decision = limiter.check(client(1), cost);
            let (admitted, wait) = match governor.check_key_n(&1, size(cost)) {
                Ok(Ok(())) => (true, Some(Duration::ZERO)),
                Ok(Err(not_until)) => (false, Some(not_until.wait_time_from(clock.now()))),
                Err(_) => (false, None),
            };
            assert_eq!(decision.admitted, admitted);
            assert!(wait.is_none_or(|wait| decision.retry_after == wait), "{decision:?} not {wait:?}");
        }
    }

    #[test]
    fn fixed_decides_as_the_formula((quota, steps) in quotas(MAX_LIMIT)) {
        check(fixed(), Oracle::fixed, &quota, &steps);
    }

    #[test]
    fn exact_decides_as_a_list_of_all_requests((quota, steps) in quotas(MAX_EXACT_LIMIT)) {
        check(exact(), Oracle::exact, &quota, &steps);
    }

    #[test]
    fn exact_answers_as_a_list_of_all_requests((quota, steps) in quotas(MAX_EXACT_LIMIT)) {
        let quota = Quota { charge_rejected: false, ..quota };
        let (limiter, clock) = limiter(exact(), &quota);
        let mut oracle = Oracle::default();
        for (index, (_, pause, cost)) in steps.iter().enumerate() {
            clock.set(after(clock.time(), quota.window, pause));
            let cost = match cost {
                Cost::Exactly(cost) => *cost,
                Cost::Remaining(more) => limiter.check(client(1), 0).remaining as u32 + more,
            };
            let decision = limiter.check(client(1), cost);
            assert_eq!(decision, oracle.exact_decision(&quota, clock.time(), cost), "step {index}, cost {cost} of {quota:?}");
        }
    }
}
