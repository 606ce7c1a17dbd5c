//! An event: a typed value where it happens, its kind and its JSON where it is handled.

use std::any::TypeId;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

/// A type of event. One file in `sources/` defines one source and its types.
pub trait EventType: Serialize + Send + Sync + 'static {
    /// Who raises it, if several do: the one that is meant where none is named.
    const SOURCE: &'static str;
    /// What a hook writes as its `event`; if there are several such names, the one that is meant where none is given.
    const NAME: &'static str;
    /// One sentence for `/event-hooks/sources` and `sluice events`.
    const SUMMARY: &'static str;
    /// The names of the fields of its data, in their order.
    const FIELDS: &'static [&'static str];
    /// The fields that make two events the same one for `snooze`, `on_change` and merging; none: all of them.
    const UNIQUE: &'static [&'static str];

    /// What one looks like: templates are tried on it.
    fn sample() -> Self;

    /// Hashes the unique fields.
    fn identify(&self, hasher: &mut impl Hasher);

    /// Hashes those that say what it is about, where another field says how that is now: then what is told last must be
    /// what happened last.
    fn regard(&self, hasher: &mut impl Hasher) {
        self.identify(hasher);
    }
}

/// A kind of event, for lists and look-ups.
pub struct EventKind {
    /// Who raises it.
    pub source: &'static str,
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The fields of its data.
    pub fields: &'static [&'static str],
    /// The fields that make two events the same one.
    pub unique: &'static [&'static str],
    /// The data of a sample.
    pub sample: fn() -> Value,
    /// The event of the same source that tells of this and more, if there is one. Who asks for all of the source is told
    /// by that one.
    pub narrows: Option<&'static str>,
    /// The type of the data.
    data: TypeId,
}

impl EventKind {
    /// The kind of `E`.
    pub const fn of<E: EventType>() -> Self {
        Self::under::<E>(E::SOURCE)
    }

    /// The kind of `E` where this source raises it.
    pub const fn under<E: EventType>(source: &'static str) -> Self {
        Self {
            source,
            name: E::NAME,
            summary: E::SUMMARY,
            fields: E::FIELDS,
            unique: E::UNIQUE,
            sample: || to_value(&E::sample()),
            narrows: None,
            data: TypeId::of::<E>(),
        }
    }

    /// The kind under another name, with what is said of it there.
    pub const fn named(
        self,
        name: &'static str,
        summary: &'static str,
        fields: &'static [&'static str],
        sample: fn() -> Value,
    ) -> Self {
        Self { name, summary, fields, sample, ..self }
    }

    /// The kind as a part of what `event` tells of.
    pub const fn narrowing(self, event: &'static str) -> Self {
        Self { narrows: Some(event), ..self }
    }

    /// Whether its data is an `E`.
    pub fn is_of<E: EventType>(&self) -> bool {
        self.data == TypeId::of::<E>()
    }

    /// Whether the data of both is of one type.
    pub fn is_like(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

/// Something that happened.
pub struct Event {
    kind: &'static EventKind,
    identity: u64,
    subject: u64,
    at: u64,
    data: Box<dyn Data>,
}

impl Event {
    pub(crate) fn new<E: EventType>(kind: &'static EventKind, data: E) -> Self {
        let mut hasher = DefaultHasher::new();
        (kind.source, kind.name).hash(&mut hasher);
        let mut of_subject = hasher.clone();
        data.identify(&mut hasher);
        data.regard(&mut of_subject);
        Self { kind, identity: hasher.finish(), subject: of_subject.finish(), at: now_ms(), data: Box::new(data) }
    }

    /// A sample of this kind, as if it happened now.
    pub fn sample(kind: &'static EventKind) -> Self {
        Self { kind, identity: 0, subject: 0, at: now_ms(), data: Box::new((kind.sample)()) }
    }

    /// What kind of event it is.
    pub fn kind(&self) -> &'static EventKind {
        self.kind
    }

    /// A hash of source, event and unique fields, the same as long as the process lives.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// A hash of source, event and what it is about: its identity, unless that tells how something is now.
    pub fn subject(&self) -> u64 {
        self.subject
    }

    /// When it happened, in Unix milliseconds.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Its data as a JSON object.
    pub fn data(&self) -> Value {
        self.data.to_json()
    }
}

/// An [`EventType`] behind a pointer.
trait Data: Send + Sync {
    fn to_json(&self) -> Value;
}

impl<T: Serialize + Send + Sync> Data for T {
    fn to_json(&self) -> Value {
        to_value(self)
    }
}

pub(crate) fn to_value(data: &impl Serialize) -> Value {
    serde_json::to_value(data).expect("event data has string keys only")
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
