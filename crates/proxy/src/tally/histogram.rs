//! How long something took: how often up to which bound, and all of it together.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::{add, get};

/// The bounds in microseconds; what takes longer is counted beyond the last.
pub const BOUNDS: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];

#[derive(Default)]
pub(super) struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().filter(|bound| **bound < micros).count();
        add(&self.counts[place], 1);
        add(&self.micros, micros);
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Times {
    /// How often it took up to each bound and longer than the one before; the last: longer than all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All of them together, in microseconds.
    pub micros: u64,
}

impl Times {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        self.counts.iter_mut().zip(&histogram.counts).for_each(|(sum, counter)| *sum += get(counter));
        self.micros += get(&histogram.micros);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_up_to_the_next_bound() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 10_000_000, 10_000_001] {
            histogram.count(Duration::from_micros(micros));
        }
        let mut times = Times::default();
        times.add(&histogram);
        assert_eq!((times.counts[0], times.counts[1], times.counts[11], times.counts[12]), (2, 1, 1, 1));
        assert_eq!((times.count(), times.micros), (5, 20_002_002));
    }
}
