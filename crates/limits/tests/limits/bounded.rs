//! Bounded memory without amnesia: a flood of fresh keys resets nobody.

use sluice_limits::{ALGORITHMS, Quota};

use super::{MINUTE, client, limiter};

const FLOOD: u64 = 200_000;

#[test]
fn a_flood_of_fresh_keys_never_resets_a_limited_key() {
    for algorithm in ALGORITHMS {
        for charge_rejected in [false, true] {
            let quota = Quota { max_keys: 1_000, charge_rejected, ..Quota::new(3, MINUTE) };
            let (limiter, _) = limiter(algorithm, &quota);
            assert!(limiter.check(client(0), 3).admitted);
            for number in 1..FLOOD {
                limiter.check(client(number), 1);
                assert!(limiter.keys() <= 1_000);
                if number % 1_000 == 0 {
                    limiter.forget_idle();
                    assert!(!limiter.check(client(0), 1).admitted, "{} after {number}", algorithm.name);
                }
            }
            assert_eq!(limiter.keys(), 1_000);
            assert_eq!(limiter.overflowed(), FLOOD - 1_000);
        }
    }
}

#[test]
fn a_limiter_that_is_full_is_not_open() {
    for algorithm in ALGORITHMS {
        let (limiter, _) = limiter(algorithm, &Quota { max_keys: 1_000, ..Quota::new(3, MINUTE) });
        let passed = (0..FLOOD).filter(|number| limiter.check(client(*number), 1).admitted).count();
        // Those who have a place, and 256 limits that the rest share.
        assert_eq!(passed, 1_000 + 256 * 3, "{}", algorithm.name);
    }
}

#[test]
fn a_newcomer_gets_his_limit_once_even_if_room_comes_up() {
    for algorithm in ALGORITHMS {
        let (limiter, clock) = limiter(algorithm, &Quota { max_keys: 1, ..Quota::new(3, 60 * MINUTE) });
        limiter.check(client(1), 1);
        limiter.refund(client(1), 1);
        assert!(limiter.check(client(2), 3).admitted);
        assert_eq!(limiter.overflowed(), 1);
        // The key that took the place is at rest: `gcra` needs its refill to be over for that.
        clock.advance(MINUTE / 10);
        limiter.forget_idle();
        if algorithm.name != "gcra" {
            assert_eq!(limiter.keys(), 0, "{}", algorithm.name);
        }
        assert!(!limiter.check(client(2), 1).admitted, "{}", algorithm.name);
    }
}
