//! The system's clock, looked at a thousand times a second, and counted on between by the processor's own counter.
//!
//! A look at the system's clock costs two and a half times as much as one at the counter. Whoever finds the last look older than
//! [`PERIOD`], or the counter elsewhere than it can be, looks again: so the clock is right within a millisecond after
//! it was set, after the machine slept (when some counters stop, and some start afresh), and however fast the counter runs.
//! Then it may jump, as the system's clock does, and with each look by some nanoseconds; limiters bear that.

use std::{
    fmt, fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use governor::{clock::Clock, nanos::Nanos};

use crate::clock::UnixClock;

/// How long the counter is trusted after a look at the system's clock, in nanoseconds.
const PERIOD: u64 = 1_000_000;

/// A look that took longer than this was interrupted, and tells the time less well.
const UNDISTURBED: u64 = 1_000;

/// So often a look is tried again that was interrupted.
const TRIES: usize = 3;

/// The system's clock by way of a counter. A clone is the same clock.
#[derive(Clone)]
pub(crate) struct CountedClock<C = Processor>(Arc<Shared<C>>);

/// Read all the time, written once a period: on cache lines of its own.
#[repr(align(128))]
struct Shared<C> {
    counter: C,
    /// What the counter must be told more, to tell the time. Wraps.
    ahead: AtomicU64,
    /// Up to where the counter is trusted.
    until: AtomicU64,
}

/// Counts nanoseconds.
pub(crate) trait Counter: Send + Sync + 'static {
    /// The count since whenever.
    fn count(&self) -> u64;

    /// The system's time.
    fn time(&self) -> u64;
}

/// The processor's counter, and the system's clock.
pub(crate) struct Processor(quanta::Clock);

impl Counter for Processor {
    #[inline]
    fn count(&self) -> u64 {
        self.0.delta_as_nanos(0, self.0.raw())
    }

    #[inline]
    fn time(&self) -> u64 {
        UnixClock.now().as_u64()
    }
}

impl CountedClock {
    /// The clock, if the system itself goes by the counter: else that runs unevenly, or differs between processors.
    pub(crate) fn trusted() -> Option<Self> {
        let source = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource").ok()?;
        matches!(source.trim(), "tsc" | "arch_sys_counter").then(|| Self::new(Processor(quanta::Clock::new())))
    }
}

impl<C: Counter> CountedClock<C> {
    fn new(counter: C) -> Self {
        let clock = Self(Arc::new(Shared { counter, ahead: AtomicU64::new(0), until: AtomicU64::new(0) }));
        clock.0.look();
        clock
    }
}

impl<C: Counter> Clock for CountedClock<C> {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        let Shared { counter, ahead, until } = &*self.0;
        let count = counter.count();
        if until.load(Ordering::Relaxed).wrapping_sub(count) > PERIOD {
            return Nanos::new(self.0.look());
        }
        Nanos::new(count.wrapping_add(ahead.load(Ordering::Relaxed)))
    }
}

impl<C: Counter> Shared<C> {
    /// Looks at the system's clock, and tells what it said.
    #[cold]
    fn look(&self) -> u64 {
        let looks = (0..TRIES).map(|_| {
            let before = self.counter.count();
            let time = self.counter.time();
            (self.counter.count().wrapping_sub(before), before, time)
        });
        let mut best = (u64::MAX, 0, 0);
        for look in looks {
            best = best.min(look);
            if best.0 <= UNDISTURBED {
                break;
            }
        }
        let (took, before, time) = best;
        let count = before.wrapping_add(took / 2);
        self.ahead.store(time.wrapping_sub(count), Ordering::Relaxed);
        self.until.store(count.wrapping_add(PERIOD), Ordering::Relaxed);
        time
    }
}

impl<C: Counter> fmt::Debug for CountedClock<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CountedClock({:?})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter and a clock that a test sets.
    #[derive(Clone, Default)]
    struct Set(Arc<(AtomicU64, AtomicU64)>);

    impl Set {
        fn both(&self, count: u64, time: u64) {
            self.0.0.store(count, Ordering::Relaxed);
            self.0.1.store(time, Ordering::Relaxed);
        }
    }

    impl Counter for Set {
        fn count(&self) -> u64 {
            self.0.0.load(Ordering::Relaxed)
        }

        fn time(&self) -> u64 {
            self.0.1.load(Ordering::Relaxed)
        }
    }

    /// After a look at these two, what does the clock say when they stand at those?
    fn check((count, time): (u64, u64), (then_count, then_time): (u64, u64), expected: u64) {
        let set = Set::default();
        set.both(count, time);
        let clock = CountedClock::new(set.clone());
        assert_eq!(clock.now().as_u64(), time);
        set.both(then_count, then_time);
        assert_eq!(clock.now().as_u64(), expected, "{count} {time} to {then_count} {then_time}");
    }

    #[test]
    fn between_looks_the_counter_says_how_much_time_passed() {
        check((10, 5_000_000_000), (10 + PERIOD, 0), 5_000_000_000 + PERIOD);
        check((u64::MAX - 5, 5_000_000_000), (5, 0), 5_000_000_011);
    }

    #[test]
    fn a_period_later_the_system_says_what_time_it_is() {
        for time in [0, 4_000_000_000, 6_000_000_000, u64::MAX] {
            check((10, 5_000_000_000), (11 + PERIOD, time), time);
        }
    }

    #[test]
    fn a_counter_that_starts_afresh_is_not_believed() {
        check((10_000_000, 5_000_000_000), (9_999_999, 9_000_000_000), 9_000_000_000);
        check((10_000_000, 5_000_000_000), (0, 9_000_000_000), 9_000_000_000);
    }

    #[test]
    fn the_processor_counts_as_the_system_does() {
        let clock = CountedClock::new(Processor(quanta::Clock::new()));
        // It may be interrupted between two looks.
        let agrees = (0..1_000_000).any(|_| {
            let (before, between, after) = (UnixClock.now(), clock.now(), UnixClock.now());
            before <= between + Nanos::new(1_000) && between <= after + Nanos::new(1_000)
        });
        assert!(agrees, "{:?} {clock:?}", UnixClock.now());
    }
}
