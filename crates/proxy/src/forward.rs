//! What the upstream is told: its path, its Host, and who asks (Kong's X-Forwarded-* headers).

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue, VIA};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use sluice_plugins::UpstreamRequest;

use crate::client_ip::is_trusted;
use crate::ctx::Ctx;

/// Rewrites the request for the upstream.
pub(crate) fn forward(session: &Session, request: &mut RequestHeader, ctx: &Ctx) -> Result<()> {
    let Some(route) = ctx.route.map(|at| &ctx.snapshot.routes[at]) else { return Ok(()) };
    let Some(service) = &route.service else { return Ok(()) };
    request.set_raw_path(ctx.target.as_bytes())?;
    let peer = peer_ip(session).unwrap_or(ctx.client_ip);
    let trusted = is_trusted(peer, &ctx.snapshot.trusted_proxies);
    tell_who_asks(session, request, ctx, peer, trusted)?;
    if !route.preserve_host {
        request.insert_header(HOST, service.authority.clone())?;
    }
    append(request, "Via", &VIA, "1.1 sluice")?;
    request.insert_header("X-Request-Id", ctx.id.header())?;
    if !route.chain.is_empty() || !ctx.snapshot.consumers.is_empty() {
        route.chain.on_upstream_request(&ctx.snapshot.consumers, &ctx.memory, &mut Editor(request));
    }
    Ok(())
}

fn tell_who_asks(session: &Session, request: &mut RequestHeader, ctx: &Ctx, peer: IpAddr, trusted: bool) -> Result<()> {
    static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let mut hop = String::with_capacity(40);
    let _ = write!(hop, "{peer}");
    if trusted {
        append(request, "X-Forwarded-For", &FORWARDED_FOR, &hop)?;
    } else {
        request.insert_header("X-Forwarded-For", text(&hop)?)?;
    }
    let client = if ctx.client_ip == peer { text(&hop)? } else { text(&ctx.client_ip.to_string())? };
    request.insert_header("X-Real-IP", client)?;
    let said = session.req_header();
    let host = said.headers.get(HOST).cloned();
    let port = session.server_addr().and_then(|addr| addr.as_inet()).map_or(0, std::net::SocketAddr::port);
    let path = said.uri.path();
    set(request, trusted, "X-Forwarded-Proto", || Some(HeaderValue::from_static("http")))?;
    set(request, trusted, "X-Forwarded-Host", || host)?;
    set(request, trusted, "X-Forwarded-Port", || Some(HeaderValue::from(port)))?;
    set(request, trusted, "X-Forwarded-Path", || HeaderValue::from_str(path).ok())?;
    let prefix = (ctx.stripped > 1).then(|| path.get(..ctx.stripped).and_then(|prefix| HeaderValue::from_str(prefix).ok())).flatten();
    set(request, trusted, "X-Forwarded-Prefix", || prefix)
}

/// Sets the header, unless a trusted proxy did already; what a stranger sent under this name goes.
fn set(request: &mut RequestHeader, trusted: bool, name: &'static str, value: impl FnOnce() -> Option<HeaderValue>) -> Result<()> {
    if trusted && request.headers.contains_key(name) {
        return Ok(());
    }
    match value() {
        Some(value) => request.insert_header(name, value),
        None => {
            request.remove_header(name);
            Ok(())
        }
    }
}

/// Adds `value` to the list that the header is, in one line.
fn append(request: &mut RequestHeader, name: &'static str, key: &HeaderName, value: &str) -> Result<()> {
    let mut list = Vec::new();
    for line in request.headers.get_all(key) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    if list.is_empty() {
        return request.insert_header(name, text(value)?);
    }
    list.extend_from_slice(value.as_bytes());
    let joined = HeaderValue::from_maybe_shared(Bytes::from(list));
    request.insert_header(name, joined.map_err(|_| unfit())?)
}

fn text(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| unfit())
}

fn unfit() -> Box<pingora_core::Error> {
    pingora_core::Error::explain(pingora_core::ErrorType::InvalidHTTPHeader, "no header can hold what the upstream is to be told")
}

/// The address at the other end of the connection.
pub(crate) fn peer_ip(session: &Session) -> Option<IpAddr> {
    session.client_addr().and_then(|addr| addr.as_inet()).map(|addr| addr.ip().to_canonical())
}

struct Editor<'a>(&'a mut RequestHeader);

impl UpstreamRequest for Editor<'_> {
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue) {
        if let Err(error) = self.0.insert_header(title_case(name), value) {
            tracing::warn!(header = %name, %error, "a header for the upstream could not be set");
        }
    }

    fn remove_header(&mut self, name: &HeaderName) {
        self.0.remove_header(name);
    }

    fn remove_query(&mut self, name: &str) {
        let Some(query) = self.0.uri.query() else { return };
        let named = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(key, _)| key == name);
        if !query.split('&').any(|pair| named(&pair)) {
            return;
        }
        let kept: Vec<&str> = query.split('&').filter(|pair| !named(pair)).collect();
        let mut target = self.0.uri.path().to_owned();
        if !kept.is_empty() {
            target.push('?');
            target.push_str(&kept.join("&"));
        }
        if let Err(error) = self.0.set_raw_path(target.as_bytes()) {
            tracing::warn!(%error, "an argument could not be taken out of the query");
        }
    }
}

/// `x-consumer-id` as `X-Consumer-Id`.
fn title_case(name: &HeaderName) -> String {
    let mut upper = true;
    let titled = name.as_str().chars().map(|c| {
        let titled = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        titled
    });
    titled.collect()
}
