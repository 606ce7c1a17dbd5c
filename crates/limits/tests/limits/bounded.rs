//! Bounded memory without amnesia: a flood of fresh keys resets nobody, and locks nobody out of another network.

use std::net::{IpAddr, Ipv6Addr};

use sluice_limits::{ALGORITHMS, Budget, Key, Net, Quota};

use super::{MINUTE, SECOND, client, gcra, limiter_within, sliding};

const FLOOD: u64 = 200_000;

/// The key of a client in the IPv4 /24 or the IPv6 /48 with this number.
fn client_of(net: u32, number: u64) -> Key {
    client(number).in_network(Net::of([10, (net >> 8) as u8, net as u8, number as u8].into()))
}

fn client_of_48(net: u64, number: u64) -> Key {
    let address = Ipv6Addr::from(u128::from(net) << 80 | u128::from(number));
    client(number).in_network(Net::of(IpAddr::V6(address)))
}

#[test]
fn a_flood_of_fresh_keys_never_resets_a_limited_key() {
    for algorithm in ALGORITHMS {
        for charge_rejected in [false, true] {
            let budget = Budget::new(1_000);
            let (limiter, _) = limiter_within(&budget, algorithm, &Quota { charge_rejected, ..Quota::new(3, MINUTE) });
            assert!(limiter.check(client(0), 3).admitted);
            for number in 1..FLOOD {
                limiter.check(client(number), 1);
                assert!(budget.keys() <= 1_000);
                if number % 1_000 == 0 {
                    limiter.forget_idle();
                    assert!(!limiter.check(client(0), 1).admitted, "{} after {number}", algorithm.name);
                }
            }
            assert_eq!((limiter.keys(), budget.keys(), budget.overflow_keys()), (1_000, 1_000, 0));
            assert_eq!((limiter.overflowed(), budget.overflowed()), (FLOOD - 1_000, FLOOD - 1_000));
            assert_eq!([budget.take_full_edge(), budget.take_full_edge()], [true, false]);
        }
    }
}

/// An attacker who owns a /32 of IPv6: each key is fresh, from as many networks as there are.
#[test]
fn two_million_fresh_keys_neither_reset_a_client_nor_take_his_place() {
    let budget = Budget::new(10_000);
    let (limiter, clock) = limiter_within(&budget, sliding(), &Quota::new(10, 60 * MINUTE));
    let (limited, honest) = (client(0), client_of(7, 1));
    limiter.check(limited, 10);
    limiter.check(honest, 1);
    for number in 2..2_000_000_u64 {
        limiter.check(client_of_48(number & 0xffff, number), 1);
        if number % 200_000 == 0 {
            clock.advance(MINUTE);
            limiter.forget_idle();
            assert!(!limiter.check(limited, 1).admitted, "after {number}");
        }
    }
    assert_eq!((budget.keys(), budget.overflow_keys()), (10_000, 65_536));
    assert!(limiter.check(honest, 9).admitted);
    // A newcomer of another network has to share now, but not with a network that is spent.
    assert_eq!(limiter.peek(client_of(8, 3_000_000)).remaining, 10);
}

#[test]
fn a_limiter_that_is_full_is_not_open() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter_within(&Budget::new(1_000), algorithm, &Quota::new(3, MINUTE));
        let passed = (0..FLOOD).filter(|number| limiter.check(client(*number), 1).admitted).count();
        // Those who have a place, and 256 limits that the rest share.
        assert_eq!(passed, 1_000 + 256 * 3, "{}", algorithm.name);
    }
}

