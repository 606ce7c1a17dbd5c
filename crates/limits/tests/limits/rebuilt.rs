//! A limit that is changed keeps what was spent: decisions are those of the formula with the new limit over the old
//! history.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use sluice_limits::{ALGORITHMS, Algorithm, Budget, Limiter, Quota};

use super::{
    MINUTE, SECOND, client, exact, fixed, gcra, limiter, limiter_within,
    reference::{Formula, Oracle, Pause, after, pause},
    sliding,
};

/// What happens in a trace: a pause and a request of this cost, or another limit.
#[derive(Clone, Debug)]
enum Step {
    Request(Pause, u32),
    Limit(u64, bool),
}

fn steps(limits: impl Strategy<Value = u64> + Clone + 'static) -> impl Strategy<Value = (u64, Vec<Step>)> {
    let step = prop_oneof![
        8 => (pause(), 1..12_u32).prop_map(|(pause, cost)| Step::Request(pause, cost)),
        1 => (limits.clone(), any::<bool>()).prop_map(|(limit, charge_rejected)| Step::Limit(limit, charge_rejected)),
    ];
    (limits, prop::collection::vec(step, 1..120))
}

/// Small limits, and such that need another layout of the counts in windows of a second.
fn limits() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![4 => 1..60_u64, 1 => 32_760..32_770_u64]
}

/// Decisions are those of the formula. `penalty` says whether refused requests may be charged.
fn check(algorithm: &Algorithm, formula: Formula, penalty: bool, window: Duration, (limit, steps): (u64, Vec<Step>)) {
    let mut quota = Quota::new(limit, window);
    let (mut limiter, clock) = limiter(algorithm, &quota);
    let mut oracle = Oracle::default();
    for (index, step) in steps.into_iter().enumerate() {
        match step {
            Step::Limit(limit, charge_rejected) => {
                quota = Quota { charge_rejected: charge_rejected && penalty, ..Quota::new(limit, window) };
                limiter = limiter.rebuilt(&quota).expect("a sound quota");
                assert_eq!((limiter.name(), limiter.quota()), (algorithm.name, &quota));
            }
            Step::Request(pause, cost) => {
                clock.set(after(clock.time(), window, &pause));
                if index % 16 == 0 {
                    limiter.forget_idle();
                }
                let expected = formula(&mut oracle, &quota, clock.time(), cost);
                let decision = limiter.check(client(1), cost);
                assert_eq!(decision.admitted, expected, "step {index} of {quota:?}: {decision:?}");
                assert_eq!(decision.admitted, decision.rate <= decision.limit);
                assert_eq!(decision.admitted, decision.retry_after.is_zero());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn sliding_decides_as_if_the_limit_had_always_been(trace in steps(limits()), seconds in 1..3_u64) {
        check(sliding(), Oracle::sliding, true, Duration::from_secs(seconds), trace);
    }

    #[test]
    fn fixed_decides_as_if_the_limit_had_always_been(trace in steps(limits())) {
        check(fixed(), Oracle::fixed, true, SECOND, trace);
    }

    #[test]
    fn exact_decides_as_if_the_limit_had_always_been(trace in steps(1..60_u64)) {
        check(exact(), Oracle::exact, false, SECOND, trace);
    }

    #[test]
    fn gcra_keeps_what_is_spent_in_requests(
        spent in prop::collection::vec((0..500_000_000_u64, 1..5_u32), 1..50),
        old in 1..1_000_u64,
        new in 1..1_000_u64,
        burst in prop::option::of(1..1_000_u64),
    ) {
        let (old, clock) = limiter(gcra(), &Quota { burst, ..Quota::new(old, SECOND) });
        for (pause, cost) in spent {
            clock.advance(Duration::from_nanos(pause));
            old.check(client(1), cost);
        }
        let new = old.rebuilt(&Quota::new(new, SECOND)).expect("a sound quota");
        let (old, new) = (old.peek(client(1)), new.peek(client(1)));
        prop_assert_eq!(new.rate, old.rate.min(new.limit), "an empty bucket is the most");
        prop_assert_eq!(new.remaining, new.limit - new.rate);
    }
}

/// Quotas of one window, from and to, over which a table is shared.
fn shared(algorithm: &Algorithm) -> [Quota; 2] {
    let quota = Quota::new(10, MINUTE);
    match algorithm.name {
        "gcra" => [quota, Quota { burst: Some(20), ..quota }],
        _ => [quota, Quota::new(20, MINUTE)],
    }
}

#[test]
fn requests_on_the_old_limiter_are_counted_by_the_new_one() {
    for algorithm in ALGORITHMS {
        let [from, to] = shared(algorithm);
        let (old, _) = limiter(algorithm, &from);
        old.check(client(1), 5);
        let new = old.rebuilt(&to).expect("a sound quota");
        old.check(client(1), 5);
        assert_eq!(new.peek(client(1)).rate, 10, "{}", algorithm.name);
        new.check(client(1), 10);
        assert!(!new.check(client(1), 1).admitted, "{}", algorithm.name);
        assert!(!old.check(client(1), 1).admitted, "{}", algorithm.name);
    }
}

#[test]
fn nobody_is_forgotten_for_lack_of_room() {
    for algorithm in ALGORITHMS {
        let budget = Budget::new(100);
        let (old, _) = limiter_within(&budget, algorithm, &Quota::new(3, MINUTE));
        (0..200).for_each(|number| assert_eq!(old.check(client(number), 3).cost, 3));
        let new = old.rebuilt(&Quota { charge_rejected: true, ..Quota::new(2, MINUTE) }).expect("a sound quota");
        assert!((0..200).all(|number| !new.check(client(number), 1).admitted), "{}", algorithm.name);
        drop(old);
        assert_eq!((budget.keys(), new.keys()), (100, 100), "{}", algorithm.name);
    }
}

#[test]
fn another_window_starts_fresh_and_a_bad_quota_builds_nothing() {
    for algorithm in ALGORITHMS {
        let (old, _) = limiter(algorithm, &Quota::new(3, MINUTE));
        old.check(client(1), 3);
        let rebuilt = |quota| -> Result<Arc<dyn Limiter>, _> { old.rebuilt(&quota) };
        let fresh = rebuilt(Quota::new(3, SECOND)).expect("a sound quota");
        assert_eq!(fresh.peek(client(1)).rate, 0, "{}", algorithm.name);
        assert!(rebuilt(Quota::new(algorithm.max_limit + 1, MINUTE)).is_err(), "{}", algorithm.name);
        assert!(rebuilt(Quota::new(0, MINUTE)).is_err(), "{}", algorithm.name);
    }
}
