//! The events of a limit on rates: whom it refuses, whom it warns, who is admitted again.

use std::sync::Arc;

use sluice_events::{Emitter, RateLimitExceeded, RateLimitRecovered, RateLimitWarning};
use sluice_limits::{Decision, Key, Keys, Nanos, Verdict, Watch};

use super::client_key::ClientKey;
use super::limit::Limit;
use super::warn_at::WarnAt;
use crate::cx::Cx;
use crate::plugin::BuildCx;

/// Raises the events of one limit.
pub(crate) struct Told {
    exceeded: Emitter<RateLimitExceeded>,
    warning: Emitter<RateLimitWarning>,
    recovered: Emitter<RateLimitRecovered>,
    limit: Arc<Limit>,
    warn_at: Option<WarnAt>,
    shadow: bool,
    /// Who was warned of which window.
    warned: Arc<Watch>,
    keys: Keys,
}

/// A request that was counted.
pub(crate) struct Counted<'a> {
    pub key: Key,
    pub now: Nanos,
    pub verdict: &'a Verdict<'a>,
    pub client: &'a ClientKey,
}

impl Told {
    /// The events of this source. Who is limited is remembered over reloads.
    pub fn new(cx: &BuildCx<'_>, source: &str, limit: &Arc<Limit>, warn_at: Option<WarnAt>, shadow: bool) -> Self {
        Self {
            exceeded: cx.bus.emitter_of(source),
            warning: cx.bus.emitter_of(source),
            recovered: cx.bus.emitter_of(source),
            limit: limit.clone(),
            warn_at,
            shadow,
            // No path ends like this.
            warned: cx.limiters.watch(&format!("{} warned", limit.path())),
            keys: cx.limiters.keys().clone(),
        }
    }

    /// Tells what became of a request. Every refusal is an event; that a client comes near a limit is one for each
    /// window, and that it is admitted again is one after its refusals.
    pub fn tell(&self, counted: &Counted<'_>, cx: &Cx<'_>) {
        if let Some(index) = counted.verdict.refused_by {
            return self.refused(index, counted, cx);
        }
        if self.limit.watch.admitted(counted.key) {
            self.recovered(counted.verdict, cx);
        }
        if let Some(warn_at) = self.warn_at {
            self.warn(warn_at, counted, cx);
        }
    }

    /// Apart, as all that is told is: so a request of which nothing is told passes little code.
    #[inline(never)]
    fn refused(&self, index: usize, Counted { key, now, verdict, client }: &Counted<'_>, cx: &Cx<'_>) {
        let decision = &verdict.decisions[index];
        self.limit.watch.refused(*key, *now, *now + decision.retry_after, || client.name(cx));
        self.exceeded.emit(|| self.data(index, decision, cx));
    }

    #[inline(never)]
    fn recovered(&self, verdict: &Verdict<'_>, cx: &Cx<'_>) {
        let tightest = (0..verdict.decisions.len()).min_by_key(|index| verdict.decisions[*index].remaining).unwrap_or(0);
        self.recovered.emit(|| RateLimitRecovered(self.data(tightest, &verdict.decisions[tightest], cx)));
    }

    #[inline(never)]
    fn warn(&self, warn_at: WarnAt, counted: &Counted<'_>, cx: &Cx<'_>) {
        for (index, decision) in counted.verdict.decisions.iter().enumerate() {
            if decision.crossed(warn_at.rate(decision.limit)) && self.first_in_window(index, counted, cx) {
                self.warning.emit(|| RateLimitWarning(self.data(index, decision, cx)));
            }
        }
    }

    /// A rate that falls and rises again crosses the mark more than once; the first time in a window counts.
    fn first_in_window(&self, index: usize, counted: &Counted<'_>, cx: &Cx<'_>) -> bool {
        let window = self.limit.windows[index];
        // Every window of a client is warned of by itself, so each has a key of its own.
        let key = self.keys.key(&[b"warned", &u128::from(counted.key).to_le_bytes(), &window.0.to_le_bytes()]);
        let until = self.limit.policy.windows()[index].window_end(counted.now);
        // It is kept by name, too, for whoever looks in.
        self.limit.watch.warned(counted.key, counted.now, until, || counted.client.name(cx));
        self.warned.warned(key, counted.now, until, String::new)
    }

    fn data(&self, window: usize, decision: &Decision, cx: &Cx<'_>) -> RateLimitExceeded {
        RateLimitExceeded {
            consumer: cx.memory.consumer.as_ref().map(|consumer| consumer.entity.clone()),
            ip: cx.client_ip,
            service: cx.service.cloned(),
            route: Some(cx.route.clone()),
            rate: decision.rate,
            limit: decision.limit,
            window: self.limit.windows[window],
            shadow: self.shadow,
        }
    }
}
