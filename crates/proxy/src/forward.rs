//! What the upstream is told: its path, its Host, and who asks (Kong's X-Forwarded-* headers).
//!
//! Header names go to the upstream in lower case (those of RFC 9110 as it writes them): names have no case, and keeping
//! the client's would make each header that is added here three times as dear.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue, VIA};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Uri};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use sluice_plugins::UpstreamRequest;

use crate::client_ip::is_trusted;
use crate::ctx::Ctx;
use crate::framing::unify_length;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");
static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How many headers are added at most, so that the map grows once.
const ADDED: usize = 12;

/// Rewrites the request for the upstream.
pub(crate) fn forward(session: &Session, request: &mut RequestHeader, ctx: &Ctx) -> Result<()> {
    let snapshot = &ctx.snapshot;
    let Some(route) = ctx.route.map(|at| &snapshot.routes[at]) else { return Ok(()) };
    let Some(service) = &route.service else { return Ok(()) };
    let mut parts = take(request);
    parts.uri = target(ctx.target.clone())?;
    let headers = &mut parts.headers;
    headers.reserve(ADDED);
    unify_length(headers);
    let peer = peer_ip(session).unwrap_or(ctx.client_ip);
    let trusted = is_trusted(peer, &snapshot.trusted_proxies);
    tell_who_asks(session, headers, ctx, (peer, trusted))?;
    if !route.preserve_host {
        headers.insert(HOST, service.authority.clone());
    }
    match headers.contains_key(VIA) {
        true => append(headers, &VIA, "1.1 sluice")?,
        false => drop(headers.insert(VIA, HeaderValue::from_static("1.1 sluice"))),
    }
    headers.insert(&REQUEST_ID, ctx.id.header());
    if snapshot.has_plugins(route) {
        route.chain.on_upstream_request(&snapshot.consumers, &ctx.memory, &mut Editor(&mut parts));
    }
    *request = RequestHeader::from(parts);
    Ok(())
}

/// The request's parts; what is left behind is put back whole by the caller.
fn take(request: &mut RequestHeader) -> Parts {
    let nothing = RequestHeader::from(Request::new(()).into_parts().0);
    Parts::from(std::mem::replace(request, nothing))
}

fn target(target: Bytes) -> Result<Uri> {
    let parsed = PathAndQuery::from_maybe_shared(target).map(Uri::from);
    parsed.map_err(|error| Error::because(ErrorType::InvalidHTTPHeader, "the path for the upstream", error))
}

fn tell_who_asks(session: &Session, headers: &mut HeaderMap, ctx: &Ctx, (peer, trusted): (IpAddr, bool)) -> Result<()> {
    let mut hop = String::with_capacity(40);
    let _ = write!(hop, "{peer}");
    let hop_value = text(&hop)?;
    let client = if ctx.client_ip == peer { hop_value.clone() } else { text(&ctx.client_ip.to_string())? };
    headers.insert(&REAL_IP, client);
    if trusted {
        append(headers, &FORWARDED_FOR, &hop)?;
    } else {
        headers.insert(&FORWARDED_FOR, hop_value);
    }
    let said = session.req_header();
    let path = said.uri.path();
    let port = session.server_addr().and_then(|addr| addr.as_inet()).map_or(0, std::net::SocketAddr::port);
    let mut set = |name: &'static HeaderName, value: Option<HeaderValue>| match value {
        // What a trusted proxy said already stands; what a stranger said under this name does not.
        _ if trusted && headers.contains_key(name) => {}
        Some(value) => drop(headers.insert(name, value)),
        None => drop(headers.remove(name)),
    };
    set(&FORWARDED_PROTO, Some(HeaderValue::from_static("http")));
    set(&FORWARDED_HOST, said.headers.get(HOST).cloned());
    set(&FORWARDED_PORT, Some(HeaderValue::from(port)));
    set(&FORWARDED_PATH, HeaderValue::from_str(path).ok());
    set(&FORWARDED_PREFIX, ctx.prefix.clone());
    Ok(())
}

/// Adds `value` to the list that the header is, in one line.
fn append(headers: &mut HeaderMap, name: &HeaderName, value: &str) -> Result<()> {
    let mut list = Vec::new();
    for line in headers.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(value.as_bytes());
    let joined = HeaderValue::from_maybe_shared(Bytes::from(list)).map_err(|_| unfit())?;
    headers.insert(name, joined);
    Ok(())
}

fn text(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| unfit())
}

fn unfit() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "no header can hold what the upstream is to be told")
}

/// The address at the other end of the connection.
pub(crate) fn peer_ip(session: &Session) -> Option<IpAddr> {
    session.client_addr().and_then(|addr| addr.as_inet()).map(|addr| addr.ip().to_canonical())
}

struct Editor<'a>(&'a mut Parts);

impl UpstreamRequest for Editor<'_> {
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.headers.insert(name, value);
    }

    fn remove_header(&mut self, name: &HeaderName) {
        self.0.headers.remove(name);
    }

    fn remove_query(&mut self, name: &str) {
        let Some(query) = self.0.uri.query() else { return };
        let named = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(key, _)| key == name);
        if !query.split('&').any(|pair| named(&pair)) {
            return;
        }
        let kept: Vec<&str> = query.split('&').filter(|pair| !named(pair)).collect();
        let question = if kept.is_empty() { "" } else { "?" };
        let without = format!("{}{question}{}", self.0.uri.path(), kept.join("&"));
        match target(without.into()) {
            Ok(uri) => self.0.uri = uri,
            Err(error) => tracing::warn!(%error, "an argument could not be taken out of the query"),
        }
    }
}
