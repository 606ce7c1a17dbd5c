//! Routes: which requests go to a service.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::yes;
use crate::values::{Method, PathPrefix};

/// `[routes.NAME]`: which requests go to a service. Of the conditions that are written, all must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTable {
    pub id: Option<Uuid>,
    /// The name of the service.
    pub service: Option<String>,
    /// Host names; a leading or trailing label may be `*`.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Beginnings of the path.
    #[serde(default)]
    pub paths: Vec<PathPrefix>,
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Whether the matched beginning of the path is taken off.
    #[serde(default = "yes")]
    pub strip_path: bool,
    /// Whether the upstream sees the Host that the client sent.
    #[serde(default)]
    pub preserve_host: bool,
    #[serde(default)]
    pub tags: Vec<String>,
}
