//! How the targets of an upstream are watched: Kong's fields and defaults. A limit of 0 switches off what it limits.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{Seconds, SomeSeconds};

/// How targets are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Healthchecks {
    /// By asking them.
    pub active: Active,
    /// By what becomes of requests.
    pub passive: Passive,
    /// Which percentage of the weight of all targets must be healthy, or the upstream as a whole is not.
    #[schemars(range(min = 0, max = 100))]
    pub threshold: f64,
}

/// What is asked of a target, or was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckType {
    /// An answer of HTTP.
    #[default]
    Http,
    /// An answer of HTTP over TLS.
    Https,
    /// A connection.
    Tcp,
}

/// Watching by asking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Active {
    /// What is asked.
    #[serde(rename = "type")]
    pub kind: CheckType,
    /// How long an answer may take.
    #[schemars(with = "SomeSeconds")]
    pub timeout: Seconds,
    /// How many targets are asked at once.
    #[schemars(range(min = 1))]
    pub concurrency: u32,
    /// The path that is asked for.
    #[schemars(regex(pattern = "^/[!-~]*$"))]
    pub http_path: String,
    /// The name that the target's certificate must have, if not that of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_sni: Option<String>,
    /// Whether the target's certificate must be good.
    pub https_verify_certificate: bool,
    /// Headers to send.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Vec<String>>,
    /// When a target is healthy again.
    pub healthy: ActiveHealthy,
    /// When it is not any more.
    pub unhealthy: ActiveUnhealthy,
}

/// When a target that is asked is healthy again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveHealthy {
    /// How often healthy targets are asked; 0: never.
    pub interval: Seconds,
    /// What a good answer is.
    #[schemars(inner(range(min = 100, max = 999)))]
    pub http_statuses: Vec<u16>,
    /// How many good answers it takes.
    pub successes: u8,
}

/// When a target that is asked is healthy no more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ActiveUnhealthy {
    /// How often targets that are not healthy are asked; 0: never.
    pub interval: Seconds,
    /// What a bad answer is.
    #[schemars(inner(range(min = 100, max = 999)))]
    pub http_statuses: Vec<u16>,
    /// How many failed connections it takes.
    pub tcp_failures: u8,
    /// How many answers that do not come in time.
    pub timeouts: u8,
    /// How many bad answers.
    pub http_failures: u8,
}

/// Watching by what becomes of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Passive {
    /// Whether answers count, or connections alone.
    #[serde(rename = "type")]
    pub kind: CheckType,
    /// When a target is healthy again.
    pub healthy: PassiveHealthy,
    /// When it is not any more.
    pub unhealthy: PassiveUnhealthy,
}

/// When a target is healthy again, by its answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveHealthy {
    /// What a good answer is.
    #[schemars(inner(range(min = 100, max = 999)))]
    pub http_statuses: Vec<u16>,
    /// How many good answers it takes.
    pub successes: u8,
}

/// When a target is healthy no more, by what became of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PassiveUnhealthy {
    /// What a bad answer is.
    #[schemars(inner(range(min = 100, max = 999)))]
    pub http_statuses: Vec<u16>,
    /// How many failed connections it takes.
    pub tcp_failures: u8,
    /// How many answers that do not come in time.
    pub timeouts: u8,
    /// How many bad answers.
    pub http_failures: u8,
}

impl Healthchecks {
    /// Whether targets are watched at all.
    pub fn is_on(&self) -> bool {
        let unhealthy = &self.passive.unhealthy;
        let passive = unhealthy.tcp_failures > 0 || unhealthy.timeouts > 0 || unhealthy.http_failures > 0;
        passive || self.active.is_on()
    }
}

impl Active {
    /// Whether targets are asked.
    pub fn is_on(&self) -> bool {
        self.healthy.interval.0 > 0.0 || self.unhealthy.interval.0 > 0.0
    }
}

impl Default for Active {
    fn default() -> Self {
        Self {
            kind: CheckType::Http,
            timeout: Seconds(1.0),
            concurrency: 10,
            http_path: "/".into(),
            https_sni: None,
            https_verify_certificate: true,
            headers: BTreeMap::new(),
            healthy: ActiveHealthy::default(),
            unhealthy: ActiveUnhealthy::default(),
        }
    }
}

impl Default for ActiveHealthy {
    fn default() -> Self {
        Self { interval: Seconds(0.0), http_statuses: vec![200, 302], successes: 0 }
    }
}

impl Default for ActiveUnhealthy {
    fn default() -> Self {
        let http_statuses = vec![429, 404, 500, 501, 502, 503, 504, 505];
        Self { interval: Seconds(0.0), http_statuses, tcp_failures: 0, timeouts: 0, http_failures: 0 }
    }
}

impl Default for PassiveHealthy {
    fn default() -> Self {
        let http_statuses = (200..=208).chain([226]).chain(300..=308).collect();
        Self { http_statuses, successes: 0 }
    }
}

impl Default for PassiveUnhealthy {
    fn default() -> Self {
        Self { http_statuses: vec![429, 500, 503], tcp_failures: 0, timeouts: 0, http_failures: 0 }
    }
}
