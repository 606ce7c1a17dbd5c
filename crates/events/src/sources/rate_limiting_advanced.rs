//! Source `rate-limiting-advanced`: what the limiter tells.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::entity::{Entity, or_empty};
use crate::event::{EventKind, EventType};
use crate::registry::Source;
use crate::window::Window;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<RateLimitExceeded>()] };

const NAME: &str = "rate-limiting-advanced";

/// A request was refused because a limit was exceeded.
#[derive(Serialize)]
pub struct RateLimitExceeded {
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
    /// The rate that the request would have made.
    pub rate: u64,
    /// The limit that it exceeds.
    pub limit: u64,
    /// The window of that limit.
    pub window: Window,
}

impl EventType for RateLimitExceeded {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "rate-limit-exceeded";
    const SUMMARY: &'static str = "A rate limit has been exceeded and a request was refused";
    const FIELDS: &'static [&'static str] = &["consumer", "ip", "service", "route", "rate", "limit", "window"];
    const UNIQUE: &'static [&'static str] = &["consumer", "ip", "service"];

    fn sample() -> Self {
        let entity = |id, json| Some(Arc::new(Entity::new(id, json)));
        Self {
            consumer: entity(
                1,
                json!({
                    "id": "00000000-0000-5000-8000-000000000001", "username": "Joe", "username_lower": "joe", "custom_id": "joe-1",
                    "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
                }),
            ),
            ip: IpAddr::from([192, 0, 2, 1]),
            service: entity(
                2,
                json!({
                    "id": "00000000-0000-5000-8000-000000000002", "name": "demo", "protocol": "http", "host": "127.0.0.1",
                    "port": 8080, "path": "/anything", "retries": 5, "connect_timeout": 60_000, "write_timeout": 60_000,
                    "read_timeout": 60_000, "enabled": true, "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
                }),
            ),
            route: entity(
                3,
                json!({
                    "id": "00000000-0000-5000-8000-000000000003", "name": "demo",
                    "service": { "id": "00000000-0000-5000-8000-000000000002" }, "protocols": ["http", "https"],
                    "hosts": ["example.com"], "paths": ["/demo"], "methods": ["GET"], "strip_path": true, "preserve_host": false,
                    "path_handling": "v0", "regex_priority": 0, "tags": ["sample"], "created_at": 1_700_000_000, "updated_at": 1_700_000_000
                }),
            ),
            rate: 4,
            limit: 3,
            window: Window(60),
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (&self.consumer, self.ip, &self.service).hash(hasher);
    }
}
