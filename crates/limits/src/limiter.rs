//! What every way of counting can do, and the list of them.

use std::{fmt, sync::Arc, time::Duration};

use governor::nanos::Nanos;

use crate::{
    budget::Budget,
    clock::SharedClock,
    exact_log, fixed_window, gcra,
    key::Key,
    quota::{Quota, QuotaError},
    sliding_window,
    store::Table,
};

/// Counts what keys spend and says who has spent enough.
pub trait Limiter: Send + Sync + fmt::Debug {
    /// Charges `cost` to `key` if it fits. A cost of 0 charges nothing.
    /// Never waits longer than another thread needs for a few instructions. Never allocates for a known key, but when it
    /// is found to be hot (see `hot.rs`), and for the log of `exact` while it grows.
    fn check(&self, key: Key, cost: u32) -> Decision {
        self.check_at(self.now(), key, cost)
    }

    /// The same at a time that [`Limiter::now`] told: all limiters of a request share one look at the clock.
    fn check_at(&self, now: Nanos, key: Key, cost: u32) -> Decision;

    /// How a key stands, without a charge, and without a trace: whether a cost of 1 would be admitted, and if not, for
    /// how long. `rate` is what is spent.
    fn peek(&self, key: Key) -> Decision {
        self.peek_at(self.now(), key)
    }

    /// The same at a time that [`Limiter::now`] told.
    fn peek_at(&self, now: Nanos, key: Key) -> Decision;

    /// What time it is by the limiter's clock.
    fn now(&self) -> Nanos;

    /// The end of the window that this time lies in, or if windows are not aligned, one window later: a key that is
    /// warned once per window is not warned again until then.
    fn window_end(&self, now: Nanos) -> Nanos;

    /// Takes back what an admitted check charged: used when a later window refuses.
    fn refund(&self, key: Key, cost: u32) {
        self.refund_at(self.now(), key, cost);
    }

    /// The same for a check at this time. Where others charged the key since, it takes back no more than still counts of
    /// that check: then rather nothing than what is another's.
    fn refund_at(&self, now: Nanos, key: Key, cost: u32);

    /// Forgets what a key has spent. A key that found no room takes what its network shares with it.
    fn reset(&self, key: Key) {
        self.table().reset(key);
    }

    /// Forgets what all keys have spent.
    fn clear(&self) {
        self.table().clear();
    }

    /// Drops the keys at rest: those that stand as if they had never come, and did a second ago, for checks that come late.
    /// For a sweep in the background.
    fn forget_idle(&self);

    /// How many keys are remembered. All limiters together never remember more than their [`Budget`] says.
    fn keys(&self) -> usize {
        self.table().keys()
    }

    /// How many checks found no room, and were counted for the client's network.
    fn overflowed(&self) -> u64 {
        self.table().overflowed()
    }

    /// The name of the algorithm.
    fn name(&self) -> &'static str;

    /// What a key may spend.
    fn quota(&self) -> &Quota;

    /// Where the keys are.
    fn table(&self) -> &dyn Table;

    /// The same way of counting with another quota. If the window is as long as before, what was spent stays spent;
    /// else it starts fresh. Both use one clock and one budget, and mostly one table, so that requests that still run on
    /// the old limiter are counted. (The table is copied where the quota changes how a count is stored: with `gcra`
    /// another limit, with `sliding` `charge_rejected` or a limit that no longer fits one word.)
    fn rebuilt(&self, quota: &Quota) -> Result<Arc<dyn Limiter>, QuotaError>;
}

/// What a limiter answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request fits, and so was charged.
    pub admitted: bool,
    /// What the request costs. The rate before it is `rate - cost`, of the same moment.
    pub cost: u32,
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

impl Decision {
    /// Whether this request took the rate to the threshold or beyond, from below. Of all requests that race, one did.
    pub fn crossed(&self, threshold: u64) -> bool {
        self.admitted && self.rate >= threshold && self.rate - u64::from(self.cost) < threshold
    }

    /// The answer to a look, from what a cost of nothing gets, and how long until a cost of 1 fits if it does not.
    pub(crate) fn of_look(self, wait: impl FnOnce() -> Duration) -> Self {
        if self.rate < self.limit {
            return self;
        }
        let wait = wait();
        Self { admitted: false, reset: wait, retry_after: wait, ..self }
    }
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

/// Makes a limiter from a quota, the clock that it reads, and the budget that its keys come from.
pub type Build = fn(&Quota, SharedClock, &Budget) -> Result<Arc<dyn Limiter>, QuotaError>;

/// Every way of counting.
pub static ALGORITHMS: &[Algorithm] =
    &[sliding_window::ALGORITHM, fixed_window::ALGORITHM, gcra::ALGORITHM, exact_log::ALGORITHM];

/// The way of counting with this name.
pub fn algorithm(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().find(|algorithm| algorithm.name == name)
}
