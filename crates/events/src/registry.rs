//! The registry of sources: one line an entry.

use crate::event::EventKind;
use crate::sources::{
    basic_auth, certificate, concurrency_limiting, config, crud, dao_crud, event_hooks, jwt, key_auth, limits, proxy,
    rate_limiting, rate_limiting_advanced,
};

/// Somebody who raises events: a plugin, the configuration, …
pub struct Source {
    /// What a hook writes as its `source`.
    pub name: &'static str,
    /// What it raises.
    pub events: &'static [EventKind],
}

/// Every source.
pub static SOURCES: &[Source] = &[
    rate_limiting_advanced::SOURCE,
    rate_limiting::SOURCE,
    concurrency_limiting::SOURCE,
    limits::SOURCE,
    key_auth::SOURCE,
    basic_auth::SOURCE,
    jwt::SOURCE,
    proxy::SOURCE,
    certificate::SOURCE,
    crud::SOURCE,
    dao_crud::SOURCE,
    config::SOURCE,
    event_hooks::SOURCE,
];

/// The source of this name.
pub fn source(name: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.name == name)
}

/// Every kind of event of every source.
pub fn kinds() -> impl Iterator<Item = &'static EventKind> {
    SOURCES.iter().flat_map(|source| source.events)
}

/// The kind of this source and name.
pub fn kind_of(source: &str, name: &str) -> Option<&'static EventKind> {
    kinds().find(|kind| kind.source == source && kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_under_its_own_source_and_once() {
        for source in SOURCES {
            assert!(source.events.iter().all(|kind| kind.source == source.name));
        }
        for kind in kinds() {
            assert_eq!(kinds().filter(|other| (other.source, other.name) == (kind.source, kind.name)).count(), 1);
        }
    }

    #[test]
    fn a_sample_has_the_fields_that_its_kind_tells_of() {
        for kind in kinds() {
            let sample = (kind.sample)();
            let fields: Vec<&str> = sample.as_object().expect("data is an object").keys().map(String::as_str).collect();
            assert_eq!(fields, kind.fields, "{}/{}", kind.source, kind.name);
            assert!(kind.unique.iter().all(|unique| kind.fields.contains(unique)));
        }
    }

    #[test]
    fn what_is_narrower_has_something_wider_in_its_source() {
        for kind in kinds() {
            let wider = kind.narrows.map(|name| kind_of(kind.source, name).expect("it is listed"));
            assert!(wider.is_none_or(|wider| wider.narrows.is_none() && wider.is_like(kind)), "{}/{}", kind.source, kind.name);
        }
    }
}
