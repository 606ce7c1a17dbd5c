//! How often an address may send a wrong token. A right one is let in whatever came before it, so nobody locks another out.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// How many wrong tokens an address may send at once; after that one in six seconds.
const A_MINUTE: NonZeroU32 = NonZeroU32::new(10).expect("ten is more than nothing");

/// Counts wrong tokens by address. Addresses are spread over 65,536 counters by a hash that nobody can foretell: memory is
/// bounded, and with n addresses that guess at once another one is counted with some of theirs with a chance of n in 65,536.
pub(crate) struct Guesses<C: Clock = DefaultClock> {
    limiter: RateLimiter<u16, DashMapStateStore<u16>, C, NoOpMiddleware<C::Instant>>,
    hasher: RandomState,
}

impl Default for Guesses {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C: Clock> Guesses<C> {
    fn new(clock: C) -> Self {
        Self {
            limiter: RateLimiter::new(Quota::per_minute(A_MINUTE), DashMapStateStore::default(), clock),
            hasher: RandomState::new(),
        }
    }

    /// Counts a wrong token; how long to wait if there were too many.
    pub fn count(&self, from: Option<IpAddr>) -> Result<(), Duration> {
        // The hash is as good in its lower half.
        let key = self.hasher.hash_one(from) as u16;
        self.limiter.check_key(&key).map_err(|not_before| not_before.wait_time_from(self.limiter.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn ten_in_a_minute_are_answered_and_others_are_not_held_for_them() {
        let clock = FakeRelativeClock::default();
        let guesses = Guesses::new(clock.clone());
        let [one, other] = ["192.0.2.7", "192.0.2.8"].map(|address| address.parse().ok());
        assert!((0..10).all(|_| guesses.count(one).is_ok()));
        let wait = guesses.count(one).unwrap_err();
        assert!(wait > Duration::from_secs(5) && wait <= Duration::from_secs(6), "{wait:?}");
        if guesses.hasher.hash_one(one) as u16 != guesses.hasher.hash_one(other) as u16 {
            assert!(guesses.count(other).is_ok());
        }
        clock.advance(Duration::from_secs(6));
        assert!(guesses.count(one).is_ok());
        assert!(guesses.count(one).is_err());
        clock.advance(Duration::from_secs(60));
        assert!((0..10).all(|_| guesses.count(one).is_ok()));
    }
}
