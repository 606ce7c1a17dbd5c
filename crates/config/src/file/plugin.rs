//! Plugins, and where they apply.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::yes;
use crate::entities::RouteProtocol;

/// What may stand beside a plugin's own options.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct PluginTable {
    pub id: Option<Uuid>,
    /// A name that no other plugin has.
    pub instance_name: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Kong's; a plugin applies to whatever its route takes, so all that may be written is http and https, with or without
    /// grpc and grpcs.
    #[serde(default = "all_protocols")]
    pub protocols: Vec<RouteProtocol>,
    #[serde(default)]
    pub tags: Vec<String>,
}

impl PluginTable {
    /// Its keys: what is left of a plugin's table without them are its options.
    pub const KEYS: &[&str] = &["id", "instance_name", "enabled", "protocols", "tags"];
}

fn all_protocols() -> Vec<RouteProtocol> {
    vec![RouteProtocol::Grpc, RouteProtocol::Grpcs, RouteProtocol::Http, RouteProtocol::Https]
}
