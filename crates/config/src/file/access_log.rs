//! The access log as users write it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::entities::{AccessLog, AccessLogFormat};

/// `[access_log]`: a line for each request. Changes take effect at once.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AccessLogTable {
    /// `text` is nginx's combined format and more; `json` is an object a line.
    pub format: AccessLogFormat,
    /// The file that lines are added to; none: standard error.
    pub file: Option<PathBuf>,
}

impl AccessLogTable {
    pub fn into_access_log(self) -> AccessLog {
        AccessLog { format: self.format, file: self.file }
    }
}
