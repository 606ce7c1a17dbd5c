//! How long functions may run. It is their time on the processor that counts, so that a busy machine takes none of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long the functions of a hook may run for one delivery.
pub(crate) const RUN_TIME: Duration = Duration::from_millis(50);

/// The clock of one Lua state. It is started and read on the same thread.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Mutex<Times>>);

struct Times {
    /// When this thread's own time is over.
    end: Duration,
    /// Before this the time cannot be over, and its own clock, which is slow to read, is not asked.
    look: Instant,
}

impl Clock {
    /// A clock that runs from now.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Times::from_now())))
    }

    /// The time begins now.
    pub fn start(&self) {
        *self.times() = Times::from_now();
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        let (mut times, now) = (self.times(), Instant::now());
        if now < times.look {
            return false;
        }
        let left = times.end.saturating_sub(thread_time());
        times.look = now + left;
        left.is_zero()
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn from_now() -> Self {
        Self { end: thread_time() + RUN_TIME, look: Instant::now() + RUN_TIME }
    }
}

/// How long this thread has run so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
