//! What the engine tells of itself: events of the source `event-hooks`.
//!
//! A hook never feeds itself: it is not told of what became of itself ([`subject`]), and a delivery of one of these events
//! that fails raises no other ([`is_report`]), so that two hooks cannot feed each other either.

use std::sync::Arc;

use serde_json::json;
use sluice_events::{
    Bus, Emitter, Entity, Event, EventKind, EventType, HookDeliveryFailed, HookDisabled, HookEventsDropped, OutboxDegraded,
};
use uuid::Uuid;

use crate::hook::Hook;
use crate::job::Job;

/// Raises them.
pub(crate) struct Reports {
    failed: Emitter<HookDeliveryFailed>,
    disabled: Emitter<HookDisabled>,
    dropped: Emitter<HookEventsDropped>,
    degraded: Emitter<OutboxDegraded>,
}

/// Whether events of this kind tell of hooks.
pub(crate) fn is_report(kind: &EventKind) -> bool {
    kind.source == HookDisabled::SOURCE
}

/// The hook that the event tells of, if it does.
pub(crate) fn subject(event: &Event) -> Option<Uuid> {
    if !is_report(event.kind()) {
        return None;
    }
    event.data()["hook"]["id"].as_str()?.parse().ok()
}

/// A hook as these events show it.
pub(crate) fn entity(hook: &Hook) -> Arc<Entity> {
    Arc::new(Entity::new(hook.id.as_u128(), json!({ "id": hook.id, "name": hook.name, "handler": hook.kind.name })))
}

impl Reports {
    pub fn new(bus: &Arc<Bus>) -> Self {
        Self { failed: bus.emitter(), disabled: bus.emitter(), dropped: bus.emitter(), degraded: bus.emitter() }
    }

    /// A delivery was given up.
    pub fn failed(&self, hook: &Arc<Entity>, job: &Job, reason: &str, status: Option<u16>) {
        if is_report(job.kind) {
            return;
        }
        self.failed.emit(|| HookDeliveryFailed {
            hook: hook.clone(),
            delivery: job.id.clone(),
            failed_source: job.kind.source,
            failed_event: job.kind.name,
            failed_count: job.count,
            reason: reason.to_owned(),
            status,
            attempts: job.attempts + 1,
        });
    }

    /// A hook was disabled; its deliveries have failed since then.
    pub fn disabled(&self, hook: &Arc<Entity>, reason: &str, since: u64) {
        self.disabled.emit(|| HookDisabled { hook: hook.clone(), reason: reason.to_owned(), since });
    }

    /// So many events left the queue since the last time, and since the start.
    pub fn dropped(&self, hook: &Arc<Entity>, dropped: u64, total: u64) {
        let reason = "they no longer fit the queue or the hook".to_owned();
        self.dropped.emit(|| HookEventsDropped { hook: hook.clone(), dropped, total, reason });
    }

    /// The outbox cannot be written.
    pub fn degraded(&self, reason: &str) {
        self.degraded.emit(|| OutboxDegraded { reason: reason.to_owned() });
    }
}
