//! Consumers: who calls.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

/// `[consumers.NAME]`: somebody who calls. Any further key is a plugin's list of credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ConsumerTable {
    pub id: Option<Uuid>,
    pub custom_id: Option<String>,
    /// The groups that it belongs to; of plugins that several of them have, the first group's count.
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `[consumer_groups.NAME]`: several who call, with plugins of their own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsumerGroupTable {
    pub id: Option<Uuid>,
    #[serde(default)]
    pub tags: Vec<String>,
}
