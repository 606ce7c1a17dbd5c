//! Windows of fixed length, aligned to UTC, and how counts move from one to the next.

use std::{cell::Cell, time::Duration};

use governor::{clock::Clock, nanos::Nanos};

use crate::{clock::SharedClock, divisor::Divisor};

/// Window numbers keep 34 bits. Windows of one second need more in the year 2514, and then wrap once: to a limiter
/// that is a clock that jumped back.
const INDEX_BITS: u32 = 34;

/// The length of all windows of a limiter. They start at multiples of it since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The length in nanoseconds, at least a second.
    pub(crate) nanos: u64,
    /// Divides by it.
    pub(crate) by_nanos: Divisor,
    /// How far a clock may be behind the counts and still mean the same window.
    tolerance: u64,
}

/// What a key has spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The number of the window.
    pub(crate) window: u64,
    /// Spent in the window before.
    pub(crate) previous: u64,
    /// Spent in this window.
    pub(crate) current: u64,
}

/// A moment as windows of one length see it: computed once, however often a word changes meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    now: Nanos,
    /// The number of its window.
    window: u64,
    /// How much of the window is left, at least a nanosecond.
    left: u64,
}

/// When the clock was looked at again after a moment, if it was.
pub(crate) type Looked = Cell<Option<Nanos>>;

/// The counts of a key as they stand at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The counts, moved to the window of the moment.
    pub(crate) counts: Counts,
    /// How much of the window is left, at least a nanosecond.
    pub(crate) left: u64,
    /// How long until the window begins: more than zero only if the clock went back a little.
    pub(crate) ahead: u64,
    /// The counts must be stored as they are here: the clock jumped back, or something was charged.
    pub(crate) changed: bool,
}

impl Window {
    pub(crate) fn new(length: Duration) -> Self {
        let nanos = length.as_nanos() as u64;
        Self { nanos, by_nanos: Divisor::new(nanos), tolerance: (nanos / 8).min(1_000_000_000) }
    }

    /// How many bits the number of a window takes.
    pub(crate) fn index_bits(self) -> u32 {
        (u64::BITS - (u64::MAX / self.nanos).leading_zeros()).min(INDEX_BITS)
    }

    /// When the window of a moment ends.
    pub(crate) fn end(self, now: Nanos) -> Nanos {
        Nanos::new(now.as_u64().saturating_add(self.moment(now).left))
    }

    /// The number of the window of a moment.
    #[inline]
    fn number(self, now: u64) -> u64 {
        self.moment(Nanos::new(now)).window
    }

    /// Takes back what was charged at a time. If the counts are a window further, it is in that before theirs, or if the
    /// clock of that thread was a little behind, weighs less there. None if it no longer counts.
    pub(crate) fn refund(self, counts: Counts, then: Nanos, cost: u32) -> Option<Counts> {
        let cost = u64::from(cost);
        match counts.window.checked_sub(self.number(then.as_u64()))? {
            0 => Some(Counts { current: counts.current.saturating_sub(cost), ..counts }),
            1 => Some(Counts { previous: counts.previous.saturating_sub(cost), ..counts }),
            _ => None,
        }
    }

    /// Which window this time lies in, and how much of it is left.
    #[inline]
    pub(crate) fn moment(self, now: Nanos) -> Moment {
        let (window, passed) = self.by_nanos.divide(now.as_u64());
        Moment { now, window: window & ((1 << INDEX_BITS) - 1), left: self.nanos - passed }
    }

    /// Moves counts to the window of a moment that the clock just told. If it seems to have jumped back, most often
    /// another thread was faster meanwhile: then a second look at the clock is not behind. `looked` tells what that said.
    pub(crate) fn stand_by(self, clock: &SharedClock, counts: Counts, moment: &Moment, looked: &Looked) -> Standing {
        let standing = self.stand(counts, moment);
        looked.set(standing.changed.then(|| clock.now().max(moment.now)));
        self.stand_later(counts, moment, looked)
    }

    /// Moves counts to the window of a moment, or of a later look at the clock.
    pub(crate) fn stand_later(self, counts: Counts, moment: &Moment, looked: &Looked) -> Standing {
        match looked.get() {
            None => self.stand(counts, moment),
            Some(later) => self.stand(counts, &self.moment(later)),
        }
    }

