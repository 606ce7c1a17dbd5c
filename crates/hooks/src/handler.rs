//! What a handler is: it gets one delivery at a time and says what became of it.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use sluice_events::EventKind;
use tokio::time::Instant;

use crate::answer::Said;
use crate::clients::Clients;
use crate::egress::Egress;
use crate::signing::Key;

/// Does what a hook is for. One instance serves one hook.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one delivery and ends by `cx.deadline`. It may be called again with the same one, so its output should
    /// depend on the delivery alone.
    async fn handle(&self, delivery: &Delivery, cx: &Cx<'_>) -> Result<(), Failure>;

    /// Sends a ping, if there is somebody to send it to.
    async fn ping(&self, _body: Value, _cx: &Cx<'_>) -> Option<Result<(), Failure>> {
        None
    }
}

/// One try to tell of an event, or of several that are the same one by their unique fields.
#[derive(Clone)]
pub struct Delivery {
    /// The same at every try: receivers know a repetition by it.
    pub id: String,
    /// What kind of event it is.
    pub kind: &'static EventKind,
    /// The data of the first of the events.
    pub data: Map<String, Value>,
    /// How many events it stands for.
    pub count: u64,
    /// When the first happened, in Unix milliseconds.
    pub first_at: u64,
    /// When the last happened, in Unix milliseconds.
    pub last_at: u64,
    /// Which try this is, from 1.
    pub attempt: u32,
}

impl Delivery {
    /// The data with our own counters behind it; a field of the event that has the name of one keeps it.
    pub(crate) fn counted_data(&self) -> Map<String, Value> {
        let mut data = self.data.clone();
        for (name, value) in [("count", self.count), ("first_at", self.first_at), ("last_at", self.last_at)] {
            data.entry(name).or_insert_with(|| value.into());
        }
        data
    }
}

/// What a handler works with.
pub struct Cx<'a> {
    /// HTTP clients, shared by all hooks.
    pub clients: &'a Clients,
    /// When the whole delivery must be over.
    pub deadline: Instant,
    /// Where what the receiver said is left.
    pub answer: &'a Said,
}

/// What a handler is built with.
pub struct BuildCx<'a> {
    /// The kinds of events that it will see.
    pub kinds: &'a [&'static EventKind],
    /// The keys of the hook's `secrets`.
    pub keys: &'a [Key],
    /// Where it may call.
    pub egress: &'a Egress,
}

/// Why a delivery did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It may work later.
    #[error("{reason}")]
    Retry {
        /// What went wrong.
        reason: String,
        /// How long the receiver wants to be left alone.
        after: Option<Duration>,
    },
    /// It will never work.
    #[error("{reason}")]
    GiveUp {
        /// What went wrong.
        reason: String,
    },
    /// The receiver is gone for good.
    #[error("{reason}")]
    Gone {
        /// What went wrong.
        reason: String,
    },
}

impl Failure {
    /// It may work later, by the hook's own schedule.
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry { reason: reason.into(), after: None }
    }

    /// It will never work.
    pub fn give_up(reason: impl Into<String>) -> Self {
        Self::GiveUp { reason: reason.into() }
    }
}
