//! What the upstream is told: its path, its Host, and who asks (Kong's X-Forwarded-* headers).
//!
//! Header names go to the upstream in lower case (those of RFC 9110 as it writes them): names have no case, and keeping
//! the client's would make each header that is added here three times as dear.

use std::io::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TRANSFER_ENCODING, VIA,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Uri, Version};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use sluice_config::ClientIpHeader;
use sluice_plugins::UpstreamRequest;
use smallvec::SmallVec;

use crate::answer;
use crate::chain::Fault;
use crate::client_ip::is_trusted;
use crate::ctx::Ctx;
use crate::framing::unified_length;
use crate::visit::Visit;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");
static FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A header value while it is put together; most are short.
type Text = SmallVec<[u8; 64]>;

/// How many headers are added at most, so that the map grows once.
const ADDED: usize = 12;

/// A request on its way to an upstream, in whatever form.
pub(crate) trait Told: UpstreamRequest {
    /// Says this in place of what the client said under the name, which was not told before.
    fn tell(&mut self, name: &HeaderName, value: &[u8]) -> Result<()>;
    /// Says nothing under the name.
    fn withhold(&mut self, name: &HeaderName);
}

/// Rewrites a request that goes Pingora's way.
pub(crate) fn forward(visit: &Visit<'_>, request: &mut RequestHeader, ctx: &Ctx) -> Result<()> {
    let mut parts = take(request);
    parts.uri = target(ctx.target.clone())?;
    parts.headers.reserve(ADDED);
    // HTTP/1 has said one at most; of several in HTTP/2, h2 holds the body to the first.
    if let Some(length) = unified_length(&parts.headers) {
        parts.headers.insert(CONTENT_LENGTH, length);
    }
    // Pingora keeps it to itself; but it is for whoever asks for it, and that is not us.
    if let Some(value) = visit.request.headers.get(&PROXY_AUTHORIZATION) {
        parts.headers.insert(PROXY_AUTHORIZATION, value.clone());
    }
    rewrite(visit, ctx, &mut Editor(&mut parts))?;
    if ctx.memory.body_change.is_some() {
        // How long it will be is not known yet.
        parts.headers.remove(CONTENT_LENGTH);
        // A body of HTTP/2 ends by itself.
        if parts.version != Version::HTTP_2 {
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    *request = RequestHeader::from(parts);
    Ok(())
}

/// Tells the upstream who asks and by which way, and lets plugins tell what they have to.
pub(crate) fn rewrite(visit: &Visit<'_>, ctx: &Ctx, request: &mut impl Told) -> Result<()> {
    let snapshot = &ctx.snapshot;
    let Some(route) = ctx.route.map(|at| &snapshot.routes[at]) else { return Ok(()) };
    let Some(service) = &route.service else { return Ok(()) };
    let said = visit.request;
    match visit.host() {
        // HTTP/1 has said it under this name already.
        Some(host) if route.preserve_host && said.version == Version::HTTP_2 => request.tell(&HOST, host)?,
        _ if route.preserve_host => {}
        _ => {
            let authority = ctx.tries.authority(service.target.is_tls()).unwrap_or(&service.authority);
            request.tell(&HOST, authority.as_bytes())?;
        }
    }
    tell_who_asks(visit, request, ctx)?;
    request.tell(&VIA, &listed(&said.headers, &VIA, answer::VIA.as_bytes()))?;
    request.tell(&REQUEST_ID, ctx.id.as_str().as_bytes())?;
    if snapshot.has_plugins(route) {
        let told = route.chain.on_upstream_request(&snapshot.consumers, &ctx.memory, request);
        let failed = |Fault(plugin): Fault| Error::explain(ErrorType::InternalError, format!("the plugin {plugin} failed"));
        told.map_err(failed)?;
    }
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

fn tell_who_asks(visit: &Visit<'_>, request: &mut impl Told, ctx: &Ctx) -> Result<()> {
    let (said, peer, trust) = (visit.request, visit.caller.peer, ctx.snapshot.trust());
    let trusted = is_trusted(peer, trust.proxies);
    // Of the two ways of saying it, only the one that is read goes on; what stands in the other is anybody's word.
    let by_lines = trusted && trust.header == ClientIpHeader::XForwardedFor;
    let by_element = trusted && !by_lines;
    let mut hop = Text::new();
    // Writing to memory does not fail.
    let _ = write!(hop, "{peer}");
    if ctx.client_ip == peer {
        request.tell(&REAL_IP, &hop)?;
    } else {
        request.tell(&REAL_IP, ctx.client_ip.to_string().as_bytes())?;
    }
    if by_lines {
        request.tell(&FORWARDED_FOR, &listed(&said.headers, &FORWARDED_FOR, &hop))?;
    } else if by_element && ctx.client_ip != peer {
        request.tell(&FORWARDED_FOR, format!("{}, {peer}", ctx.client_ip).as_bytes())?;
    } else {
        request.tell(&FORWARDED_FOR, &hop)?;
    }
    if trust.header == ClientIpHeader::Forwarded {
        let own = element(visit);
        request.tell(&FORWARDED, &if by_element { listed(&said.headers, &FORWARDED, &own) } else { own })?;
    } else if said.headers.contains_key(&FORWARDED) {
        request.withhold(&FORWARDED);
    }
    let (proto, host) = if by_element { trust.said(peer, &said.headers) } else { (None, None) };
    let mut set = |name: &'static HeaderName, value: Option<&[u8]>| match value {
        // What a trusted proxy said already stands; what a stranger said under this name does not.
        _ if by_lines && said.headers.contains_key(name) => Ok(()),
        Some(value) => request.tell(name, value),
        None => {
            request.withhold(name);
            Ok(())
        }
    };
    set(&FORWARDED_PROTO, Some(proto.unwrap_or(visit.scheme()).as_bytes()))?;
    set(&FORWARDED_HOST, host.map(str::as_bytes).or(visit.host()))?;
    set(&FORWARDED_PORT, Some(itoa::Buffer::new().format(visit.caller.port).as_bytes()))?;
    set(&FORWARDED_PATH, Some(said.uri.path().as_bytes()))?;
    set(&FORWARDED_PREFIX, ctx.prefix.as_ref().map(HeaderValue::as_bytes))
}

/// What we say in Forwarded of who is at the other end. A host that a careless reader could take for more is left out.
fn element(visit: &Visit<'_>) -> Text {
    let mut out = Text::new();
    // Writing to memory does not fail.
    let _ = match visit.caller.peer {
        IpAddr::V4(peer) => write!(out, "for={peer};proto={}", visit.scheme()),
        IpAddr::V6(peer) => write!(out, "for=\"[{peer}]\";proto={}", visit.scheme()),
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(byte);
    if let Some(host) = visit.host().filter(|host| host.iter().all(plain)) {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(host);
        out.push(b'"');
    }
    out
}

/// The list that the header is, with `value` at its end, in one line.
fn listed(headers: &HeaderMap, name: &HeaderName, value: &[u8]) -> Text {
    let mut list = Text::new();
    for line in headers.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(value);
    list
}

/// Without the arguments of this name; none if there are none.
pub(crate) fn without_argument(target: &str, name: &str) -> Option<String> {
    let (path, query) = target.split_once('?')?;
    let named = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(key, _)| key == name);
    if !query.split('&').any(|pair| named(&pair)) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !named(pair)).collect();
    let question = if kept.is_empty() { "" } else { "?" };
    Some(format!("{path}{question}{}", kept.join("&")))
}

struct Editor<'a>(&'a mut Parts);

impl Told for Editor<'_> {
    fn tell(&mut self, name: &HeaderName, value: &[u8]) -> Result<()> {
        let value = HeaderValue::from_bytes(value);
        let value = value.map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "no header can hold what is to be told"))?;
        self.0.headers.insert(name, value);
        Ok(())
    }

    fn withhold(&mut self, name: &HeaderName) {
        self.0.headers.remove(name);
    }
}

impl UpstreamRequest for Editor<'_> {
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.headers.insert(name, value);
    }

    fn remove_header(&mut self, name: &HeaderName) {
        self.0.headers.remove(name);
    }

    fn remove_query(&mut self, name: &str) {
        let said = self.0.uri.path_and_query().map_or("", PathAndQuery::as_str);
        let Some(without) = without_argument(said, name) else { return };
        match target(without.into()) {
            Ok(uri) => self.0.uri = uri,
            Err(error) => tracing::warn!(%error, "an argument could not be taken out of the query"),
        }
    }

    fn whole(&mut self) -> Option<&mut Parts> {
        Some(self.0)
    }
}
