//! The `rate` of a hook: how many tries may start in a second. What is above it waits in the queue, and is merged there as
//! for any hook that falls behind.
//!
//! Tries start at equal distances. One that starts late, because timers are not exact, lets the next come sooner by up to
//! [`LATE`]: so in any time of `t` seconds at most `rate × (t + 0.01) + 1` tries start, and over a long one `rate` is met.

use std::time::Duration;

use tokio::time::Instant;

/// How much lateness is made up for.
const LATE: Duration = Duration::from_millis(10);

/// When the next try of one hook may start.
#[derive(Default)]
pub(crate) struct Pace {
    distance: Option<Duration>,
    next: Option<Instant>,
}

impl Pace {
    /// So many a second, or as many as come.
    pub fn new(rate: Option<f64>) -> Self {
        Self { distance: rate.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok()), next: None }
    }

    /// Until when the next try has to wait, if it has to.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next > now)
    }

    /// A try starts.
    pub fn start(&mut self, now: Instant) {
        let Some(distance) = self.distance else { return };
        let earliest = now.checked_sub(LATE).unwrap_or(now);
        self.next = Some(self.next.map_or(now, |next| next.max(earliest)) + distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_a_rate_nothing_waits() {
        let (mut pace, now) = (Pace::new(None), Instant::now());
        (0..9).for_each(|_| pace.start(now));
        assert_eq!(pace.wait(now), None);
    }

    #[test]
    fn tries_start_at_equal_distances() {
        let (mut pace, start) = (Pace::new(Some(0.5)), Instant::now());
        for n in 0..5 {
            let now = start + Duration::from_secs(2 * n);
            assert_eq!(pace.wait(now), None);
            pace.start(now);
            assert_eq!(pace.wait(now), Some(now + Duration::from_secs(2)));
        }
    }

    proptest! {
        /// However late each try starts: never more than the bound in any time, and never one that has to wait for long.
        #[test]
        fn the_bound_holds(rate in 0.1_f64..5_000.0, late in prop::collection::vec(0_u64..30_000, 2..60)) {
            let (mut pace, mut now) = (Pace::new(Some(rate)), Instant::now());
            let mut starts = Vec::new();
            for late in late {
                now = pace.wait(now).unwrap_or(now) + Duration::from_micros(late);
                pace.start(now);
                starts.push(now);
                prop_assert!(pace.wait(now).is_none_or(|until| until - now <= Duration::from_secs_f64(1.0 / rate)));
            }
            for (first, from) in starts.iter().enumerate() {
                for (last, to) in starts.iter().enumerate().skip(first) {
                    let bound = rate * ((*to - *from).as_secs_f64() + 0.01) + 1.0;
                    prop_assert!((last - first + 1) as f64 <= bound + 1e-3, "{} in {:?}", last - first + 1, *to - *from);
                }
            }
        }
    }
}
