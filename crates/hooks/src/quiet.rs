//! Keeps a message that may come thousands of times a second to one line every ten seconds.

use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(10);

/// Counts what a message is about until it may be said again.
#[derive(Default)]
pub(crate) struct Quiet {
    said: Option<Instant>,
    unsaid: u64,
}

impl Quiet {
    /// Adds `count`; the sum since the last time if it may be said now.
    pub fn add(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.unsaid += count;
        if self.said.is_some_and(|said| now.duration_since(said) < EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }

    /// When what is left may be said, if there is something.
    pub fn due(&self) -> Option<Instant> {
        self.said.filter(|_| self.unsaid > 0).map(|said| said + EVERY)
    }

    /// What is left, if it may be said now.
    pub fn rest(&mut self, now: Instant) -> Option<u64> {
        self.due().filter(|due| *due <= now).and_then(|_| self.add(0, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_in_the_next_sum() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        let mut at = |seconds, count| quiet.add(count, start + Duration::from_secs(seconds));
        assert_eq!([at(0, 1), at(1, 2), at(9, 3), at(10, 4), at(11, 5)], [Some(1), None, None, Some(9), None]);
        assert_eq!(quiet.due(), Some(start + Duration::from_secs(20)));
        let mut rest = |seconds| quiet.rest(start + Duration::from_secs(seconds));
        assert_eq!([rest(19), rest(20), rest(40)], [None, Some(5), None]);
    }
}
