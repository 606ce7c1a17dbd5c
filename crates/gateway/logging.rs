//! Where log lines go: to standard error, as text or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// What is logged if RUST_LOG says nothing. Pingora tells of every failed request itself, and of every connection that is
/// no HTTP/2 or breaks its rules; ours says more, and not as often.
const FILTER: &str = "info,pingora_core=warn,pingora_core::apps=off,pingora_core::protocols::http::v2::server=error,\
    pingora_proxy=error,pingora_core::server=error,pingora_core::services=error";

/// Starts logging, also for libraries that use `log`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
