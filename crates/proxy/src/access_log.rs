//! The access log: what its lines say. Who writes them to the disk stands elsewhere and is never waited for.

mod escape;
mod json;
mod lines;
mod masked;
mod record;
mod text;
mod write;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_config::{AccessLogFormat, Config};
use sluice_plugins::Built;

pub use lines::Lines;
use masked::Secrets;
pub(crate) use record::Record;

/// How the requests of a configuration are logged.
pub(crate) struct AccessLog {
    append: fn(&mut Vec<u8>, &Record<'_>, &Secrets),
    secrets: Secrets,
}

impl AccessLog {
    /// None if they are not.
    pub fn new(config: &Config, plugins: &[Built]) -> Option<Self> {
        let append = match config.access_log.format {
            AccessLogFormat::Off => return None,
            AccessLogFormat::Text => text::append,
            AccessLogFormat::Json => json::append,
        };
        let secrets = Secrets::new(plugins.iter().flat_map(|built| built.plugin.secret_arguments()));
        Some(Self { append, secrets })
    }

    /// Adds the line of a request.
    pub fn log(&self, lines: &Lines, record: &Record<'_>) {
        lines.add(|out| (self.append)(out, record, &self.secrets));
    }
}

/// The time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
