//! The only place that writes a response of our own.

use bytes::Bytes;
use http::header::HeaderValue;
use pingora_core::Result;
use pingora_http::ResponseHeader;
use sluice_plugins::{Body, Reply, ResponseHeaders};

use crate::answer::{Lines, SERVER};
use crate::ctx::Ctx;
use crate::visit::Visit;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Writes the answer, with what plugins left for it.
pub(crate) async fn write(visit: &Visit<'_>, ctx: &mut Ctx, reply: Reply) -> Result<()> {
    let (content_type, body) = match reply.body {
        Body::Json(body) => (JSON, body),
        Body::Message(message) => (JSON, error_body(&message, ctx)),
        Body::Typed { content_type, bytes } => (content_type, bytes),
    };
    let mut lines = Lines::begin(reply.status.as_u16(), reply.status.canonical_reason().unwrap_or_default().as_bytes());
    lines.line(b"Content-Type", content_type.as_bytes());
    lines.number_line(b"Content-Length", body.len() as u64);
    lines.0.extend_from_slice(ctx.memory.response_headers.bytes());
    reply.headers.iter().for_each(|(name, value)| lines.line(name, value.as_bytes()));
    lines.line(b"X-Request-Id", ctx.id.as_str().as_bytes());
    lines.number_line(b"X-Kong-Response-Latency", ctx.started.elapsed().as_millis() as u64);
    lines.line(b"Server", SERVER);
    let mut bytes = lines.end(visit.stays());
    if visit.request.method != http::Method::HEAD {
        bytes.extend_from_slice(&body);
    }
    visit.answer(ctx, reply.status.as_u16(), &bytes).await
}

/// Adds what plugins left to the answer of an upstream.
pub(crate) fn insert_all(head: &mut ResponseHeader, headers: &ResponseHeaders) -> Result<()> {
    headers.iter().try_for_each(|(name, value)| head.insert_header(name.to_owned(), value))
}

/// Kong's error body.
fn error_body(message: &str, ctx: &Ctx) -> Bytes {
    let message = serde_json::Value::from(message);
    Bytes::from(format!("{{\n  \"message\":{message},\n  \"request_id\":\"{}\"\n}}", ctx.id.as_str()))
}
