//! When a delivery that failed is tried again.

use std::time::Duration;

use sluice_config::Millis;

/// 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h: eight tries in 27.6 hours.
pub(crate) const DEFAULT: &[Millis] = &[
    Millis(5_000),
    Millis(300_000),
    Millis(1_800_000),
    Millis(7_200_000),
    Millis(18_000_000),
    Millis(36_000_000),
    Millis(36_000_000),
];

/// How far a wait strays from its step, so that deliveries that failed together do not come back together.
const JITTER: f64 = 0.2;

/// How long to wait after each failed try; after the last there is no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule(Vec<Duration>);

impl Schedule {
    pub fn new(steps: &[Millis]) -> Self {
        Self(steps.iter().map(|step| step.duration()).collect())
    }

    /// How long to wait after try number `attempt` (from 1), or nothing if it was the last. `after` is what the receiver
    /// asks for; it gets at least the step and at most twice the step. `random` is in 0..1.
    pub fn wait(&self, attempt: u32, after: Option<Duration>, random: f64) -> Option<Duration> {
        let step = *self.0.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
        Some(match after {
            Some(after) => after.clamp(step, step * 2),
            None => step.mul_f64(1.0 - JITTER + 2.0 * JITTER * random),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_eight_tries_in_about_a_day() {
        let schedule = Schedule::new(DEFAULT);
        let waits: Vec<u64> = (1..).map_while(|attempt| schedule.wait(attempt, None, 0.5)).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
    }

    #[test]
    fn jitter_is_a_fifth() {
        let schedule = Schedule::new(&[Millis(1_000)]);
        let wait = |random| schedule.wait(1, None, random).expect("one step").as_millis();
        assert_eq!((wait(0.0), wait(0.5), wait(1.0)), (800, 1_000, 1_200));
    }

    #[test]
    fn a_receiver_may_ask_for_one_to_two_steps() {
        let schedule = Schedule::new(&[Millis(10_000)]);
        let check = |after, expected| {
            assert_eq!(schedule.wait(1, Some(Duration::from_secs(after)), 0.0), Some(Duration::from_secs(expected)));
        };
        check(1, 10);
        check(15, 15);
        check(86_400, 20);
    }

    #[test]
    fn an_empty_schedule_is_no_retry() {
        assert_eq!(Schedule::new(&[]).wait(1, None, 0.5), None);
    }
}
