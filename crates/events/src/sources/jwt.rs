//! Source `jwt`: what the plugin of this name tells.

use super::auth::events;
use crate::event::EventKind;
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: EVENTS };

const NAME: &str = "jwt";
const EVENTS: &[EventKind] = &events(NAME);
