//! Event hooks: what is done when something happens.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::yes;
use crate::entities::{EventName, Format};
use crate::values::{Millis, SomeMillis};

/// `[event_hooks.NAME]`: what is done when something happens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventHookTable {
    pub id: Option<Uuid>,
    /// Where the event comes from, such as `rate-limiting-advanced`. Needed unless there are `events`.
    pub source: Option<String>,
    /// The event; without it, every event of the source.
    pub event: Option<String>,
    /// Several events, instead of `source` and `event`.
    #[schemars(length(min = 1))]
    pub events: Option<Vec<EventName>>,
    /// `webhook`, `webhook-custom` or `log`.
    pub handler: String,
    /// What a `webhook` posts: Kong's flat object, a CloudEvent whose attributes and data are one JSON object, or a
    /// CloudEvent whose attributes are `ce-*` headers and whose data is the body. In a CloudEvent `count`, `firstat` and
    /// `lastat` are extension attributes beside the data, which is the event's own.
    pub format: Option<Format>,
    /// Fire only if the unique fields differ from those of the last event.
    pub on_change: Option<bool>,
    /// Seconds in which the same unique fields do not fire again.
    pub snooze: Option<u64>,
    /// How long events with the same unique fields are gathered: the first is delivered at once, and what comes within this
    /// time after it is one delivery at its end, with `count`, `first_at` and `last_at`. At least "1s". It gathers what
    /// passes `filter` and `on_change`, and does not go with `snooze`, which would swallow it.
    pub digest: Option<Millis>,
    /// How many deliveries may start in a second, such as 5 or 0.1; what is above it waits, and is merged as for a receiver
    /// that falls behind.
    #[schemars(range(min = 0.0001, max = 1_000_000.0))]
    pub rate: Option<f64>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The deadline of one delivery, from connecting to the last byte of the answer.
    #[schemars(with = "Option<SomeMillis>")]
    pub timeout: Option<Millis>,
    pub retry: Option<RetryTable>,
    /// How many deliveries may be under way at once.
    #[schemars(range(min = 1))]
    pub concurrency: Option<u16>,
    /// Keys that sign (Standard Webhooks); several while one is being replaced.
    #[serde(default)]
    pub secrets: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `retry` of a hook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryTable {
    /// How long to wait before each further try.
    pub schedule: Vec<Millis>,
}
