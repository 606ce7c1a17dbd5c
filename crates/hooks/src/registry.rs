//! The registry of handlers: one line an entry.

use std::sync::Arc;

use serde_json::Value;
use sluice_config::{EventHook, Problem};

use crate::handler::{BuildCx, Handler};
use crate::{lambda, log, webhook, webhook_custom};

/// A kind of handler.
pub struct Kind {
    /// What a hook writes as its `handler`.
    pub name: &'static str,
    /// One sentence for lists.
    pub summary: &'static str,
    /// Whether the outbox has every delivery from the moment that it is taken in. What cannot fail needs none.
    pub kept: bool,
    /// How many deliveries of a hook are under way at once, unless the hook says.
    pub concurrency: u16,
    /// The JSON Schema of its `config`.
    pub schema: fn() -> Value,
    /// Makes the handler of a hook, or tells everything that is wrong with its `config`.
    pub build: Build,
    /// The `config` of a hook as the Admin API shows it: defaults filled in, secrets masked.
    pub show: fn(&EventHook) -> Value,
}

/// See [`Kind::build`].
pub type Build = fn(&EventHook, &BuildCx<'_>) -> Result<Arc<dyn Handler>, Vec<Problem>>;

/// Every handler.
pub static HANDLERS: &[Kind] = &[webhook::KIND, webhook_custom::KIND, log::KIND, lambda::KIND];

/// The handler of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    HANDLERS.iter().find(|kind| kind.name == name)
}
