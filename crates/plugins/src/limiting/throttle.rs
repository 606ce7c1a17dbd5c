//! Throttling: instead of a refusal, a request is held open and tries again, as long as there is room in the queue.
//!
//! A held request spends nothing before it is admitted. Its place lives in the memory of the request, so it comes back
//! when the request ends, however it ends. The queue belongs to one plugin: what waits is bounded, whoever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use sluice_config::Problem;

use crate::plugin::BuildCx;

/// The largest number that the options take, as in Kong.
const MAX: u64 = 1_000_000;

/// Holds requests above the limit open instead of refusing them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Throttling {
    /// Whether it does.
    pub enabled: bool,
    /// After how many seconds a request tries again.
    #[schemars(range(min = 1, max = 1_000_000))]
    interval: u64,
    /// How often it tries again before it is refused.
    #[schemars(range(min = 1, max = 1_000_000))]
    retry_times: u64,
    /// How many requests wait at most at the same time; more are refused at once. It counts all clients of this plugin.
    #[schemars(range(min = 1, max = 1_000_000))]
    queue_limit: u64,
}

impl Default for Throttling {
    fn default() -> Self {
        Self { enabled: false, interval: 5, retry_times: 3, queue_limit: 5 }
    }
}

impl Throttling {
    /// The queue, if it is switched on.
    pub fn check(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<Queue> {
        for (key, number) in [("interval", self.interval), ("retry_times", self.retry_times), ("queue_limit", self.queue_limit)] {
            if !(1..=MAX).contains(&number) {
                problems.push(
                    cx.block.problem_at(&format!("throttling.{key}"), format!("must be between 1 and {MAX}, not {number}")),
                );
            }
        }
        self.enabled.then(|| Queue {
            interval: Duration::from_secs(self.interval),
            retries: self.retry_times,
            room: Arc::new(Room { taken: AtomicU64::new(0), limit: self.queue_limit }),
        })
    }
}

/// Who waits for room in a limit.
pub(crate) struct Queue {
    interval: Duration,
    retries: u64,
    room: Arc<Room>,
}

struct Room {
    taken: AtomicU64,
    limit: u64,
}

/// That a request waits.
pub(crate) struct Held {
    tries: u64,
    _place: Place,
}

/// A place in the queue.
struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// How long a request that does not fit waits now, or none if it has tried often enough or the queue is full.
    pub fn hold(&self, held: &mut Option<Held>) -> Option<Duration> {
        match held {
            Some(held) => {
                held.tries += 1;
                (held.tries < self.retries).then_some(self.interval)
            }
            None => {
                *held = Some(Held { tries: 0, _place: self.enter()? });
                Some(self.interval)
            }
        }
    }

    fn enter(&self) -> Option<Place> {
        let room = &self.room;
        let enter = |taken| (taken < room.limit).then_some(taken + 1);
        room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter).ok()?;
        Some(Place(room.clone()))
    }
}
