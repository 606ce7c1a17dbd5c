//! By which condition entries can be parted, and into what.

use std::collections::HashMap;

use http::Method;
use http::header::HeaderName;

use super::conditions::{Conditions, HeaderCondition, Sni};
use super::entry::Entry;

/// A condition that entries can be parted by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Method,
    Header,
    Sni,
    Source,
}

/// By what entries were parted already.
#[derive(Clone, Default)]
pub(super) struct Used {
    pub kinds: Vec<Kind>,
    pub headers: Vec<HeaderName>,
    /// Whether they are behind a gate.
    pub gate: bool,
}

/// Entries parted by one condition.
pub(super) struct Parts {
    pub kind: Kind,
    /// By what the condition asks for; an entry that takes several things is there several times.
    pub keyed: HashMap<String, Vec<u32>>,
    /// Those that cannot be found by it.
    pub others: Vec<u32>,
    pub used: Used,
}

impl Parts {
    /// The parts of these entries by whichever condition parts them best; none if none does.
    pub fn best(entries: &[Entry], list: &[u32], used: &Used) -> Option<Self> {
        let kinds = [Kind::Header, Kind::Method, Kind::Sni, Kind::Source];
        let open = kinds.into_iter().filter(|kind| !used.kinds.contains(kind));
        let all = open.map(|kind| Self::of(entries, list, kind, used));
        all.min_by_key(Self::largest).filter(|parts| parts.largest() < list.len())
    }

    fn of(entries: &[Entry], list: &[u32], kind: Kind, used: &Used) -> Self {
        let conditions = |at: u32| &*entries[at as usize].conditions;
        let counts = if kind == Kind::Header { counts(list.iter().map(|at| conditions(*at)), used) } else { HashMap::new() };
        let (mut keyed, mut others) = (HashMap::<String, Vec<u32>>::new(), Vec::new());
        for at in list {
            let keys = match kind {
                Kind::Method => conditions(*at).methods.iter().map(Method::to_string).collect(),
                Kind::Header => header_keys(conditions(*at), used, &counts),
                Kind::Sni => names(conditions(*at)),
                Kind::Source => networks(conditions(*at)),
            };
            if keys.is_empty() {
                others.push(*at);
            }
            for key in keys {
                let part = keyed.entry(key).or_default();
                // A route that says one thing twice is there once.
                if part.last() != Some(at) {
                    part.push(*at);
                }
            }
        }
        Self { kind, keyed, others, used: used.clone() }
    }

    /// How many entries a request would meet at worst.
    fn largest(&self) -> usize {
        self.others.len() + self.keyed.values().map(Vec::len).max().unwrap_or(0)
    }
}

/// A name and a value of a header in one.
fn key(header: &HeaderCondition, value: &str) -> String {
    format!("{} {}", header.name, value.to_ascii_lowercase())
}

/// Headers that an entry can be found by: all that they may be is known.
fn known<'a>(conditions: &'a Conditions, used: &'a Used) -> impl Iterator<Item = &'a HeaderCondition> {
    conditions.headers.iter().filter(|header| header.patterns.is_empty() && !used.headers.contains(&header.name))
}

/// How many entries ask for each value of each header.
fn counts<'a>(all: impl Iterator<Item = &'a Conditions>, used: &Used) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for conditions in all {
        let keys = known(conditions, used).flat_map(|header| header.values.iter().map(|value| key(header, value)));
        keys.for_each(|key| *counts.entry(key).or_default() += 1);
    }
    counts
}

/// The header whose values the fewest others ask for.
fn header_keys(conditions: &Conditions, used: &Used, counts: &HashMap<String, usize>) -> Vec<String> {
    let keys = known(conditions, used).map(|header| header.values.iter().map(|value| key(header, value)).collect());
    let crowd = |keys: &Vec<String>| keys.iter().filter_map(|key| counts.get(key)).max().copied();
    keys.min_by_key(crowd).unwrap_or_default()
}

fn names(conditions: &Conditions) -> Vec<String> {
    let name = |sni: &Sni| if let Sni::Name(name) = sni { Some(name.to_ascii_lowercase()) } else { None };
    conditions.snis.iter().map(name).collect::<Option<_>>().unwrap_or_default()
}

fn networks(conditions: &Conditions) -> Vec<String> {
    let networks = conditions.sources.iter().map(|source| source.ip.map(|net| net.to_string()));
    networks.collect::<Option<_>>().unwrap_or_default()
}
