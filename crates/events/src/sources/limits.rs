//! Source `limits`: what becomes of the memory that all limits share.

use std::hash::{Hash, Hasher};

use serde::Serialize;

use crate::event::{EventKind, EventType};
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<TableFull>()] };

const NAME: &str = "limits";

/// There are more clients than limits can remember; newcomers share counters until there is room.
#[derive(Serialize)]
pub struct TableFull {
    /// How many clients there is room for.
    pub keys: u64,
    /// How many requests found no room so far.
    pub overflowed: u64,
}

impl EventType for TableFull {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "rate-limit-table-full";
    const SUMMARY: &'static str = "There are more clients than limits can remember, and newcomers share counters";
    const FIELDS: &'static [&'static str] = &["keys", "overflowed"];
    const UNIQUE: &'static [&'static str] = &["keys"];

    fn sample() -> Self {
        Self { keys: 1_000_000, overflowed: 250 }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.keys.hash(hasher);
    }
}
