//! Source `config`: what becomes of a change of the configuration.

use std::hash::{Hash, Hasher};

use serde::Serialize;

use crate::event::{EventKind, EventType};
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<Applied>(), EventKind::of::<Rejected>()] };

const NAME: &str = "config";

/// A new configuration is in force.
#[derive(Serialize)]
pub struct Applied {
    /// The version that is in force now.
    pub version: u64,
    /// Who changed it: `file`, `admin`, `signal`, or `certificates` whose files were replaced.
    pub origin: &'static str,
    /// Entities that are new, such as `services demo`.
    pub added: Vec<String>,
    /// Entities that are different.
    pub changed: Vec<String>,
    /// Entities that are gone.
    pub removed: Vec<String>,
    /// What was changed and takes effect at the next start only.
    pub waiting: Vec<&'static str>,
}

/// A new configuration was refused; the old one stays in force.
#[derive(Serialize)]
pub struct Rejected {
    /// The version that stays in force.
    pub version: u64,
    /// Who tried to change it.
    pub origin: &'static str,
    /// What is wrong with it, a line each.
    pub problems: Vec<String>,
}

impl EventType for Applied {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "applied";
    const SUMMARY: &'static str = "A new configuration is in force";
    const FIELDS: &'static [&'static str] = &["version", "origin", "added", "changed", "removed", "waiting"];
    const UNIQUE: &'static [&'static str] = &["version"];

    fn sample() -> Self {
        let (added, changed) = (vec!["routes demo".into()], vec!["services demo".into()]);
        Self { version: 2, origin: "file", added, changed, removed: Vec::new(), waiting: Vec::new() }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.version.hash(hasher);
    }
}

impl EventType for Rejected {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "rejected";
    const SUMMARY: &'static str = "A new configuration was refused, and the old one stays in force";
    const FIELDS: &'static [&'static str] = &["version", "origin", "problems"];
    const UNIQUE: &'static [&'static str] = &["problems"];

    fn sample() -> Self {
        Self {
            version: 1,
            origin: "file",
            problems: vec!["gateway.toml:4:11 routes.demo.service: there is no service \"dmeo\"".into()],
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.problems.hash(hasher);
    }
}
