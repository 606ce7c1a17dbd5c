//! Two threads on one key: never more than the limit is admitted.

use std::{
    sync::{Barrier, Mutex},
    thread,
    time::Duration,
};

use sluice_limits::{ALGORITHMS, Budget, Policy, Quota, Room};

use super::{MINUTE, SECOND, client, exact, fixed, limiter, limiter_within, sliding};

/// How many of `tries` requests each of two threads gets through.
fn admitted(tries: usize, check: impl Fn() -> bool + Sync) -> usize {
    let start = Barrier::new(2);
    let run = || {
        start.wait();
        (0..tries).filter(|_| check()).count()
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().expect("no check panics")).iter().sum()
    })
}

#[test]
fn every_algorithm_admits_exactly_the_limit() {
    for algorithm in ALGORITHMS {
        // The last one does not fit a word.
        for limit in [1, 100, 20_000, 200_000].map(|limit: u64| limit.min(algorithm.max_limit)) {
            let (limiter, _) = limiter(algorithm, &Quota::new(limit, MINUTE));
            let passed = admitted(150_000, || limiter.check(client(1), 1).admitted);
            assert_eq!(passed as u64, limit, "{} of {limit}", algorithm.name);
        }
    }
}

#[test]
fn of_all_requests_that_race_one_crosses_a_threshold() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter(algorithm, &Quota::new(10_000, MINUTE));
        assert_eq!(admitted(10_000, || limiter.check(client(1), 1).crossed(8_000)), 1, "{}", algorithm.name);
    }
}

#[test]
fn sliding_admits_exactly_what_the_formula_leaves() {
    for charge_rejected in [false, true] {
        let (limiter, clock) = limiter(sliding(), &Quota { charge_rejected, ..Quota::new(10_000, MINUTE) });
        assert!(limiter.check(client(1), 10_000).admitted);
        clock.advance(MINUTE + Duration::from_secs(15));
        // Three quarters of the last window still count.
        assert_eq!(admitted(5_000, || limiter.check(client(1), 1).admitted), 2_500);
    }
}

#[test]
fn fixed_admits_exactly_the_limit_in_each_window() {
    let (limiter, clock) = limiter(fixed(), &Quota::new(1_000, MINUTE));
    for _ in 0..20 {
        assert_eq!(admitted(2_000, || limiter.check(client(1), 1).admitted), 1_000);
        clock.advance(MINUTE);
    }
}

#[test]
fn exact_admits_exactly_the_limit_whenever_the_window_is_over() {
    let (limiter, clock) = limiter(exact(), &Quota::new(1_000, MINUTE));
    for _ in 0..20 {
        assert_eq!(admitted(2_000, || limiter.check(client(1), 1).admitted), 1_000);
        clock.advance(MINUTE - Duration::from_nanos(1));
        assert_eq!(admitted(2_000, || limiter.check(client(1), 1).admitted), 0);
        clock.advance(Duration::from_nanos(1));
    }
}

#[test]
fn exact_admits_no_more_than_the_limit_in_any_window_while_time_passes() {
    const LIMIT: usize = 100;
    // Time passes with every check, so that a window lasts a thousand of them.
    let (limiter, clock) = limiter(exact(), &Quota::new(LIMIT as u64, SECOND));
    let spans = Mutex::new(Vec::new());
    admitted(100_000, || {
        let before = clock.time();
        let admitted = limiter.check(client(1), 1).admitted;
        if admitted {
            spans.lock().expect("no holder panics").push((before, clock.time()));
        }
        clock.advance(SECOND / 1_000);
        admitted
    });
    // A request came between two looks at the clock. Those that surely came within one window are counted.
    let mut spans = spans.into_inner().expect("no holder panics");
    spans.sort_by_key(|(_, after)| *after);
    assert!(spans.len() > 100 * LIMIT, "{}", spans.len());
    for (index, (_, end)) in spans.iter().enumerate() {
        let within = spans[..=index].iter().rev().take(4 * LIMIT).filter(|(begin, _)| *begin + SECOND > *end).count();
        assert!(within <= LIMIT, "{within} within a window until {end:?}");
    }
}

#[test]
fn a_policy_never_admits_more_than_its_tightest_window() {
    for algorithm in ALGORITHMS {
        let windows: [_; 2] = [(5_000, 1), (1_000, 60)]
            .map(|(limit, seconds)| limiter(algorithm, &Quota::new(limit, Duration::from_secs(seconds))).0);
        let policy = Policy::new(windows.to_vec()).expect("two windows");
        let passed = admitted(20_000, || {
            let mut room = Room::new();
            policy.check(client(1), 1, &mut room).refused_by.is_none()
        });
        assert!(passed <= 1_000, "{}: {passed}", algorithm.name);
        assert_eq!(windows[0].check(client(1), 0).remaining, 5_000 - passed as u64, "{}", algorithm.name);
    }
}

/// One thread floods, the other sweeps; a client who spent his limit is refused all the time.
#[test]
fn no_flood_and_no_sweep_resets_a_limited_key() {
    for algorithm in ALGORITHMS {
        let budget = Budget::new(200);
        let (limiter, clock) = limiter_within(&budget, algorithm, &Quota::new(3, MINUTE));
        assert!(limiter.check(client(0), 3).admitted);
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for number in 1..20_000 {
                    // Half of them are at rest at once.
                    limiter.check(client(number), 1);
                    limiter.refund(client(number), (number % 2) as u32);
                    clock.advance(SECOND / 2_000);
                    assert!(budget.keys() <= 200);
                }
            });
            start.wait();
            for _ in 0..500 {
                limiter.forget_idle();
                assert!(!limiter.check(client(0), 3).admitted, "{}", algorithm.name);
            }
        });
        assert_eq!(limiter.keys(), budget.keys());
        limiter.clear();
        assert_eq!((budget.keys(), budget.overflow_keys()), (0, 0), "{}", algorithm.name);
    }
}
