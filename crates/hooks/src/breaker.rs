//! Leaves a receiver alone that fails and fails: what is new waits, and is merged, instead of failing too.

use std::time::Duration;

use tokio::time::Instant;

/// How many tries in a row must fail.
const TRIP: u32 = 32;
/// How long the first pause is; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// How long a pause is at most, so that a receiver that is back is found.
const LONGEST: Duration = Duration::from_secs(60);

/// The breaker of one hook. After a pause a single try finds out whether the receiver is back.
#[derive(Default)]
pub(crate) struct Breaker {
    failures: u32,
    pause: Option<(Instant, Duration)>,
}

impl Breaker {
    /// Whether a try may start while `under_way` others are.
    pub fn allows(&self, under_way: usize, now: Instant) -> bool {
        self.pause.is_none_or(|(until, _)| now >= until && under_way == 0)
    }

    /// When the pause ends.
    pub fn until(&self) -> Option<Instant> {
        self.pause.map(|(until, _)| until)
    }

    /// A try worked.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A try failed.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let length = match self.pause {
            // It was under way when the pause began.
            Some((until, _)) if now < until => return,
            Some((_, length)) => (length * 2).min(LONGEST),
            None if self.failures < TRIP => return,
            None => FIRST,
        };
        self.pause = Some((now + length, length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_in_a_row_make_a_pause_that_grows() {
        let (mut breaker, mut now) = (Breaker::default(), Instant::now());
        (1..TRIP).for_each(|_| breaker.failed(now));
        assert!(breaker.allows(7, now), "not yet");
        breaker.failed(now);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = breaker.until().expect("a pause");
            assert_eq!((until - now).as_secs(), expected);
            breaker.failed(now);
            assert_eq!(breaker.until(), Some(until), "what was under way changes nothing");
            assert!(!breaker.allows(0, now));
            now = until;
            assert!(breaker.allows(0, now) && !breaker.allows(1, now), "one try at a time");
            breaker.failed(now);
        }
        breaker.succeeded();
        assert!(breaker.allows(7, now));
    }

    #[test]
    fn a_success_starts_the_count_again() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            (1..TRIP).for_each(|_| breaker.failed(now));
            breaker.succeeded();
        }
        assert!(breaker.allows(1, now));
    }
}
