//! Source `rate-limiting-advanced`: what the plugin of this name tells.

use super::rate_limit::events;
use crate::event::EventKind;
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: EVENTS };

pub(super) const NAME: &str = "rate-limiting-advanced";
const EVENTS: &[EventKind] = &events(NAME);
