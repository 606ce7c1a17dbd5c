//! What plugins that find out who calls tell. It is the same event under the name of each of them.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::entity::{Entity, or_empty};
use crate::event::{EventKind, EventType};
use crate::samples;

/// What the plugin of this name raises.
pub const fn events(source: &'static str) -> [EventKind; 1] {
    [EventKind::under::<Unauthorized>(source)]
}

/// A request was refused because it has no credential, or none that is known. The credential itself is told to nobody.
#[derive(Serialize)]
pub struct Unauthorized {
    /// Who called, if something else than this plugin said so: nobody, as a rule.
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
    pub reason: Cow<'static, str>,
}

impl EventType for Unauthorized {
    const SOURCE: &'static str = super::key_auth::NAME;
    const NAME: &'static str = "unauthorized";
    const SUMMARY: &'static str = "A request without a credential, or with a wrong one, was refused";
    const FIELDS: &'static [&'static str] = &["consumer", "ip", "service", "route", "reason"];
    const UNIQUE: &'static [&'static str] = &["ip", "service", "reason"];

    fn sample() -> Self {
        Self {
            // Its fields may be named, so that one template serves this event and others.
            consumer: Some(samples::consumer()),
            ip: IpAddr::from([192, 0, 2, 1]),
            service: Some(samples::service()),
            route: Some(samples::route()),
            reason: "Unauthorized".into(),
        }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        (self.ip, &self.service, &self.reason).hash(hasher);
    }
}
