//! Plugins that change answers: whoever makes one, they are asked before its head is written. Where there are none, nothing is done.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use sluice_plugins::{Body, Head, Reply, ResponseHeaders};

use crate::answer::is_ours;
use crate::chain::{Fault, fault};
use crate::ctx::Ctx;
use crate::reply::content;

/// Whether any plugin may change the answer.
pub(crate) fn may_change(ctx: &Ctx) -> bool {
    ctx.route.is_some_and(|at| ctx.snapshot.routes[at].chain.changes_answers(&ctx.snapshot.consumers))
}

/// Lets the plugins change a head.
pub(crate) fn change(request: &Parts, ctx: &Ctx, head: &mut Head) -> Result<()> {
    let asked = ask(request, ctx, head);
    asked.map_err(|Fault(plugin)| Error::explain(ErrorType::InternalError, format!("the plugin {plugin} failed")))
}

fn ask(request: &Parts, ctx: &Ctx, head: &mut Head) -> Result<(), Fault> {
    let Some(at) = ctx.route else { return Ok(()) };
    ctx.snapshot.routes[at].chain.on_response(&ctx.snapshot.consumers, (request, &ctx.memory), head)
}

/// An answer of our own as the plugins want it.
pub(crate) fn of_our_own(request: &Parts, ctx: &mut Ctx, mut reply: Reply) -> Reply {
    if !may_change(ctx) {
        return reply;
    }
    let (content_type, body) = content(reply.body, ctx);
    let name = Bytes::from_static(b"Content-Type");
    let left = std::mem::take(&mut ctx.memory.response_headers);
    let fields = content_type.clone().map(|value| (name, value)).into_iter();
    let mut head = Head::new(reply.status, fields.chain(lines(&left)).chain(reply.headers).collect());
    head.whole = true;
    if ask(request, ctx, &mut head).is_err() {
        return fault();
    }
    let changed = head.get(CONTENT_TYPE.as_str()).cloned();
    head.remove(CONTENT_TYPE.as_str());
    reply.body = match changed.or(content_type) {
        Some(content_type) => {
            let bytes = head.body_change.as_ref().map_or_else(|| body.clone(), |change| change.change(body.clone()));
            Body::Typed { content_type, bytes }
        }
        None => Body::Nothing,
    };
    reply.headers = head.fields().iter().cloned().collect();
    reply
}

/// What plugins left, as fields.
fn lines(left: &ResponseHeaders) -> impl Iterator<Item = (Bytes, HeaderValue)> {
    left.iter().filter_map(|(name, value)| Some((Bytes::copy_from_slice(name.as_bytes()), HeaderValue::from_bytes(value).ok()?)))
}

/// The head of an upstream's answer: its own lines, and what plugins left.
pub(crate) fn head_of<'h>(status: u16, own: impl Iterator<Item = (&'h str, &'h [u8])>, ctx: &Ctx) -> Result<Head> {
    let left = &ctx.memory.response_headers;
    let status =
        StatusCode::from_u16(status).map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "its status").into_up())?;
    let mut fields = Vec::new();
    for (name, value) in own.filter(|(name, _)| !is_ours(name, left)) {
        let value = HeaderValue::from_bytes(value);
        let value = value.map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "a value in its head").into_up())?;
        fields.push((Bytes::copy_from_slice(name.as_bytes()), value));
    }
    fields.extend(lines(left));
    Ok(Head::new(status, fields))
}

/// What is between the two ends of a connection, and is no plugin's business.
const OF_THE_CONNECTION: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];

/// Lets the plugins change the answer that Pingora brings; what they left is in it afterwards.
pub(crate) fn of_pingora(request: &Parts, response: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    let shown = response.case_header_iter().filter(|(name, _)| {
        !OF_THE_CONNECTION.iter().any(|between| name.as_slice().eq_ignore_ascii_case(between.as_str().as_bytes()))
    });
    let fields: Vec<(Vec<u8>, HeaderValue)> = shown.map(|(name, value)| (name.as_slice().to_vec(), value.clone())).collect();
    let own = fields.iter().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, value.as_bytes())));
    let mut head = head_of(response.status.as_u16(), own, ctx)?;
    head.whole = true;
    change(request, ctx, &mut head)?;
    for (name, _) in &fields {
        response.remove_header(std::str::from_utf8(name).unwrap_or_default());
    }
    for (name, value) in head.fields() {
        response.append_header(String::from_utf8_lossy(name).into_owned(), value.clone())?;
    }
    if let Some(change) = head.body_change.take() {
        response.remove_header(&CONTENT_LENGTH);
        response.insert_header(TRANSFER_ENCODING, "chunked")?;
        ctx.bodies.change_answer(change);
    }
    Ok(())
}
