//! Consumers: who calls.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

/// `[consumers.NAME]`: somebody who calls. Any further key is a plugin's list of credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct ConsumerTable {
    pub id: Option<Uuid>,
    pub custom_id: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}