#[test]
fn without_room_each_network_has_one_limit() {
    for algorithm in ALGORITHMS {
        let budget = Budget::new(100);
        let (limiter, _) = limiter_within(&budget, algorithm, &Quota::new(3, MINUTE));
        (0..100).for_each(|number| assert!(limiter.check(client_of(1, number), 1).admitted));
        let passed = |net| (1_000..1_100).filter(|number| limiter.check(client_of(net, *number), 1).admitted).count();
        assert_eq!([passed(1), passed(2), passed(3)], [3, 3, 3], "{}", algorithm.name);
        let passed = |net| (1_000..1_100).filter(|number| limiter.check(client_of_48(net, *number), 1).admitted).count();
        assert_eq!([passed(1), passed(2)], [3, 3], "{}", algorithm.name);
        assert_eq!((budget.keys(), budget.overflow_keys()), (100, 5));
        // Those who have a place do not notice.
        assert!((0..100).all(|number| limiter.check(client_of(1, number), 2).admitted));
    }
}

#[test]
fn networks_are_bounded_too() {
    let budget = Budget::new(1);
    let (limiter, clock) = limiter_within(&budget, gcra(), &Quota::new(3, MINUTE));
    assert!(limiter.check(client(0), 3).admitted);
    let passed = (0..FLOOD).filter(|net| limiter.check(client_of_48(*net, *net), 3).admitted).count();
    assert_eq!((passed, budget.overflow_keys()), (65_536 + 256, 65_536));
    assert!(!limiter.check(client(0), 3).admitted);
    clock.advance(MINUTE + SECOND);
    limiter.forget_idle();
    assert_eq!((budget.keys(), budget.overflow_keys()), (0, 0));
    drop(limiter);
}

#[test]
fn a_newcomer_gets_his_limit_once_even_if_room_comes_up() {
    for newcomer in [client(2), client_of(1, 2)] {
        for algorithm in ALGORITHMS {
            let (limiter, clock) = limiter_within(&Budget::new(1), algorithm, &Quota::new(3, 60 * MINUTE));
            limiter.check(client(1), 1);
            assert!(limiter.check(newcomer, 3).admitted);
            assert_eq!((limiter.keys(), limiter.overflowed()), (1, 1));
            // The key that took the place leaves.
            limiter.refund(client(1), 1);
            clock.advance(SECOND);
            limiter.forget_idle();
            assert_eq!(limiter.keys(), 0, "{}", algorithm.name);
            assert!(!limiter.check(newcomer, 1).admitted, "{}", algorithm.name);
            limiter.reset(newcomer);
            assert!(limiter.check(newcomer, 3).admitted, "{}", algorithm.name);
        }
    }
}

#[test]
fn keys_at_rest_leave_for_a_newcomer() {
    for algorithm in ALGORITHMS {
        let budget = Budget::new(10_000);
        let (limiter, clock) = limiter_within(&budget, algorithm, &Quota::new(3, MINUTE));
        (0..9_999).for_each(|number| assert!(limiter.check(client(number), 3).admitted));
        clock.advance(2 * MINUTE + SECOND);
        // All have left their windows but this one, which is limited.
        assert!(limiter.check(client(9_999), 3).admitted);
        (10_000..20_000).for_each(|number| assert!(limiter.check(client(number), 1).admitted, "{}", algorithm.name));
        assert!(!limiter.check(client(9_999), 1).admitted, "{}", algorithm.name);
        assert!(budget.keys() <= 10_000);
    }
}

#[test]
fn limiters_share_the_room_and_give_it_back() {
    for algorithm in ALGORITHMS {
        let budget = Budget::new(10);
        let (first, _) = limiter_within(&budget, algorithm, &Quota::new(3, MINUTE));
        let (second, _) = limiter_within(&budget, algorithm, &Quota::new(3, MINUTE));
        (0..8).for_each(|number| assert!(first.check(client(number), 1).admitted));
        (0..8).for_each(|number| assert!(second.check(client_of(1, number), 1).cost == 1));
        assert_eq!((first.keys(), second.keys(), second.overflowed(), budget.keys()), (8, 2, 6, 10));
        first.reset(client(0));
        assert_eq!((first.keys(), budget.keys()), (7, 9));
        first.clear();
        assert_eq!((first.keys(), budget.keys()), (0, 2));
        drop((first, second));
        assert_eq!((budget.keys(), budget.overflow_keys()), (0, 0), "{}", algorithm.name);
    }
}
