//! The head of an answer as bytes, in the case that clients are shown (Kong's), and what every answer carries.

use std::time::Instant;

use http::header::HeaderValue;
use pingora_core::protocols::http::date::get_cached_date;
use sluice_plugins::ResponseHeaders;

use crate::ctx::Ctx;

/// What stands under Server in an answer of our own.
pub(crate) const SERVER: &[u8] = concat!("sluice/", env!("CARGO_PKG_VERSION")).as_bytes();
/// What stands under Via.
pub(crate) const VIA: HeaderValue = HeaderValue::from_static("1.1 sluice");

/// A head that is being written.
pub(crate) struct Lines(pub Vec<u8>);

impl Lines {
    /// Begins with the status line.
    pub fn begin(status: u16, reason: &[u8]) -> Self {
        let mut lines = Self(Vec::with_capacity(2048));
        lines.0.extend_from_slice(b"HTTP/1.1 ");
        lines.number(u64::from(status));
        lines.0.push(b' ');
        lines.0.extend_from_slice(reason);
        lines.0.extend_from_slice(b"\r\n");
        lines
    }

    pub fn line(&mut self, name: &[u8], value: &[u8]) {
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value);
        self.0.extend_from_slice(b"\r\n");
    }

    pub fn number_line(&mut self, name: &[u8], value: u64) {
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(b": ");
        self.number(value);
        self.0.extend_from_slice(b"\r\n");
    }

    /// What a client must know of the connection, and the empty line.
    pub fn end(mut self, keep_alive: bool) -> Vec<u8> {
        self.line(b"Date", get_cached_date().as_bytes());
        self.line(b"Connection", if keep_alive { b"keep-alive" } else { b"close" });
        self.0.extend_from_slice(b"\r\n");
        self.0
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// How long the upstream took, and how long we did, in milliseconds.
pub(crate) fn latencies(ctx: &mut Ctx) -> [(&'static str, u64); 2] {
    let now = Instant::now();
    let sent = ctx.upstream_started.unwrap_or(now);
    ctx.waited = Some(now - sent);
    [
        ("X-Kong-Upstream-Latency", (now - sent).as_millis() as u64),
        ("X-Kong-Proxy-Latency", (sent - ctx.started).as_millis() as u64),
    ]
}

/// Whether an answer of an upstream may not bring this header: we write it.
pub(crate) fn is_ours(name: &str, left_by_plugins: &ResponseHeaders) -> bool {
    let ours = match name.len() {
        4 => name.eq_ignore_ascii_case("date"),
        12 => name.eq_ignore_ascii_case("x-request-id"),
        20 => name.eq_ignore_ascii_case("x-kong-proxy-latency"),
        23 => name.eq_ignore_ascii_case("x-kong-upstream-latency"),
        _ => false,
    };
    ours || left_by_plugins.has(name)
}
