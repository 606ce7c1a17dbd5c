//! Source `concurrency-limiting`: what the plugin of this name tells.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::rate_limit::{RateLimitExceeded, is_false};
use crate::entity::{Entity, or_empty};
use crate::event::{EventKind, EventType};
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<ConcurrencyLimitExceeded>()] };

const NAME: &str = "concurrency-limiting";

/// A request was refused because its client has too many in flight, or would have been if the limit were in force.
#[derive(Serialize)]
pub struct ConcurrencyLimitExceeded {
    /// Who called, as far as known.
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
    /// How many requests may be in flight.
    pub limit: u32,
    /// Whether the limit only looks on, and the request went its way. Shown only where it is so.
    #[serde(skip_serializing_if = "is_false")]
    pub shadow: bool,
}

impl EventType for ConcurrencyLimitExceeded {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "concurrency-limit-exceeded";
    const SUMMARY: &'static str = "A client has too many requests in flight, and one more was refused";
    const FIELDS: &'static [&'static str] = &["consumer", "ip", "service", "route", "limit"];
    const UNIQUE: &'static [&'static str] = &["consumer", "ip", "service"];

    fn sample() -> Self {
        let RateLimitExceeded { consumer, ip, service, route, .. } = RateLimitExceeded::sample();
        Self { consumer, ip, service, route, limit: 10, shadow: false }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (&self.consumer, self.ip, &self.service).hash(hasher);
    }
}
