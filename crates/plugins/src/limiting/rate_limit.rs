//! A limit on rates at work. Every plugin that limits rates is this, built from options of its own.

use std::sync::Arc;

use sluice_limits::Room;

use super::told::Counted;
use super::{ClientKey, Cost, Exemptions, Headers, Limit, Queue, Refusal, Told};
use crate::cx::Cx;
use crate::plugin::Flow;

/// A limit on rates.
pub(crate) struct RateLimit {
    pub exempt: Exemptions,
    pub client: ClientKey,
    pub cost: Cost,
    pub limit: Arc<Limit>,
    /// What answers say of it, if they do.
    pub headers: Option<Headers>,
    pub told: Told,
    /// Whether it only looks on: it counts and tells, but refuses nobody.
    pub shadow: bool,
    /// Where requests wait that do not fit, if they may.
    pub queue: Option<Queue>,
    pub refusal: Refusal,
}

impl RateLimit {
    /// Counts a request, and decides.
    pub fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if self.exempt.hold(cx) {
            return Flow::Continue;
        }
        let mut room = Room::new();
        let (key, now) = (self.client.of(cx), self.limit.policy.now());
        let verdict = self.limit.policy.check_at(now, key, self.cost.of(cx.request), &mut room);
        if verdict.refused_by.is_some()
            && !self.shadow
            && let Some(wait) = self.queue.as_ref().and_then(|queue| queue.hold(key, &mut cx.memory.held))
        {
            return Flow::Hold(wait);
        }
        // Whatever it is now: it waits no longer.
        cx.memory.held = None;
        if let Some(headers) = &self.headers {
            headers.write(&verdict, &mut cx.memory.response_headers);
        }
        let counted = Counted { key, now, verdict: &verdict, client: &self.client };
        self.told.tell(&counted, cx);
        match verdict.refused_by {
            Some(window) if !self.shadow => Flow::Respond(self.refusal.reply(window, &verdict.decisions[window])),
            _ => Flow::Continue,
        }
    }
}
