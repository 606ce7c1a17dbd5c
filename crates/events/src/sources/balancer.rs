//! Source `balancer`: targets of upstreams that are healthy no more, or again.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use crate::event::{EventKind, EventType};
use crate::registry::Source;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<TargetHealth>()] };

const NAME: &str = "balancer";

/// A target has changed between healthy and unhealthy.
#[derive(Serialize)]
pub struct TargetHealth {
    /// The id of the upstream.
    pub upstream_id: Arc<str>,
    /// The address of the target; the path of one that is a socket on this machine.
    pub ip: String,
    /// Its port; 0 if it has none.
    pub port: u16,
    /// The host as the target has it.
    pub hostname: Arc<str>,
    /// `healthy` or `unhealthy`.
    pub health: &'static str,
}

impl EventType for TargetHealth {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "health";
    const SUMMARY: &'static str = "A target of an upstream is healthy no more, or again";
    const FIELDS: &'static [&'static str] = &["upstream_id", "ip", "port", "hostname", "health"];
    /// All of them: that a target is healthy again is never merged with that it was not.
    const UNIQUE: &'static [&'static str] = &[];

    fn sample() -> Self {
        Self {
            upstream_id: "00000000-0000-5000-8000-000000000007".into(),
            ip: "192.0.2.10".into(),
            port: 8080,
            hostname: "app.example.com".into(),
            health: "unhealthy",
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.regard(hasher);
        self.health.hash(hasher);
    }

    fn regard(&self, hasher: &mut impl Hasher) {
        (&self.upstream_id, &self.ip, self.port, &self.hostname).hash(hasher);
    }
}
