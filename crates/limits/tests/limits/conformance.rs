//! What every algorithm must do, whatever its way of counting.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use sluice_limits::{ALGORITHMS, Algorithm, Budget, Limiter, MAX_LIMIT, MAX_WINDOW, ManualClock, Quota, SharedClock, algorithm};

use super::{MINUTE, SECOND, client, limiter};

/// Runs `test` over every algorithm, and over `sliding` in both layouts of its counts. A limit that is too large for an
/// algorithm is cut.
fn check(quota: Quota, test: impl Fn(&Algorithm, Arc<dyn Limiter>, ManualClock)) {
    for algorithm in ALGORITHMS {
        for charge_rejected in [false, true] {
            let limit = quota.limit.min(algorithm.max_limit);
            let (limiter, clock) = limiter(algorithm, &Quota { limit, charge_rejected, ..quota });
            test(algorithm, limiter, clock);
        }
    }
}

#[test]
fn algorithms_are_found_by_name() {
    let names: Vec<_> = ALGORITHMS.iter().map(|algorithm| algorithm.name).collect();
    assert_eq!(names, ["sliding", "fixed", "gcra", "exact"]);
    assert!(names.iter().all(|name| algorithm(name).is_some()));
    assert!(algorithm("slidding").is_none());
}

#[test]
fn a_quota_that_makes_no_sense_builds_nothing() {
    for algorithm in ALGORITHMS {
        for (limit, makes_sense) in [(0, false), (1, true), (algorithm.max_limit, true), (algorithm.max_limit + 1, false)] {
            let built = (algorithm.build)(&Quota::new(limit, SECOND), SharedClock::unix(), &Budget::default());
            assert_eq!(built.is_ok(), makes_sense, "{} {limit}", algorithm.name);
        }
    }
}

#[test]
fn exactly_the_limit_passes_at_one_moment() {
    check(Quota::new(3, MINUTE), |algorithm, limiter, _| {
        let rates: Vec<_> = (0..5).map(|_| limiter.check(client(1), 1)).collect();
        let admitted: Vec<_> = rates.iter().map(|decision| decision.admitted).collect();
        assert_eq!(admitted, [true, true, true, false, false], "{}", algorithm.name);
        let shown: Vec<_> = rates.iter().take(4).map(|decision| (decision.rate, decision.remaining)).collect();
        assert_eq!(shown, [(1, 2), (2, 1), (3, 0), (4, 0)], "{}", algorithm.name);
    });
}

#[test]
fn keys_do_not_share_a_limit() {
    check(Quota::new(1, MINUTE), |algorithm, limiter, _| {
        assert!((0..100).all(|number| limiter.check(client(number), 1).admitted), "{}", algorithm.name);
        assert!((0..100).all(|number| !limiter.check(client(number), 1).admitted), "{}", algorithm.name);
        assert_eq!(limiter.keys(), 100);
    });
}

#[test]
fn a_cost_of_nothing_charges_nothing_and_remembers_nobody() {
    check(Quota::new(3, MINUTE), |algorithm, limiter, _| {
        let fresh = limiter.check(client(1), 0);
        assert_eq!((fresh.admitted, fresh.rate, fresh.remaining), (true, 0, 3), "{}", algorithm.name);
        assert_eq!(limiter.keys(), 0, "{}", algorithm.name);
        limiter.check(client(1), 2);
        let spent = limiter.check(client(1), 0);
        assert_eq!((spent.rate, spent.remaining), (2, 1), "{}", algorithm.name);
    });
}

#[test]
fn what_is_refunded_can_be_spent_again() {
    check(Quota::new(3, MINUTE), |algorithm, limiter, _| {
        limiter.refund(client(1), 2);
        assert!(limiter.check(client(1), 3).admitted);
        limiter.refund(client(1), 2);
        assert_eq!(limiter.check(client(1), 0).remaining, 2, "{}", algorithm.name);
        limiter.refund(client(1), 100);
        assert_eq!(limiter.check(client(1), 0).remaining, 3, "{}", algorithm.name);
    });
}

#[test]
fn keys_at_rest_are_forgotten_and_no_others() {
    check(Quota::new(10, MINUTE), |algorithm, limiter, clock| {
        limiter.check(client(1), 5);
        clock.advance(3 * MINUTE);
        limiter.check(client(2), 10);
        assert_eq!(limiter.keys(), 2);
        limiter.forget_idle();
        assert_eq!(limiter.keys(), 1, "{}", algorithm.name);
        assert!(!limiter.check(client(2), 1).admitted, "{}", algorithm.name);
        assert!(limiter.check(client(1), 10).admitted, "{}", algorithm.name);
    });
}

