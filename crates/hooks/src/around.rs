//! What all lanes work with: the outbox, the order of arrival, the reports, and what `[hooks]` says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sluice_config::Hooks;
use sluice_events::Bus;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::job::{Order, unix_ms};
use crate::outbox::Outbox;
use crate::reports::Reports;

/// What all lanes work with.
pub(crate) struct Around {
    pub outbox: Outbox,
    pub order: Order,
    pub reports: Reports,
    /// Told when the events that hooks want may be others, or there are new lanes.
    pub changed: Notify,
    hooks: Arc<ArcSwap<Hooks>>,
    /// One moment on both clocks.
    moment: (Instant, u64),
}

impl Around {
    pub fn new(bus: &Arc<Bus>, state_dir: &Path, predecessor: Option<Duration>) -> Self {
        let hooks = Arc::default();
        Self::with(bus, Outbox::new(state_dir, predecessor, Arc::clone(&hooks)), hooks)
    }

    /// The same with this outbox.
    pub fn with(bus: &Arc<Bus>, outbox: Outbox, hooks: Arc<ArcSwap<Hooks>>) -> Self {
        Self {
            outbox,
            order: Order::default(),
            reports: Reports::new(bus),
            changed: Notify::new(),
            hooks,
            moment: (Instant::now(), unix_ms()),
        }
    }

    pub fn apply(&self, hooks: &Hooks) {
        self.hooks.store(Arc::new(hooks.clone()));
    }

    /// After how long with nothing but failures a hook is disabled.
    pub fn disable_after(&self) -> Option<Duration> {
        Some(self.hooks.load().disable_after).filter(|time| !time.is_zero())
    }

    /// The time of the wall at `now`, in Unix milliseconds; who injects the one clock has both in the hand.
    pub fn wall(&self, now: Instant) -> u64 {
        let (then, wall) = self.moment;
        wall + u64::try_from(now.saturating_duration_since(then).as_millis()).unwrap_or(u64::MAX >> 1)
    }
}
