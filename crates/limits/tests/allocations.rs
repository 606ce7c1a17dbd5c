//! A known key costs no allocation. A test binary of its own, since its allocator counts.

use std::{sync::Arc, time::Duration};

use sluice_limits::{
    ALGORITHMS, Algorithm, Budget, Key, Keys, Limiter, ManualClock, Nanos, Net, Policy, Quota, Room, SharedClock, Watch,
    algorithm,
};

const MINUTE: Duration = Duration::from_secs(60);

fn limiter(algorithm: &Algorithm, quota: &Quota) -> (Arc<dyn Limiter>, ManualClock) {
    limiter_within(&Budget::default(), algorithm, quota)
}

fn limiter_within(budget: &Budget, algorithm: &Algorithm, quota: &Quota) -> (Arc<dyn Limiter>, ManualClock) {
    let clock = ManualClock::at(Duration::from_secs(1_800_000_000));
    let limiter = (algorithm.build)(quota, SharedClock::new(clock.clone()), budget).expect("a sound quota");
    (limiter, clock)
}

fn client(number: u64) -> Key {
    Keys::fixed(0).key(&[b"client", &number.to_le_bytes()])
}

fn exact() -> &'static Algorithm {
    algorithm("exact").expect("it is in the list")
}

fn check(what: &str, run: impl FnOnce()) {
    assert_eq!(allocation_counter::measure(run).count_total, 0, "{what}");
}

#[test]
fn a_known_key_costs_no_allocation() {
    for algorithm in ALGORITHMS {
        for charge_rejected in [false, true] {
            let (limiter, clock) = limiter(algorithm, &Quota { charge_rejected, ..Quota::new(500, MINUTE) });
            // The log of `exact` grows as it fills, and then no more. A key becomes hot, and then stays so.
            (0..500).for_each(|_| assert!(limiter.check(client(1), 1).admitted));
            check(algorithm.name, || {
                for _ in 0..1_000 {
                    limiter.check(client(1), 1);
                    limiter.refund(client(1), 1);
                    limiter.check(client(1), 2);
                    clock.advance(MINUTE / 100);
                }
                limiter.forget_idle();
                limiter.check(client(1), 1);
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
        // Rings are two pieces of memory each; and it becomes hot on the way, which takes some.
        assert!(growth.count_total <= 18 && growth.bytes_max <= 2 * 8 * limit + 1_000, "{limit}: {growth:?}");
        // By now it is hot.
        (0..500).for_each(|_| assert!(!limiter.check(client(1), 1).admitted));
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
        let windows = [100, 200, 300].map(|limit| limiter(algorithm, &Quota::new(limit, MINUTE)).0);
        let policy = Policy::new(windows.to_vec()).expect("three windows");
        let mut room = Room::new();
        for _ in 0..100 {
            policy.check(keys.key(&[b"ip", b"192.0.2.1"]), 1, &mut room);
        }
        check(algorithm.name, || {
            for _ in 0..100 {
                policy.check(keys.key(&[b"ip", b"192.0.2.1"]), 1, &mut room);
            }
        });
    }
}

#[test]
fn a_newcomer_without_room_costs_no_allocation_either() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter_within(&Budget::new(1), algorithm, &Quota::new(3, MINUTE));
        let newcomer = |number| client(number).in_network(Net::of([192, 0, 2, 1].into()));
        // One has the place, the next ones fill what their network shares.
        (0..5).for_each(|number| assert_eq!(limiter.check(newcomer(number), 1).cost, 1));
        check(algorithm.name, || (5..1_000).for_each(|number| assert!(!limiter.check(newcomer(number), 1).admitted)));
    }
}

#[test]
fn a_look_and_a_watch_over_a_known_key_cost_no_allocation() {
    let watch = Watch::new(10);
    let refuse = |time| watch.refused(client(1), Nanos::new(time), Nanos::new(time + 1), || "client 1".to_owned());
    assert!(refuse(0));
    check("watch", || {
        for time in 0..100 {
            refuse(time);
            watch.admitted(client(2));
            watch.admitted(client(1));
            watch.warned(client(1), Nanos::new(time), Nanos::new(time + 1), || unreachable!("it is known"));
        }
    });
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter(algorithm, &Quota::new(3, MINUTE));
        limiter.check(client(1), 3);
        check(algorithm.name, || (0..100).for_each(|number| assert_eq!(limiter.peek(client(number)).cost, 0)));
    }
}
