//! Source `key-auth`: what the plugin of this name tells.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::entity::{Entity, or_empty};
use crate::event::{EventKind, EventType};
use crate::registry::Source;
use crate::samples;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<Unauthorized>()] };

const NAME: &str = "key-auth";

/// A request was refused because it has no key, or none that is known. The key itself is told to nobody.
#[derive(Serialize)]
pub struct Unauthorized {
    /// Who called, if something else than a key said so: nobody, as a rule.
    #[serde(serialize_with = "or_empty")]
    pub consumer: Option<Arc<Entity>>,
    /// From where.
    pub ip: IpAddr,
    /// What was called.
    #[serde(serialize_with = "or_empty")]
    pub service: Option<Arc<Entity>>,
    /// By which route.
    #[serde(serialize_with = "or_empty")]
    pub route: Option<Arc<Entity>>,
    /// What the client was told.
    pub reason: &'static str,
}

impl EventType for Unauthorized {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "unauthorized";
    const SUMMARY: &'static str = "A request without a key, or with a wrong one, was refused";
    const FIELDS: &'static [&'static str] = &["consumer", "ip", "service", "route", "reason"];
    const UNIQUE: &'static [&'static str] = &["ip", "service", "reason"];

    fn sample() -> Self {
        Self {
            // Its fields may be named, so that one template serves this event and others.
            consumer: Some(samples::consumer()),
            ip: IpAddr::from([192, 0, 2, 1]),
            service: Some(samples::service()),
            route: Some(samples::route()),
            reason: "No API key found in request",
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (self.ip, &self.service, self.reason).hash(hasher);
    }
}
