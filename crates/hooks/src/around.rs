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
use crate::outbox::{Outbox, Retention};
use crate::reports::Reports;

/// What `[hooks]` says of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long deliveries that are over are kept to be looked at.
    pub retention: Duration,
    /// How many of them of each hook; delivered ones and dead ones apart.
    pub retention_count: u64,
    /// After how long with nothing but failures a hook is disabled; zero: never.
    pub disable_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from(&Hooks::default())
    }
}

impl From<&Hooks> for Settings {
    fn from(hooks: &Hooks) -> Self {
        let Hooks { retention, retention_count, disable_after, .. } = *hooks;
        Self { retention, retention_count, disable_after }
    }
}

impl Settings {
    fn kept(&self) -> Retention {
        Retention { age: self.retention, count: self.retention_count }
    }
}

/// What all lanes work with.
pub(crate) struct Around {
    pub outbox: Outbox,
    pub order: Order,
    pub reports: Reports,
    /// Told when the events that hooks want may be others, or there are new lanes.
    pub changed: Notify,
    settings: ArcSwap<Settings>,
    /// One moment on both clocks.
    moment: (Instant, u64),
}

impl Around {
    pub fn new(bus: &Arc<Bus>, state_dir: &Path) -> Self {
        Self::with(bus, Outbox::new(state_dir, Settings::default().kept()))
    }

    /// The same with this outbox.
    pub fn with(bus: &Arc<Bus>, outbox: Outbox) -> Self {
        Self {
            outbox,
            order: Order::default(),
            reports: Reports::new(bus),
            changed: Notify::new(),
            settings: ArcSwap::default(),
            moment: (Instant::now(), unix_ms()),
        }
    }

    pub fn apply(&self, settings: Settings) {
        self.outbox.keep_for(settings.kept());
        self.settings.store(Arc::new(settings));
    }

    /// After how long with nothing but failures a hook is disabled.
    pub fn disable_after(&self) -> Option<Duration> {
        Some(self.settings.load().disable_after).filter(|time| !time.is_zero())
    }

    /// The time of the wall at `now`, in Unix milliseconds; who injects the one clock has both in the hand.
    pub fn wall(&self, now: Instant) -> u64 {
        let (then, wall) = self.moment;
        wall + u64::try_from(now.saturating_duration_since(then).as_millis()).unwrap_or(u64::MAX >> 1)
    }
}
