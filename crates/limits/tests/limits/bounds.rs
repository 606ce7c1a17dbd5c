//! What each algorithm admits at worst within a window's length, and what it refuses wrongly: the numbers that its file
//! states.

use std::time::Duration;

use proptest::prelude::*;
use sluice_limits::{ALGORITHMS, Algorithm, Limiter, Quota};

use super::{MINUTE, SECOND, client, exact, fixed, gcra, limiter, sliding};

/// The most that any span of one window's length holds, by the words in the algorithm's file.
fn worst(algorithm: &Algorithm, quota: &Quota) -> u64 {
    let limit = quota.limit;
    match algorithm.name {
        "sliding" => 2 * limit - 1,
        "gcra" => quota.burst.unwrap_or(limit) + limit - 1,
        "fixed" => 2 * limit,
        name => {
            assert_eq!(name, "exact", "its bound is not stated");
            limit
        }
    }
}

/// What was admitted, by the time that passed.
#[derive(Debug, Default)]
struct Admitted(Vec<(Duration, u64)>);

impl Admitted {
    /// How much of it lies within `(end - window, end]`.
    fn within(&self, window: Duration, end: Duration) -> u64 {
        self.0.iter().filter(|(time, _)| *time <= end && end < *time + window).map(|(_, cost)| cost).sum()
    }

    /// The most that a span of a window's length holds.
    fn most(&self, window: Duration) -> u64 {
        self.0.iter().map(|(end, _)| self.within(window, *end)).max().unwrap_or(0)
    }
}

const TEN_A_MINUTE: Quota = Quota::new(10, MINUTE);

/// Asks a hundred times at each of these times after a window's start: what is the most within a minute?
fn check(algorithm: &Algorithm, quota: &Quota, seconds: &[f64], expected: u64) {
    let (limiter, clock) = limiter(algorithm, quota);
    let start = clock.time();
    let mut admitted = Admitted::default();
    for second in seconds {
        let time = Duration::from_secs_f64(*second);
        clock.set(start + time);
        let passed = (0..100).filter(|_| limiter.check(client(1), 1).admitted).count();
        admitted.0.push((time, passed as u64));
    }
    assert_eq!(admitted.most(MINUTE), expected, "{} {admitted:?}", algorithm.name);
    assert!(expected <= worst(algorithm, quota));
}

#[test]
fn fixed_admits_twice_the_limit_around_an_edge() {
    check(fixed(), &TEN_A_MINUTE, &[59.9, 60.0], 20);
}

#[test]
fn sliding_admits_less_than_twice_the_limit_from_end_to_end() {
    check(sliding(), &TEN_A_MINUTE, &[59.9, 60.0], 10);
    check(sliding(), &TEN_A_MINUTE, &[59.9, 119.8], 19);
    check(sliding(), &TEN_A_MINUTE, &[59.9, 119.8, 179.7, 239.6, 299.5], 19);
}

#[test]
fn gcra_admits_the_burst_and_what_refills() {
    check(gcra(), &TEN_A_MINUTE, &[59.9, 60.0], 10);
    check(gcra(), &TEN_A_MINUTE, &[0.0, 59.999], 19);
    let every_refill: Vec<_> = (0..30).map(|refill| 6.0 * f64::from(refill)).collect();
    check(gcra(), &Quota { burst: Some(3), ..TEN_A_MINUTE }, &every_refill, 12);
    check(gcra(), &Quota { burst: Some(50), ..TEN_A_MINUTE }, &every_refill, 59);
}

#[test]
fn exact_admits_the_limit() {
    check(exact(), &TEN_A_MINUTE, &[59.9, 60.0, 119.8, 119.9, 179.8], 10);
}

#[test]
fn sliding_may_refuse_a_window_too_long() {
    let waits = [sliding(), exact()].map(|algorithm| {
        let (limiter, clock) = limiter(algorithm, &Quota::new(10, MINUTE));
        limiter.check(client(1), 10);
        clock.advance(MINUTE - Duration::from_nanos(1));
        limiter.check(client(1), 10).retry_after
    });
    assert_eq!(waits, [MINUTE + Duration::from_nanos(1), Duration::from_nanos(1)]);
}

