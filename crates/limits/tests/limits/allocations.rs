//! A known key costs no allocation.

use sluice_limits::{ALGORITHMS, Decision, Keys, MAX_WINDOWS, Policy, Quota};

use super::{MINUTE, client, limiter};

fn check(what: &str, run: impl FnOnce()) {
    assert_eq!(allocation_counter::measure(run).count_total, 0, "{what}");
}

#[test]
fn a_known_key_costs_no_allocation() {
    for algorithm in ALGORITHMS {
        for charge_rejected in [false, true] {
            let (limiter, clock) = limiter(algorithm, &Quota { charge_rejected, ..Quota::new(500, MINUTE) });
            limiter.check(client(1), 1);
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
fn a_policy_and_a_key_cost_no_allocation() {
    let keys = Keys::random();
    for algorithm in ALGORITHMS {
        let windows = [10, 20, 30].map(|limit| limiter(algorithm, &Quota::new(limit, MINUTE)).0);
        let policy = Policy::new(windows.to_vec()).expect("three windows");
        let mut room = [Decision::default(); MAX_WINDOWS];
        policy.check(keys.key(&[b"ip", b"192.0.2.1"]), 1, &mut room);
        check(algorithm.name, || {
            for _ in 0..100 {
                policy.check(keys.key(&[b"ip", b"192.0.2.1"]), 1, &mut room);
            }
        });
    }
}