    /// Moves counts to the window of a moment.
    ///
    /// Time may seem to go back. A little is normal, when the clock is corrected; then it is still the beginning of the
    /// counts' window. A jump further back moves the counts into the window of the moment: nothing is forgotten, and the key
    /// waits as if it had spent them there. So nobody is kept out for longer than usual plus the tolerance, an eighth of a
    /// window and at most a second.
    #[inline]
    pub(crate) fn stand(self, counts: Counts, moment: &Moment) -> Standing {
        if let Some(standing) = moment.standing(counts) {
            return standing;
        }
        let Moment { window, left, .. } = *moment;
        if window > counts.window {
            let previous = if window == counts.window + 1 { counts.current } else { 0 };
            return Standing { counts: Counts { window, previous, current: 0 }, left, ahead: 0, changed: false };
        }
        if window + 1 == counts.window && left <= self.tolerance {
            return Standing { counts, left: self.nanos, ahead: left, changed: false };
        }
        Standing { counts: Counts { window, ..counts }, left, ahead: 0, changed: true }
    }
}

impl Moment {
    /// How counts stand that are of this window already, as most are: as they are.
    #[inline]
    pub(crate) fn standing(&self, counts: Counts) -> Option<Standing> {
        (self.window == counts.window).then_some(Standing { counts, left: self.left, ahead: 0, changed: false })
    }

    /// How long until the window ends.
    #[inline]
    pub(crate) fn until_end(&self) -> Duration {
        Duration::from_nanos(self.left)
    }
}

impl Standing {
    /// Adds to what is spent.
    #[inline]
    pub(crate) fn spend(&mut self, cost: u64) {
        self.counts.current = self.counts.current.saturating_add(cost);
        self.changed |= cost > 0;
    }

    /// How long until the window ends.
    pub(crate) fn until_end(self) -> u64 {
        self.ahead + self.left
    }
}

impl Counts {
    /// Whether nothing is spent.
    pub(crate) fn at_rest(self) -> bool {
        self.previous == 0 && self.current == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPENT: Counts = Counts { window: 10, previous: 2, current: 3 };

    /// Counts of window 10 of a minute each, as they stand at a time given in seconds.
    fn check(seconds: f64, expected: (u64, u64, u64), until_end: f64) {
        let now = Nanos::from(Duration::from_secs_f64(seconds));
        let window = Window::new(Duration::from_secs(60));
        let standing = window.stand(SPENT, &window.moment(now));
        let Counts { window, previous, current } = standing.counts;
        assert_eq!((window, previous, current), expected, "at {seconds}");
        assert_eq!(Duration::from_nanos(standing.until_end()), Duration::from_secs_f64(until_end), "at {seconds}");
    }

    #[test]
    fn counts_stay_in_their_window_and_move_to_the_next() {
        check(600.0, (10, 2, 3), 60.0);
        check(659.5, (10, 2, 3), 0.5);
        check(660.0, (11, 3, 0), 60.0);
        check(719.0, (11, 3, 0), 1.0);
        check(720.0, (12, 0, 0), 60.0);
        check(1e9, (16_666_666, 0, 0), 20.0);
    }

    #[test]
    fn a_clock_a_little_behind_is_at_the_start_of_the_window() {
        check(599.5, (10, 2, 3), 60.5);
    }

    #[test]
    fn a_clock_that_jumped_back_takes_the_counts_along() {
        check(598.0, (9, 2, 3), 2.0);
        check(61.0, (1, 2, 3), 59.0);
        check(0.0, (0, 2, 3), 60.0);
    }

    #[test]
    fn window_numbers_fit_their_bits() {
        for (seconds, bits) in [(1, 34), (2, 34), (60, 29), (3600, 23), (86_400, 18), (31_536_000, 10)] {
            assert_eq!(Window::new(Duration::from_secs(seconds)).index_bits(), bits, "{seconds} s");
        }
    }

    #[test]
    fn the_end_of_time_does_not_panic() {
        let window = Window::new(Duration::from_secs(1));
        let standing = window.stand(SPENT, &window.moment(Nanos::new(u64::MAX)));
        assert!(standing.left > 0);
    }
}
