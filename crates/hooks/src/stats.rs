//! What became of the events of a hook, in sums of their counts.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

/// How one hook is, and its sums. Always: `matched = delivered + filtered + swallowed + waiting + failed + dropped`.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct HookStats {
    /// The hook.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// `active`, `paused`, or `disabled` because its deliveries fail.
    pub state: &'static str,
    /// Why it is disabled.
    pub reason: Option<String>,
    /// Since when all tries have failed, in Unix milliseconds.
    pub failing_since: Option<u64>,
    /// What receivers check signatures of Ed25519 with: the public halves of its `secrets` that have one.
    pub public_keys: Vec<String>,
    /// Events that the hook wants, with what was taken up from before the start or replayed.
    pub matched: u64,
    /// Events that the handler dealt with.
    pub delivered: u64,
    /// Events that `filter` left out.
    pub filtered: u64,
    /// Events that `snooze` or `on_change` swallowed.
    pub swallowed: u64,
    /// Events that wait for a try, are under way, wait for another try, or are gathered for a `digest`.
    pub waiting: u64,
    /// Events whose delivery was to be tried again, once for each time.
    pub retried: u64,
    /// Events whose delivery was given up: dead letters.
    pub failed: u64,
    /// Events that left the full queue.
    pub dropped: u64,
}

/// The counters behind [`HookStats`].
#[derive(Default)]
pub(crate) struct Counts {
    pub matched: u64,
    pub delivered: u64,
    pub filtered: u64,
    pub swallowed: u64,
    pub retried: u64,
    pub failed: u64,
    pub dropped: u64,
}
