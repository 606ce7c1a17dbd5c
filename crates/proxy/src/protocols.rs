//! What a route may be asked by: whoever asks by something else is told what to do instead, as by Kong.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{StatusCode, Version};
use sluice_config::{Route, RouteProtocol, split_host};
use sluice_plugins::{Body, Reply};

use crate::client_ip::Trust;
use crate::decide;
use crate::visit::Visit;

/// The protocols of a route, as far as they keep anybody out.
#[derive(Clone, Copy)]
pub(crate) enum Protocols {
    /// HTTP of both kinds.
    Any,
    /// HTTPS only; what the others are answered.
    Https(u16),
    /// gRPC only; whether it may come without TLS.
    Grpc { plain: bool },
}

impl Protocols {
    pub fn of(route: &Route) -> Self {
        let may = |protocol| route.protocols.contains(&protocol);
        if may(RouteProtocol::Grpc) || may(RouteProtocol::Grpcs) {
            return Self::Grpc { plain: may(RouteProtocol::Grpc) };
        }
        if may(RouteProtocol::Http) { Self::Any } else { Self::Https(route.https_redirect_status_code) }
    }

    /// What to answer to a request that came by something else.
    pub fn refuse(self, visit: &Visit<'_>, trust: Trust<'_>) -> Option<Reply> {
        match self {
            Self::Any => None,
            Self::Https(_) if is_secure(visit, trust) => None,
            Self::Https(426) => Some(upgrade("Please use HTTPS protocol", "TLS/1.2, HTTP/1.1")),
            Self::Https(status) => Some(redirect(visit, trust, status)),
            Self::Grpc { .. } if !is_grpc(&visit.request.headers) => {
                Some(Reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Non-gRPC request matched gRPC route"))
            }
            Self::Grpc { .. } if visit.request.version != Version::HTTP_2 => Some(upgrade("Please use HTTP2 protocol", "HTTP/2")),
            // A call is told so in its own words: CANCELLED.
            Self::Grpc { plain: false } if !is_secure(visit, trust) => {
                Some(Reply::error(decide::CLIENT_GONE, "gRPC request matched gRPCs route"))
            }
            Self::Grpc { .. } => None,
        }
    }
}

/// Whether the client spoke TLS, to us or to a proxy that is trusted.
fn is_secure(visit: &Visit<'_>, trust: Trust<'_>) -> bool {
    let (proto, _) = trust.said(visit.caller.peer, &visit.request.headers);
    proto.unwrap_or_else(|| visit.scheme()).eq_ignore_ascii_case("https")
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"application/grpc"))
}

fn upgrade(message: &'static str, to: &'static str) -> Reply {
    let mut reply = Reply::error(StatusCode::UPGRADE_REQUIRED, message);
    reply.headers.push((Bytes::from_static(b"Connection"), HeaderValue::from_static("Upgrade")));
    reply.headers.push((Bytes::from_static(b"Upgrade"), HeaderValue::from_static(to)));
    reply
}

/// The same by HTTPS, on its own port.
fn redirect(visit: &Visit<'_>, trust: Trust<'_>, status: u16) -> Reply {
    let said = visit.host().and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
    let (_, host) = trust.said(visit.caller.peer, &visit.request.headers);
    let host = host.unwrap_or_else(|| without_port(said));
    let target = visit.request.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let location = HeaderValue::from_str(&format!("https://{host}{target}"));
    let mut reply = empty(StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND));
    reply.headers.extend(location.ok().map(|location| (Bytes::from_static(b"Location"), location)));
    reply
}

/// A host without its port, and with the brackets of an IPv6 address.
fn without_port(said: &str) -> &str {
    match split_host(said) {
        (host, _) if said.starts_with('[') => said.get(..host.len() + 2).unwrap_or(said),
        (host, _) => host,
    }
}

fn empty(status: StatusCode) -> Reply {
    let content_type = HeaderValue::from_static("application/json; charset=utf-8");
    Reply { status, headers: Default::default(), body: Body::Typed { content_type, bytes: Bytes::new() } }
}
