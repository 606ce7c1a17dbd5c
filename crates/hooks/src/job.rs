//! A delivery that is not done: what happened, how often, and where it stands.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use sluice_events::{Event, EventKind, Occurrence};

use crate::handler::Delivery;

/// A delivery that is not done.
#[derive(Clone)]
pub(crate) struct Job {
    /// Its place in the order of arrival, and its key in the outbox.
    pub seq: u64,
    /// What receivers know a repetition by: the same at every try.
    pub id: String,
    pub kind: &'static EventKind,
    pub data: Data,
    pub count: u64,
    pub first_at: u64,
    pub last_at: u64,
    /// How many tries there were.
    pub attempts: u32,
    /// Whether the outbox has heard of it.
    pub kept: bool,
}

/// The data of an event, in the smaller form that it came in.
#[derive(Clone)]
pub(crate) enum Data {
    /// From the bus.
    Event(Arc<Event>),
    /// From the outbox, as JSON.
    Kept(Arc<str>),
}

impl Data {
    pub fn to_json(&self) -> Value {
        match self {
            Self::Event(event) => event.data(),
            Self::Kept(json) => serde_json::from_str(json).unwrap_or_default(),
        }
    }

    /// The same as text.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Event(event) => event.data().to_string().into(),
            Self::Kept(json) => Cow::Borrowed(json),
        }
    }

    fn to_map(&self) -> Map<String, Value> {
        match self.to_json() {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

impl Job {
    /// The next try of it.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            id: self.id.clone(),
            kind: self.kind,
            data: self.data.to_map(),
            count: self.count,
            first_at: self.first_at,
            last_at: self.last_at,
            attempt: self.attempts + 1,
        }
    }

    /// What happened, as a delivery that was not tried yet.
    pub fn of(occurrence: &Occurrence, order: &Order) -> Self {
        let seq = order.next();
        Self {
            seq,
            id: id_of(seq),
            kind: occurrence.event.kind(),
            data: Data::Event(occurrence.event.clone()),
            count: occurrence.count,
            first_at: occurrence.first_at,
            last_at: occurrence.last_at,
            attempts: 0,
            kept: false,
        }
    }

    /// Takes more of the same in: the counts add up.
    pub fn merge(&mut self, count: u64, first_at: u64, last_at: u64) {
        self.count += count;
        self.first_at = self.first_at.min(first_at);
        self.last_at = self.last_at.max(last_at);
    }

    /// The event that others may be the same as, as long as it was not tried.
    pub fn event(&self) -> Option<&Arc<Event>> {
        match &self.data {
            Data::Event(event) if self.attempts == 0 => Some(event),
            _ => None,
        }
    }
}

/// Gives every delivery its place. A later process begins behind all that earlier ones gave.
pub(crate) struct Order(AtomicU64);

impl Default for Order {
    /// The time leaves room for a million places a millisecond; it is what keeps processes apart that share no outbox.
    fn default() -> Self {
        Self(AtomicU64::new(first_seq_at(unix_ms())))
    }
}

impl Order {
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// One that begins here.
    #[cfg(test)]
    pub fn from(seq: u64) -> Self {
        Self(AtomicU64::new(seq))
    }

    /// Nothing up to this place is given from now on.
    pub fn begin_behind(&self, seq: u64) {
        self.0.fetch_max(seq + 1, Ordering::Relaxed);
    }
}

/// The smallest place that a delivery of this time (in Unix milliseconds) can have, or nearly: a burst runs ahead.
pub(crate) fn first_seq_at(at: u64) -> u64 {
    // SQLite's integers have a sign; the time fits until the year 2248.
    (at & (u64::MAX >> 21)) << 20
}

/// The id of the delivery at this place: the place in it is what finds it again, the rest makes it nobody else's.
fn id_of(seq: u64) -> String {
    format!("msg_{seq:016x}{:016x}", fastrand::u64(..))
}

/// The place that an id tells of.
pub(crate) fn seq_of(id: &str) -> Option<u64> {
    u64::from_str_radix(id.strip_prefix("msg_")?.get(..16)?, 16).ok()
}

/// The time of the wall.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_grow_and_an_id_tells_its_place() {
        let order = Order::default();
        let (first, second) = (order.next(), order.next());
        assert!(first < second && first >= first_seq_at(1_700_000_000_000));
        order.begin_behind(second + 10);
        assert_eq!(order.next(), second + 11);
        assert_eq!(seq_of(&id_of(second)), Some(second));
        assert!(i64::try_from(first_seq_at(4_102_444_800_000)).is_ok(), "the end of the century");
        for other in ["", "msg_", "msg_xyz", "evt_00000000000000000000000000000000", "msg_+123456789abcdef0", "msg_ä"] {
            assert_eq!(seq_of(other).filter(|seq| id_of(*seq).starts_with(other)), None, "{other}");
        }
    }
}