#[test]
fn a_clock_that_jumps_neither_resets_nor_locks_out() {
    for jump in [0, 1, 500, 30_000, 59_999, 60_000, 61_000, 119_000, 3_600_000, 86_400_000, 1_800_000_000_000] {
        check(Quota::new(10, MINUTE), |algorithm, limiter, clock| {
            let context = format!("{} back by {jump} ms", algorithm.name);
            clock.advance(Duration::from_millis(500));
            assert!(limiter.check(client(1), 10).admitted, "{context}");
            clock.rewind(Duration::from_millis(jump));
            assert!(!limiter.check(client(1), 10).admitted, "{context}: is reset");
            // Two windows are what `sliding` may need without any jump; the tolerance comes on top.
            clock.advance(2 * MINUTE + SECOND);
            assert!(limiter.check(client(1), 10).admitted, "{context}: is locked out");
            clock.advance(Duration::from_secs(3_000_000_000));
            assert!(limiter.check(client(1), 10).admitted, "{context}: is locked out after a jump ahead");
        });
    }
}

#[test]
fn the_largest_limits_work() {
    for window in [SECOND, MINUTE, MAX_WINDOW] {
        check(Quota::new(MAX_LIMIT, window), |algorithm, limiter, _| {
            let context = format!("{} in {window:?}", algorithm.name);
            assert!(limiter.check(client(1), algorithm.max_limit as u32 - 1).admitted, "{context}");
            assert_eq!(limiter.check(client(1), 1).remaining, 0, "{context}");
            assert_eq!(limiter.check(client(1), 1).rate, algorithm.max_limit + 1, "{context}");
            assert!(!limiter.check(client(1), u32::MAX).admitted, "{context}");
        });
    }
}

/// One step of a trace: how many nanoseconds pass, and what is then spent.
fn step() -> impl Strategy<Value = (u64, u32)> {
    (prop_oneof![0..100_u64, 0..20_000_000_000_u64], 1..12_u32)
}

proptest! {
    #[test]
    fn decisions_are_consistent_and_the_wait_is_the_smallest(steps in prop::collection::vec(step(), 1..40)) {
        check(Quota::new(10, 7 * SECOND), |algorithm, limiter, clock| {
            for (pause, cost) in &steps {
                clock.advance(Duration::from_nanos(*pause));
                let decision = limiter.check(client(1), *cost);
                assert_eq!(decision.admitted, decision.rate <= decision.limit, "{} {decision:?}", algorithm.name);
                assert_eq!(decision.admitted, decision.retry_after.is_zero(), "{} {decision:?}", algorithm.name);
                assert!(decision.remaining <= decision.limit, "{} {decision:?}", algorithm.name);
                if !decision.admitted && *cost <= 10 {
                    let now = clock.time();
                    // Asked a nanosecond early a request is refused; the refusal may be charged, so each is asked alone.
                    let fits = |wait: Duration| {
                        clock.set(now + wait);
                        let again = limiter.check(client(1), 0);
                        again.remaining >= u64::from(*cost)
                    };
                    let early = fits(decision.retry_after - Duration::from_nanos(1));
                    let on_time = fits(decision.retry_after);
                    assert_eq!((early, on_time), (false, true), "{} {decision:?}", algorithm.name);
                    clock.set(now);
                }
            }
        });
    }

    #[test]
    fn a_client_that_waits_as_told_gets_in(steps in prop::collection::vec(step(), 1..40)) {
        for algorithm in ALGORITHMS {
            let (limiter, clock) = limiter(algorithm, &Quota::new(10, 7 * SECOND));
            for (pause, cost) in &steps {
                clock.advance(Duration::from_nanos(*pause));
                let decision = limiter.check(client(1), *cost);
                if !decision.admitted && *cost <= 10 {
                    clock.advance(decision.retry_after - Duration::from_nanos(1));
                    assert!(!limiter.check(client(1), *cost).admitted, "{} {decision:?}", algorithm.name);
                    clock.advance(Duration::from_nanos(1));
                    assert!(limiter.check(client(1), *cost).admitted, "{} {decision:?}", algorithm.name);
                }
            }
        }
    }

    #[test]
    fn no_trace_of_any_clock_panics(
        steps in prop::collection::vec((any::<u64>(), any::<u32>()), 1..20),
        limit in 1..=MAX_LIMIT,
        seconds in 1..MAX_WINDOW.as_secs(),
    ) {
        check(Quota::new(limit, Duration::from_secs(seconds)), |_, limiter, clock| {
            for (now, cost) in &steps {
                // Governor adds to the time, so that its time ends a century before the word's.
                clock.set(Duration::from_nanos(now / 2));
                limiter.check(client(1), *cost);
                limiter.refund(client(1), cost / 2);
                limiter.forget_idle();
            }
        });
    }
}
