//! The only place that writes a response of our own.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SERVER};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use sluice_plugins::{Body, Reply, number};

use crate::ctx::Ctx;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const NAME: HeaderValue = HeaderValue::from_static(concat!("sluice/", env!("CARGO_PKG_VERSION")));

/// Writes the answer, with what plugins left for it.
pub(crate) async fn write(session: &mut Session, ctx: &mut Ctx, reply: Reply) -> Result<()> {
    let body = match reply.body {
        Body::Json(body) => body,
        Body::Message(message) => error_body(&message, ctx),
    };
    let mut head = ResponseHeader::build(reply.status, Some(16))?;
    head.insert_header(CONTENT_TYPE, JSON)?;
    head.insert_header(CONTENT_LENGTH, number(body.len() as u64))?;
    insert_all(&mut head, std::mem::take(&mut ctx.memory.response_headers))?;
    insert_all(&mut head, reply.headers)?;
    head.insert_header("X-Request-Id", ctx.id.header())?;
    head.insert_header("X-Kong-Response-Latency", millis(ctx.started.elapsed()))?;
    head.insert_header(SERVER, NAME)?;
    let silent = session.req_header().method == http::Method::HEAD;
    session.as_downstream_mut().write_response_header(Box::new(head)).await?;
    let body = if silent { Bytes::new() } else { body };
    session.as_downstream_mut().write_response_body(body, true).await
}

/// Adds what plugins left to the answer of an upstream.
pub(crate) fn insert_all(head: &mut ResponseHeader, headers: impl IntoIterator<Item = (Bytes, HeaderValue)>) -> Result<()> {
    headers.into_iter().try_for_each(|(name, value)| head.insert_header(name, value))
}

pub(crate) fn millis(duration: std::time::Duration) -> HeaderValue {
    number(duration.as_millis() as u64)
}

/// Kong's error body.
fn error_body(message: &str, ctx: &Ctx) -> Bytes {
    let message = serde_json::Value::from(message);
    Bytes::from(format!("{{\n  \"message\":{message},\n  \"request_id\":\"{}\"\n}}", ctx.id.as_str()))
}
