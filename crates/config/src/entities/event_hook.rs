//! Event hooks: what is done when something happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stamps;
use crate::block::Block;
use crate::key_path::KeyPath;
use crate::values::Millis;

/// Which event, or which events, of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventName {
    /// Where it comes from.
    pub source: String,
    /// Its name, or all of the source.
    pub event: Option<String>,
}

/// What a `webhook` posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Kong's flat object.
    Kong,
    /// A CloudEvent 1.0 as one JSON object.
    Cloudevents,
    /// A CloudEvent 1.0 with its attributes in `ce-*` headers.
    CloudeventsBinary,
}

/// What is done when something happens; the options of its handler are unread.
#[derive(Clone, PartialEq)]
pub struct EventHook {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Where it stands in the file.
    pub path: KeyPath,
    /// Where the event comes from, unless there are `events`.
    pub source: Option<String>,
    /// The event, or all of the source.
    pub event: Option<String>,
    /// Several events, instead of `source` and `event`.
    pub events: Option<Vec<EventName>>,
    /// What an event's fields must be, unread.
    pub filter: Option<Block>,
    /// The handler's name.
    pub handler: String,
    /// What a `webhook` posts.
    pub format: Option<Format>,
    /// Fire only if the unique fields differ from the last.
    pub on_change: Option<bool>,
    /// Seconds in which the same unique fields do not fire again.
    pub snooze: Option<u64>,
    /// How long events with the same unique fields are gathered after the first.
    pub digest: Option<Millis>,
    /// How many deliveries may start in a second.
    pub rate: Option<f64>,
    /// Whether it fires.
    pub enabled: bool,
    /// The deadline of one delivery.
    pub timeout: Option<Millis>,
    /// How long to wait before each further try.
    pub retry: Option<Vec<Millis>>,
    /// How many deliveries may be under way at once.
    pub concurrency: Option<u16>,
    /// Keys that sign.
    pub secrets: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The handler's options.
    pub config: Block,
    /// When it came and changed.
    pub stamps: Stamps,
}

impl EventHook {
    /// Every event that the hook names, and where each stands in the file.
    pub fn event_names(&self) -> Vec<(KeyPath, EventName)> {
        let one = self.source.clone().map(|source| (self.path.clone(), EventName { source, event: self.event.clone() }));
        let several = self.events.iter().flatten().enumerate();
        one.into_iter().chain(several.map(|(at, name)| (self.path.key("events").index(at), name.clone()))).collect()
    }
}
