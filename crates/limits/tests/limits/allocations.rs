//! A known key costs no allocation.

use sluice_limits::{ALGORITHMS, Decision, Keys, MAX_WINDOWS, Policy, Quota};

use super::{MINUTE, client, exact, limiter};

fn check(what: &str, run: impl FnOnce()) {
    assert_eq!(allocation_counter::measure(run).count_total, 0, "{what}");
}

#[test]
fn a_known_key_costs_no_allocation() {
    for algorithm in ALGORITHMS {
        for charge_rejected in [false, true] {
            let (limiter, clock) = limiter(algorithm, &Quota { charge_rejected, ..Quota::new(500, MINUTE) });
            // The log of `exact` grows as it fills, and then no more.
            limiter.check(client(1), if algorithm.name == "exact" { 500 } else { 1 });
            check(algorithm.name, || {
                for _ in 0..1_000 {
                    limiter.check(client(1), 1);
                    limiter.refund(client(1), 1);
                    limiter.check(client(1), 2);
                    clock.advance(MINUTE / 100);
                }
            });
        }
    }
}

#[test]
fn a_log_grows_a_few_times_and_then_never_again() {
    for limit in [1, 5, 100, 10_000] {
        let (limiter, clock) = limiter(exact(), &Quota::new(limit, MINUTE));
        let fill = || (0..limit).for_each(|_| assert!(limiter.check(client(1), 1).admitted));
        limiter.check(client(1), 1);
        limiter.refund(client(1), 1);
        let growth = allocation_counter::measure(fill);
        assert!(growth.count_total <= 12 && growth.bytes_max <= 2 * 8 * limit, "{limit}: {growth:?}");
        check("a full log", || {
            for _ in 0..3 {
                (0..limit).for_each(|_| assert!(!limiter.check(client(1), 1).admitted));
                clock.advance(MINUTE);
                fill();
            }
        });
    }
}

#[test]
fn a_policy_and_a_key_cost_no_allocation() {
    let keys = Keys::random();
    for algorithm in ALGORITHMS {
        let windows = [10, 20, 30].map(|limit| limiter(algorithm, &Quota::new(limit, MINUTE)).0);
        let policy = Policy::new(windows.to_vec()).expect("three windows");
        let mut room = [Decision::default(); MAX_WINDOWS];
        policy.check(keys.key(&[b"ip", b"192.0.2.1"]), 10, &mut room);
        check(algorithm.name, || {
            for _ in 0..100 {
                policy.check(keys.key(&[b"ip", b"192.0.2.1"]), 1, &mut room);
            }
        });
    }
}
