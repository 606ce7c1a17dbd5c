//! Source `certificate`: certificates that come to their end.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use crate::entity::Entity;
use crate::event::{EventKind, EventType};
use crate::registry::Source;
use crate::samples;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<Expiring>()] };

const NAME: &str = "certificate";

/// A certificate is valid for no more than so many days, or not any more.
#[derive(Serialize)]
pub struct Expiring {
    /// The certificate as the Admin API shows it.
    pub certificate: Arc<Entity>,
    /// The names that it is served for.
    pub snis: Vec<String>,
    /// When it ends, in Unix seconds.
    pub not_after: i64,
    /// How many whole days are left; 0 on its last day and after it.
    pub days_left: i64,
}

impl EventType for Expiring {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "expiring";
    const SUMMARY: &'static str = "A certificate expires in less than 30, 14, 7, 3 or 1 days, or has expired";
    const FIELDS: &'static [&'static str] = &["certificate", "snis", "not_after", "days_left"];
    const UNIQUE: &'static [&'static str] = &["certificate"];

    fn sample() -> Self {
        Self { certificate: samples::certificate(), snis: vec!["example.com".into()], not_after: 1_800_000_000, days_left: 6 }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.certificate.hash(hasher);
    }
}
