//! The access log: whether each request leaves a line, in which form and where.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The access log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLog {
    /// The form of its lines.
    pub format: AccessLogFormat,
    /// The file that they are added to; none: standard error.
    pub file: Option<PathBuf>,
}

/// The form of the access log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// There are none.
    #[default]
    Off,
    /// nginx's combined format and more.
    Text,
    /// An object a line.
    Json,
}
