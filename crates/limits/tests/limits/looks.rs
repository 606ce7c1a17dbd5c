//! Looks and resets: what an operator does to one key.

use std::time::Duration;

use proptest::prelude::*;
use sluice_limits::{ALGORITHMS, Keys, Net, Policy, Quota, Room};

use super::{MINUTE, SECOND, client, limiter};

proptest! {
    #[test]
    fn a_look_tells_what_the_next_request_gets(
        steps in prop::collection::vec((prop_oneof![0..100_u64, 0..9_000_000_000_u64], 1..12_u32), 1..40),
        charge_rejected in any::<bool>(),
    ) {
        for algorithm in ALGORITHMS {
            let (limiter, clock) = limiter(algorithm, &Quota { charge_rejected, ..Quota::new(10, 7 * SECOND) });
            for (pause, cost) in &steps {
                clock.advance(Duration::from_nanos(*pause));
                limiter.check(client(1), *cost);
                let look = limiter.peek(client(1));
                prop_assert_eq!(limiter.peek(client(1)), look, "{} charges a look", algorithm.name);
                let next = limiter.check(client(1), 1);
                prop_assert_eq!((look.admitted, look.rate + 1), (next.admitted, next.rate), "{} {:?}", algorithm.name, look);
                if !charge_rejected {
                    prop_assert_eq!(look.retry_after, next.retry_after, "{} {:?}", algorithm.name, look);
                }
            }
        }
    }
}

#[test]
fn a_look_adds_no_key() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter(algorithm, &Quota::new(3, MINUTE));
        let look = limiter.peek(client(1));
        assert_eq!((look.admitted, look.rate, look.remaining, limiter.keys()), (true, 0, 3, 0), "{}", algorithm.name);
    }
}

#[test]
fn one_key_is_forgotten_or_all_are() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter(algorithm, &Quota::new(3, MINUTE));
        (0..3).for_each(|number| assert!(limiter.check(client(number), 3).admitted));
        limiter.reset(client(0));
        limiter.reset(client(9));
        let free = || [0, 1, 2].map(|number| limiter.peek(client(number)).admitted);
        assert_eq!((free(), limiter.keys()), ([true, false, false], 2), "{}", algorithm.name);
        limiter.clear();
        assert_eq!((free(), limiter.keys()), ([true, true, true], 0), "{}", algorithm.name);
    }
}

#[test]
fn a_policy_is_looked_at_and_reset_as_a_whole() {
    for algorithm in ALGORITHMS {
        let windows = [10, 20].map(|limit| limiter(algorithm, &Quota::new(limit, MINUTE)).0);
        let policy = Policy::new(windows.to_vec()).expect("two windows");
        let key = Keys::random().key(&[b"client"]).in_network(Net::of([192, 0, 2, 1].into()));
        let mut room = Room::new();
        policy.check(key, 10, &mut room);
        let remaining = |room: &mut _| policy.peek(key, room).iter().map(|look| look.remaining).collect::<Vec<_>>();
        assert_eq!(remaining(&mut room), [0, 10], "{}", algorithm.name);
        policy.reset(key);
        assert_eq!(remaining(&mut room), [10, 20], "{}", algorithm.name);
    }
}

#[test]
fn the_request_that_crosses_a_threshold_says_so() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter(algorithm, &Quota::new(10, MINUTE));
        let crossed: Vec<_> = [3, 4, 1, 0, 2, 1].map(|cost| limiter.check(client(1), cost).crossed(8)).to_vec();
        assert_eq!(crossed, [false, false, true, false, false, false], "{}", algorithm.name);
    }
}

#[test]
fn a_window_ends_at_its_edge_or_a_window_later() {
    for algorithm in ALGORITHMS {
        let (limiter, clock) = limiter(algorithm, &Quota::new(10, MINUTE));
        clock.advance(15 * SECOND);
        let end = if ["sliding", "fixed"].contains(&algorithm.name) { 45 * SECOND } else { MINUTE };
        assert_eq!(limiter.window_end(limiter.now()), (clock.time() + end).into(), "{}", algorithm.name);
    }
}
