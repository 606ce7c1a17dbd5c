//! Source `proxy`: what goes wrong on the way of a request.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::entity::{Entity, or_empty};
use crate::event::{EventKind, EventType};
use crate::registry::Source;
use crate::samples;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: &[EventKind::of::<UpstreamError>()] };

const NAME: &str = "proxy";

/// A request failed at its upstream, and the client was told so. What an upstream answers itself is no such failure.
#[derive(Serialize)]
pub struct UpstreamError {
    /// The id of the request, as it stands in the logs.
    pub request_id: String,
    /// From where.
    pub ip: IpAddr,
    /// What was called.
    #[serde(serialize_with = "or_empty")]
    pub service: Option<Arc<Entity>>,
    /// By which route.
    #[serde(serialize_with = "or_empty")]
    pub route: Option<Arc<Entity>>,
    /// The address of the upstream, with its port; its name if no address was found.
    pub upstream: String,
    /// What went wrong, in a word that stays the same.
    pub error: &'static str,
    /// The status that the client was answered with.
    pub status: u16,
}

impl EventType for UpstreamError {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "upstream-error";
    const SUMMARY: &'static str = "An upstream could not be reached, was too slow, or gave no valid answer";
    const FIELDS: &'static [&'static str] = &["request_id", "ip", "service", "route", "upstream", "error", "status"];
    const UNIQUE: &'static [&'static str] = &["service", "upstream", "error"];

    fn sample() -> Self {
        Self {
            request_id: "0af7651916cd43dd8448eb211c80319c".into(),
            ip: IpAddr::from([192, 0, 2, 1]),
            service: Some(samples::service()),
            route: Some(samples::route()),
            upstream: "127.0.0.1:8080".into(),
            error: "connect-refused",
            status: 503,
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (&self.service, &self.upstream, self.error).hash(hasher);
    }
}
