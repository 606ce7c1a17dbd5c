//! Throttling: instead of a refusal, a request is held open and tries again, as long as there is room in the queue.
//!
//! A held request spends nothing before it is admitted. Its place lives in the memory of the request, so it comes back
//! when the request ends, however it ends. Every client has a queue of its own, so that one who floods takes no place
//! of the others.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use sluice_limits::{InFlight, Key, Permit};

use crate::plugin::BuildCx;

/// The largest number that the options take, as in Kong.
const MAX: u64 = 1_000_000;

/// Holds requests above the limit open instead of refusing them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
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
    /// How many requests of one client wait at most at the same time; more are refused at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    queue_limit: u64,
}

impl Default for Throttling {
    fn default() -> Self {
        Self { enabled: false, interval: 5, retry_times: 3, queue_limit: 5 }
    }
}

impl Throttling {
    /// The queues, if it is switched on. Who waits there is counted over reloads.
    pub fn check(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<Queue> {
        for (key, number) in [("interval", self.interval), ("retry_times", self.retry_times), ("queue_limit", self.queue_limit)] {
            if !(1..=MAX).contains(&number) {
                problems.push(
                    cx.block.problem_at(&format!("throttling.{key}"), format!("must be between 1 and {MAX}, not {number}")),
                );
            }
        }
        let places = u32::try_from(self.queue_limit).ok().filter(|limit| *limit > 0 && self.enabled)?;
        Some(Queue {
            interval: Duration::from_secs(self.interval),
            retries: self.retry_times,
            places: cx.limiters.in_flight(&format!("queue of {}", cx.block.path()), places),
        })
    }
}

/// Who waits for room in a limit.
pub(crate) struct Queue {
    interval: Duration,
    retries: u64,
    places: Arc<InFlight>,
}

/// That a request waits.
pub(crate) struct Held {
    tries: u64,
    _place: Permit,
}

impl Queue {
    /// How long a request that does not fit waits now, or none if it has tried often enough or the queue of its client
    /// is full.
    #[inline(never)]
    pub fn hold(&self, key: Key, held: &mut Option<Held>) -> Option<Duration> {
        match held {
            Some(held) => {
                held.tries += 1;
                (held.tries < self.retries).then_some(self.interval)
            }
            None => {
                *held = Some(Held { tries: 0, _place: self.places.acquire(key)? });
                Some(self.interval)
            }
        }
    }
}
