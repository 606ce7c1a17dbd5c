//! Requests that come late: a thread reads the clock, and before it charges a key, time passes for all others.

use std::time::Duration;

use sluice_limits::{ALGORITHMS, Quota};

use super::{MINUTE, SECOND, client, limiter};

const NANOSECOND: Duration = Duration::from_nanos(1);

#[test]
fn no_sweep_forgets_what_a_late_request_must_still_know() {
    for algorithm in ALGORITHMS {
        let (limiter, clock) = limiter(algorithm, &Quota::new(3, MINUTE));
        assert!(limiter.check(client(1), 3).admitted);
        let rest = if algorithm.name == "sliding" { 2 * MINUTE } else { MINUTE };
        clock.advance(rest - NANOSECOND);
        let early = limiter.now();
        clock.advance(NANOSECOND);
        limiter.forget_idle();
        assert!(!limiter.check_at(early, client(1), 3).admitted, "{}", algorithm.name);
        assert!(limiter.check(client(1), 3).admitted, "{}", algorithm.name);
        clock.advance(rest + SECOND);
        limiter.forget_idle();
        assert_eq!(limiter.keys(), 0, "{}", algorithm.name);
    }
}

#[test]
fn a_request_that_comes_much_too_late_gives_nothing_back() {
    for algorithm in ALGORITHMS {
        let (limiter, clock) = limiter(algorithm, &Quota::new(3, MINUTE));
        clock.advance(MINUTE / 2);
        let early = limiter.now();
        clock.advance(MINUTE);
        assert!(limiter.check(client(1), 3).admitted);
        assert!(!limiter.check_at(early, client(1), 1).admitted, "{}", algorithm.name);
        assert!(!limiter.check(client(1), 1).admitted, "{}", algorithm.name);
    }
}

#[test]
fn what_is_refunded_late_is_taken_from_nobody_else() {
    for pause in [NANOSECOND, SECOND] {
        for algorithm in ALGORITHMS {
            let context = format!("{} after {pause:?}", algorithm.name);
            let (limiter, clock) = limiter(algorithm, &Quota::new(60, MINUTE));
            clock.advance(MINUTE - NANOSECOND);
            let then = limiter.now();
            assert!(limiter.check_at(then, client(1), 1).admitted);
            clock.advance(pause);
            let spend = || (0..100).filter(|_| limiter.check(client(1), 1).admitted).count();
            spend();
            limiter.refund_at(then, client(1), 1);
            // It no longer counts with `fixed`, nor with `gcra` after a second.
            let counts = algorithm.name != "fixed" && (algorithm.name != "gcra" || pause < SECOND);
            assert_eq!(spend(), usize::from(counts), "{context}");
            clock.advance(MINUTE - pause);
            assert!(algorithm.name != "exact" || spend() == 0, "{context}: sixty came later than {then:?}");
        }
    }
}
