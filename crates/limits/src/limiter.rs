//! What every way of counting can do, and the list of them.

use std::{fmt, sync::Arc, time::Duration};

use governor::nanos::Nanos;

use crate::{
    clock::SharedClock,
    exact_log, fixed_window, gcra,
    key::Key,
    quota::{Quota, QuotaError},
    sliding_window,
};

/// Counts what keys spend and says who has spent enough.
pub trait Limiter: Send + Sync + fmt::Debug {
    /// Charges `cost` to `key` if it fits. A cost of 0 charges nothing and tells where the key stands.
    /// Never waits longer than another thread needs for a few instructions, never allocates for a known key, but for
    /// the log of `exact` while it grows.
    fn check(&self, key: Key, cost: u32) -> Decision {
        self.check_at(self.now(), key, cost)
    }

    /// The same at a time that [`Limiter::now`] told: several limiters of one clock share one look at it.
    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision;

    /// What time it is by the limiter's clock.
    fn now(&self) -> Nanos;

    /// Takes back what an admitted check charged: used when a later window refuses.
    fn refund(&self, key: Key, cost: u32);

    /// Drops the keys at rest: those that stand as if they had never come. For a sweep in the background.
    fn forget_idle(&self);

    /// How many keys are remembered. Never more than the quota's `max_keys`.
    fn keys(&self) -> usize;

    /// How many checks found `max_keys` other keys remembered, and were counted in a slot shared with others.
    fn overflowed(&self) -> u64;
}

/// What a limiter answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request fits, and so was charged.
    pub admitted: bool,
    /// What is admitted: the limit of the window; with `gcra` the burst.
    pub limit: u64,
    /// What is left after this request, in requests of cost 1.
    pub remaining: u64,
    /// The rate with this request, rounded up: 4 on the fourth request of limit 3. Above `limit` exactly if refused.
    pub rate: u64,
    /// Until the window ends (with `gcra`: until the whole burst is back; with `exact`: until the oldest request
    /// leaves the window); if refused, the same as `retry_after`.
    pub reset: Duration,
    /// Zero if admitted. Else the smallest wait after which the same cost is admitted if nobody else spends.
    /// A cost above the limit is never admitted; then this is when the key will be at rest.
    pub retry_after: Duration,
}

/// One way of counting, by the name that a configuration uses.
#[derive(Clone, Copy, Debug)]
pub struct Algorithm {
    /// The name.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The largest limit that it takes.
    pub max_limit: u64,
    /// Makes a limiter.
    pub build: Build,
}

/// Makes a limiter from a quota and a clock.
pub type Build = fn(&Quota, SharedClock) -> Result<Arc<dyn Limiter>, QuotaError>;

/// Every way of counting.
pub static ALGORITHMS: &[Algorithm] =
    &[sliding_window::ALGORITHM, fixed_window::ALGORITHM, gcra::ALGORITHM, exact_log::ALGORITHM];

/// The way of counting with this name.
pub fn algorithm(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
}
