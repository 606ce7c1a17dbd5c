//! Source `event-hooks`: what becomes of the hooks themselves when they cannot do what they are for.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use crate::entity::Entity;
use crate::event::{EventKind, EventType};
use crate::registry::Source;
use crate::samples;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: EVENTS };

const EVENTS: &[EventKind] = &[
    EventKind::of::<DeliveryFailed>(),
    EventKind::of::<Disabled>(),
    EventKind::of::<Dropped>(),
    EventKind::of::<OutboxDegraded>(),
];

const NAME: &str = "event-hooks";

/// A delivery was given up: what it told of is lost to its receiver.
#[derive(Serialize)]
pub struct DeliveryFailed {
    /// The hook: its `id`, `name` and `handler`.
    pub hook: Arc<Entity>,
    /// The id of the delivery, as the receiver saw it.
    pub delivery: String,
    /// The source of what it told of; `source` is this event's own.
    pub failed_source: &'static str,
    /// The event that it told of.
    pub failed_event: &'static str,
    /// How many events it stood for; `count` is how many deliveries failed alike.
    pub failed_count: u64,
    /// Why the last try failed.
    pub reason: String,
    /// What the receiver answered last, if it is one of HTTP and did answer.
    pub status: Option<u16>,
    /// How often it was tried.
    pub attempts: u32,
}

/// A hook was switched off because its deliveries fail.
#[derive(Serialize)]
pub struct Disabled {
    /// The hook: its `id`, `name` and `handler`.
    pub hook: Arc<Entity>,
    /// Why.
    pub reason: String,
    /// Since when its deliveries have failed, in Unix milliseconds.
    pub since: u64,
}

/// More happened than a hook could be told of.
#[derive(Serialize)]
pub struct Dropped {
    /// The hook: its `id`, `name` and `handler`.
    pub hook: Arc<Entity>,
    /// How many events it will never be told of, since the last time that this was told.
    pub dropped: u64,
    /// The same since the start.
    pub total: u64,
    /// Why.
    pub reason: String,
}

/// What waits for the hooks is kept in memory only: the outbox cannot be written.
#[derive(Serialize)]
pub struct OutboxDegraded {
    /// Why.
    pub reason: String,
}

impl EventType for DeliveryFailed {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "delivery-failed";
    const SUMMARY: &'static str = "A delivery of an event hook has been given up";
    const FIELDS: &'static [&'static str] =
        &["hook", "delivery", "failed_source", "failed_event", "failed_count", "reason", "status", "attempts"];
    const UNIQUE: &'static [&'static str] = &["hook", "reason"];

    fn sample() -> Self {
        Self {
            hook: samples::named_hook(),
            delivery: "msg_00000000000000000000000000000001".into(),
            failed_source: "rate-limiting-advanced",
            failed_event: "rate-limit-exceeded",
            failed_count: 3,
            reason: "the receiver answered 503".into(),
            status: Some(503),
            attempts: 8,
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (&self.hook, &self.reason).hash(hasher);
    }
}

impl EventType for Disabled {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "disabled";
    const SUMMARY: &'static str = "An event hook has been switched off because its deliveries fail";
    const FIELDS: &'static [&'static str] = &["hook", "reason", "since"];
    const UNIQUE: &'static [&'static str] = &["hook"];

    fn sample() -> Self {
        Self { hook: samples::named_hook(), reason: "the receiver answered 410".into(), since: 1_700_000_000_000 }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.hook.hash(hasher);
    }
}

impl EventType for Dropped {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "events-dropped";
    const SUMMARY: &'static str = "Events found no room in the queue of an event hook, and it will never be told of them";
    const FIELDS: &'static [&'static str] = &["hook", "dropped", "total", "reason"];
    const UNIQUE: &'static [&'static str] = &["hook"];

    fn sample() -> Self {
        Self { hook: samples::named_hook(), dropped: 250, total: 1250, reason: "the queue is full".into() }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.hook.hash(hasher);
    }
}

impl EventType for OutboxDegraded {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "outbox-degraded";
    const SUMMARY: &'static str = "The outbox cannot be written, and deliveries are kept in memory only";
    const FIELDS: &'static [&'static str] = &["reason"];
    const UNIQUE: &'static [&'static str] = &["reason"];

    fn sample() -> Self {
        Self { reason: "database or disk is full".into() }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.reason.hash(hasher);
    }
}
