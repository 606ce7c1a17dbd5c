//! What time it is: always told by the caller, in nanoseconds since the Unix epoch.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use governor::{clock, nanos::Nanos};

use crate::counted_clock::CountedClock;

/// Governor's clock, with time counted in nanoseconds since the Unix epoch.
pub trait Clock: clock::Clock<Instant = Nanos> + Send + Sync + 'static {}

impl<C: clock::Clock<Instant = Nanos> + Send + Sync + 'static> Clock for C {}

/// How much later a check may charge its key than it read the clock, and find it for sure. So much longer than need be,
/// keys at rest are kept: else a check that comes late would find its key fresh.
const LATE: Nanos = Nanos::new(1_000_000_000);

/// The earliest time that the clock told to a check that still runs.
#[inline]
pub(crate) fn earliest(now: Nanos) -> Nanos {
    now.saturating_sub(LATE)
}

/// The clock that all limiters of a process read. A clone is the same clock.
#[derive(Clone)]
pub struct SharedClock(Arc<dyn Clock>);

impl SharedClock {
    /// Shares a clock.
    pub fn new(clock: impl Clock) -> Self {
        Self(Arc::new(clock))
    }

    /// The system's clock.
    pub fn unix() -> Self {
        Self::new(UnixClock)
    }

    /// The system's clock, for those who look all the time: where it can be trusted, the processor's own counter says how
    /// much time passed since somebody looked at the system's, at most a millisecond ago.
    pub fn counted() -> Self {
        CountedClock::trusted().map_or_else(Self::unix, Self::new)
    }

    /// The system's clock, to a few milliseconds.
    pub fn coarse() -> Self {
        Self::new(CoarseClock)
    }
}

impl clock::Clock for SharedClock {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        self.0.now()
    }
}

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedClock({:?})", self.0.now())
    }
}

/// The system's clock. Windows are aligned to UTC, so it is the wall clock and may jump; limiters bear that.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnixClock;

impl clock::Clock for UnixClock {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Nanos::new(since_epoch.as_nanos() as u64)
    }
}

/// The system's clock as of its last tick: up to 4 ms ago on a usual Linux (`CLOCK_REALTIME_COARSE`), or now elsewhere.
///
/// A look costs 5 to 7 ns instead of 25 to 31, and does not stop the processor from working ahead. For windows of a second
/// or more that is close enough; [`exact`](crate::ALGORITHMS) has [`SharedClock::counted`], of 12.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoarseClock;

impl clock::Clock for CoarseClock {
    type Instant = Nanos;

    #[inline]
    #[cfg(target_os = "linux")]
    fn now(&self) -> Nanos {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Nanos::new((time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Nanos {
        UnixClock.now()
    }
}

/// A clock that a test sets. A clone is the same clock.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at this time after the Unix epoch.
    pub fn at(since_epoch: Duration) -> Self {
        let clock = Self::default();
        clock.set(since_epoch);
        clock
    }

    /// Moves the clock to this time after the Unix epoch, forward or back.
    pub fn set(&self, since_epoch: Duration) {
        self.0.store(since_epoch.as_nanos() as u64, Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
    }

    /// Moves the clock back, at most to the epoch.
    pub fn rewind(&self, by: Duration) {
        self.set(self.time().saturating_sub(by));
    }

    /// The time after the Unix epoch.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

impl clock::Clock for ManualClock {
    type Instant = Nanos;

    #[inline]
    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::Clock as _;

    use super::*;

    #[test]
    fn the_unix_clock_tells_this_century() {
        let year_2024 = Duration::from_secs(1_704_067_200);
        assert!(UnixClock.now() > year_2024.into());
    }

    #[test]
    fn the_coarse_clock_is_the_other_one_a_little_late() {
        let before = CoarseClock.now();
        let between = UnixClock.now();
        let after = CoarseClock.now();
        let tick = Duration::from_secs(1);
        assert!(before <= between && between.saturating_sub(after) < tick.into(), "{before:?} {between:?} {after:?}");
    }

    #[test]
    fn a_manual_clock_moves_both_ways() {
        let clock = ManualClock::at(Duration::from_secs(10));
        let shared = SharedClock::new(clock.clone());
        clock.advance(Duration::from_secs(5));
        assert_eq!(shared.now(), Duration::from_secs(15).into());
        clock.rewind(Duration::from_secs(60));
        assert_eq!(shared.now(), Nanos::new(0));
    }
}
