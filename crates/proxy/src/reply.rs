//! The only place that writes a response of our own.

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use pingora_core::protocols::http::HttpTask;
use pingora_core::{ErrorType, OrErr, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use sluice_plugins::{Body, Reply, ResponseHeaders, number};

use crate::answer::{Lines, SERVER};
use crate::ctx::Ctx;
use crate::grpc;
use crate::visit::Visit;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Writes the answer, with what plugins left for it.
pub(crate) async fn write(visit: &Visit<'_>, ctx: &mut Ctx, reply: Reply) -> Result<()> {
    let (content_type, body) = content(reply.body, ctx);
    let mut lines = Lines::begin(reply.status.as_u16(), reply.status.canonical_reason().unwrap_or_default().as_bytes());
    lines.line(b"Content-Type", content_type.as_bytes());
    lines.number_line(b"Content-Length", body.len() as u64);
    lines.0.extend_from_slice(ctx.memory.response_headers.bytes());
    reply.headers.iter().for_each(|(name, value)| lines.line(name, value.as_bytes()));
    lines.line(b"X-Request-Id", ctx.id.as_str().as_bytes());
    lines.number_line(b"X-Kong-Response-Latency", ctx.started.elapsed().as_millis() as u64);
    lines.line(b"Server", SERVER);
    let mut bytes = lines.end(visit.stays());
    let sent = if visit.request.method == Method::HEAD { 0 } else { body.len() as u64 };
    if sent > 0 {
        bytes.extend_from_slice(&body);
    }
    visit.answer(ctx, reply.status.as_u16(), &bytes).await?;
    ctx.sent = sent;
    Ok(())
}

/// Writes the same answer where requests share a connection (HTTP/2); to a call of gRPC in its own words.
pub(crate) async fn write_stream(session: &mut Session, ctx: &mut Ctx, mut reply: Reply) -> Result<()> {
    ctx.answered = reply.status.as_u16();
    let is_call = grpc::is_call(session.req_header());
    if is_call {
        reply = grpc::translated(reply);
    }
    let (content_type, body) = content(reply.body, ctx);
    let mut head = ResponseHeader::build_no_case(reply.status, Some(16))?;
    head.insert_header(CONTENT_TYPE, content_type)?;
    if !is_call {
        head.insert_header(CONTENT_LENGTH, body.len())?;
    }
    insert_all(&mut head, &ctx.memory.response_headers)?;
    for (name, value) in reply.headers {
        let name = HeaderName::from_bytes(&name).or_err(ErrorType::InvalidHTTPHeader, "the name of a header of ours")?;
        head.append_header(name, value)?;
    }
    head.insert_header("x-request-id", ctx.id.header())?;
    head.insert_header("x-kong-response-latency", number(ctx.started.elapsed().as_millis() as u64))?;
    head.insert_header("server", SERVER)?;
    let alone = body.is_empty() || session.req_header().method == Method::HEAD;
    let mut parts = vec![HttpTask::Header(Box::new(head), alone)];
    if !alone {
        parts.push(HttpTask::Body(Some(body), true));
    }
    session.as_downstream_mut().response_duplex_vec(parts).await.map(drop)
}

/// What is said, and of which type it is.
fn content(body: Body, ctx: &Ctx) -> (HeaderValue, Bytes) {
    match body {
        Body::Json(body) => (JSON, body),
        Body::Message(message) => (JSON, error_body(&message, ctx)),
        Body::Typed { content_type, bytes } => (content_type, bytes),
    }
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
