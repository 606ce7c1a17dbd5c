//! Plugins, and where they apply.

use serde::Deserialize;

use super::yes;

/// What may stand beside a plugin's own options.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PluginTable {
    #[serde(default = "yes")]
    pub enabled: bool,
}