/// One step of a trace: how long nothing happens, and what is then asked for.
fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let pause = prop_oneof![3 => Just(0), 2 => 0..100_u64, 3 => 0..3_000_000_000_u64, 1 => 0..20_000_000_000_u64];
    prop::collection::vec((pause, 1..12_u32), 1..150)
}

const WINDOW: Duration = Duration::from_secs(10);

/// Runs a trace; `judge` sees each refusal: how long to wait, the cost, and what was admitted until when.
fn run(
    algorithm: &Algorithm,
    charge_rejected: bool,
    steps: &[(u64, u32)],
    judge: impl Fn(Duration, u32, &Admitted, Duration),
) -> Admitted {
    let (limiter, clock) = limiter(algorithm, &Quota { charge_rejected, ..Quota::new(10, WINDOW) });
    let start = clock.time();
    let mut admitted = Admitted::default();
    for (pause, cost) in steps {
        clock.advance(Duration::from_nanos(*pause));
        let now = clock.time() - start;
        let decision = limiter.check(client(1), *cost);
        if decision.admitted {
            admitted.0.push((now, u64::from(*cost)));
        } else if *cost <= 10 {
            judge(decision.retry_after, *cost, &admitted, now);
        }
    }
    admitted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_window_holds_more_than_is_stated(steps in steps(), charge_rejected in any::<bool>()) {
        for algorithm in ALGORITHMS {
            let most = run(algorithm, charge_rejected, &steps, |_, _, _, _| ()).most(WINDOW);
            assert!(most <= worst(algorithm, &Quota::new(10, WINDOW)), "{}: {most}", algorithm.name);
        }
    }

    #[test]
    fn all_but_sliding_refuse_nothing_that_would_fit(steps in steps()) {
        for algorithm in [fixed(), gcra(), exact()] {
            run(algorithm, false, &steps, |_, cost, admitted, now| {
                let rate = admitted.within(WINDOW, now) + u64::from(cost);
                assert!(rate > 10, "{}: {rate}", algorithm.name);
            });
        }
    }

    #[test]
    fn sliding_refuses_at_worst_a_window_too_long(steps in steps()) {
        run(sliding(), false, &steps, |wait, cost, admitted, now| {
            // More than a window before it gets in, the request would not have fit.
            if let Some(too_long) = (wait - Duration::from_nanos(1)).checked_sub(WINDOW) {
                assert!(admitted.within(WINDOW, now + too_long) + u64::from(cost) > 10, "{wait:?}");
            }
        });
    }

    /// The clock may jump back at any time: what counts is the time that passed.
    #[test]
    fn exact_keeps_the_limit_whatever_the_clock_does(steps in steps(), jumps in prop::collection::vec(jump(), 150)) {
        let (limiter, clock) = limiter(exact(), &Quota::new(10, WINDOW));
        let mut passed = Duration::ZERO;
        let mut admitted = Admitted::default();
        for ((pause, cost), jump) in steps.iter().zip(jumps) {
            clock.advance(Duration::from_nanos(*pause));
            clock.rewind(Duration::from_nanos(jump));
            passed += Duration::from_nanos(*pause);
            let decision = limiter.check(client(1), *cost);
            assert!(decision.retry_after <= WINDOW, "{decision:?}");
            if decision.admitted {
                admitted.0.push((passed, u64::from(*cost)));
            } else if *cost <= 10 {
                check_wait(&*limiter, &clock, decision.retry_after, *cost);
            }
        }
        assert!(admitted.most(WINDOW) <= 10, "{admitted:?}");
    }
}

/// How far the clock jumps back, mostly not.
fn jump() -> impl Strategy<Value = u64> {
    prop_oneof![5 => Just(0), 1 => 0..100_u64, 1 => 0..3_000_000_000_u64, 1 => 0..100 * SECOND.as_nanos() as u64]
}

/// The cost fits after this wait, and not a nanosecond earlier.
fn check_wait(limiter: &dyn Limiter, clock: &sluice_limits::ManualClock, wait: Duration, cost: u32) {
    let now = clock.time();
    let fits = [wait - Duration::from_nanos(1), wait].map(|wait| {
        clock.set(now + wait);
        limiter.check(client(1), 0).remaining >= u64::from(cost)
    });
    clock.set(now);
    assert_eq!(fits, [false, true], "{wait:?}");
}
