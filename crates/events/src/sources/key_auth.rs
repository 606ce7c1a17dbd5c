//! Source `key-auth`: what the plugin of this name tells.

use super::auth::events;
use crate::event::EventKind;
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: EVENTS };

pub(super) const NAME: &str = "key-auth";
const EVENTS: &[EventKind] = &events(NAME);
