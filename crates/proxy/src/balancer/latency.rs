//! How long a peer takes, as a moving average that jumps to every peak and sinks from it: peak EWMA.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How fast what was measured is forgotten.
const FADES_IN: f64 = 10_000.0;

/// The average. The clock is the caller's: milliseconds since anything.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    /// Milliseconds as a float of 32 bits, and when it was measured. 0: never.
    word: AtomicU64,
}

impl Latency {
    /// A request took so long.
    pub fn observe(&self, now: u32, took: Duration) {
        let took = (took.as_secs_f64() * 1e3).max(0.001) as f32;
        let word = self.word.load(Ordering::Relaxed);
        let average = faded(word, now);
        let kept = (-f64::from(age(word, now)) / FADES_IN).exp() as f32;
        let new = if took > average { took } else { average * kept + took * (1.0 - kept) };
        // Of two that measure at once, one is as good as the other.
        let _ = self.word.compare_exchange(word, pack(new, now), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The average in milliseconds; none if there was no request yet.
    pub fn average(&self, now: u32) -> Option<f32> {
        let word = self.word.load(Ordering::Relaxed);
        (word != 0).then(|| faded(word, now))
    }
}

fn pack(average: f32, now: u32) -> u64 {
    (u64::from(average.to_bits()) << 32) | u64::from(now)
}

fn age(word: u64, now: u32) -> u32 {
    now.saturating_sub(word as u32)
}

/// What is left of the average: a peer that nobody asks looks better from second to second, so that it is asked again.
fn faded(word: u64, now: u32) -> f32 {
    let average = f32::from_bits((word >> 32) as u32);
    average * (-f64::from(age(word, now)) / FADES_IN).exp() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_counts_at_once_and_is_forgotten_slowly() {
        let latency = Latency::default();
        assert_eq!(latency.average(5), None);
        let ms = Duration::from_millis;
        latency.observe(1000, ms(10));
        assert_eq!(latency.average(1000), Some(10.0));
        latency.observe(1000, ms(200));
        assert_eq!(latency.average(1000), Some(200.0));
        latency.observe(2000, ms(10));
        let after = latency.average(2000).expect("it is known");
        assert!((100.0..190.0).contains(&after), "{after}");
        let idle = latency.average(32_000).expect("it is known");
        assert!(idle < 10.0, "{idle}");
    }
}
