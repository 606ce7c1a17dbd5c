//! The events of a limit on rates: whom it refuses, whom it warns, who is admitted again.

use sluice_events::{Bus, Emitter, RateLimitExceeded, RateLimitRecovered, RateLimitWarning, Window};
use sluice_limits::{Decision, Verdict};
use std::sync::Arc;

use super::warn_at::WarnAt;
use crate::cx::Cx;

/// Raises the events of one limit.
pub(crate) struct Told {
    exceeded: Emitter<RateLimitExceeded>,
    warning: Emitter<RateLimitWarning>,
    recovered: Emitter<RateLimitRecovered>,
    windows: Vec<Window>,
    warn_at: Option<WarnAt>,
    shadow: bool,
}

impl Told {
    /// The events of this source.
    pub fn new(bus: &Arc<Bus>, source: &str, windows: &[Window], warn_at: Option<WarnAt>, shadow: bool) -> Self {
        Self {
            exceeded: bus.emitter_of(source),
            warning: bus.emitter_of(source),
            recovered: bus.emitter_of(source),
            windows: windows.to_vec(),
            warn_at,
            shadow,
        }
    }

    /// Tells what became of a request of this cost.
    pub fn tell(&self, verdict: &Verdict<'_>, cost: u32, cx: &Cx<'_>) {
        if let Some(index) = verdict.refused_by {
            self.exceeded.emit(|| self.data(index, &verdict.decisions[index], cx));
            return;
        }
        let Some(warn_at) = self.warn_at else { return };
        for (index, decision) in verdict.decisions.iter().enumerate() {
            let rate = warn_at.rate(decision.limit);
            // This request crossed the mark, and no other did: every one sees a rate of its own.
            if decision.rate >= rate && decision.rate.saturating_sub(cost.into()) < rate {
                self.warning.emit(|| RateLimitWarning(self.data(index, decision, cx)));
            }
        }
    }

    fn data(&self, window: usize, decision: &Decision, cx: &Cx<'_>) -> RateLimitExceeded {
        RateLimitExceeded {
            consumer: cx.memory.consumer.as_ref().map(|consumer| consumer.entity.clone()),
            ip: cx.client_ip,
            service: cx.service.cloned(),
            route: Some(cx.route.clone()),
            rate: decision.rate,
            limit: decision.limit,
            window: self.windows[window],
            shadow: self.shadow,
        }
    }
}
