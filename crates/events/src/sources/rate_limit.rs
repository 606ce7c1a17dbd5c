//! What plugins that limit rates tell. They are the same events under the name of each of them.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::entity::{Entity, or_empty};
use crate::event::{EventKind, EventType};
use crate::samples;
use crate::window::Window;

/// What the plugin of this name raises.
pub const fn events(source: &'static str) -> [EventKind; 3] {
    [
        EventKind::under::<RateLimitExceeded>(source),
        EventKind::under::<RateLimitWarning>(source),
        EventKind::under::<RateLimitRecovered>(source),
    ]
}

/// Who raises them, if nothing else is said.
const NAME: &str = super::rate_limiting_advanced::NAME;
const FIELDS: &[&str] = &["consumer", "ip", "service", "route", "rate", "limit", "window"];

/// A request was refused because a limit was exceeded, or would have been if the limit were in force.
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
    /// Whether the limit only looks on, and the request went its way. Shown only where it is so.
    #[serde(skip_serializing_if = "is_false")]
    pub shadow: bool,
}

pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// A client comes near a limit. Its data is that of [`RateLimitExceeded`], so that one template serves both.
#[derive(Serialize)]
#[serde(transparent)]
pub struct RateLimitWarning(pub RateLimitExceeded);

/// A client that was refused is admitted again. Its data is that of [`RateLimitExceeded`].
#[derive(Serialize)]
#[serde(transparent)]
pub struct RateLimitRecovered(pub RateLimitExceeded);

impl EventType for RateLimitExceeded {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "rate-limit-exceeded";
    const SUMMARY: &'static str = "A rate limit has been exceeded and a request was refused";
    const FIELDS: &'static [&'static str] = FIELDS;
    const UNIQUE: &'static [&'static str] = &["consumer", "ip", "service"];

    fn sample() -> Self {
        Self {
            consumer: Some(samples::consumer()),
            ip: IpAddr::from([192, 0, 2, 1]),
            service: Some(samples::service()),
            route: Some(samples::route()),
            rate: 4,
            limit: 3,
            window: Window(60),
            shadow: false,
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (&self.consumer, self.ip, &self.service).hash(hasher);
    }
}

impl EventType for RateLimitWarning {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "rate-limit-warning";
    const SUMMARY: &'static str = "A client has used up as much of a limit as `warn_at` says";
    const FIELDS: &'static [&'static str] = FIELDS;
    const UNIQUE: &'static [&'static str] = &["consumer", "ip", "service", "window"];

    fn sample() -> Self {
        Self(RateLimitExceeded { rate: 8, limit: 10, ..RateLimitExceeded::sample() })
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.0.identify(hasher);
        self.0.window.hash(hasher);
    }
}

impl EventType for RateLimitRecovered {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "rate-limit-recovered";
    const SUMMARY: &'static str = "A client that was refused is admitted again";
    const FIELDS: &'static [&'static str] = FIELDS;
    const UNIQUE: &'static [&'static str] = &["consumer", "ip", "service"];

    fn sample() -> Self {
        Self(RateLimitExceeded { rate: 1, ..RateLimitExceeded::sample() })
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        self.0.identify(hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shadow_is_shown_only_where_it_is_so() {
        for shadow in [false, true] {
            let event = RateLimitExceeded { shadow, ..RateLimitExceeded::sample() };
            let data = serde_json::to_value(&event).expect("an event is JSON");
            assert_eq!(data.get("shadow"), shadow.then(|| json!(true)).as_ref());
        }
    }
}
