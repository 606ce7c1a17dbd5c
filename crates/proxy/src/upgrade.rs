//! Upgrades: to WebSocket and nothing else, over HTTP/1, for as long as either end has something to say.

use std::io;

use http::Version;
use http::header::UPGRADE;
use http::request::Parts;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use crate::ctx::Ctx;
use crate::visit::Visit;

/// Whether a request asks for an upgrade that is passed on. Any other is a request like all others.
fn is_asked(request: &Parts) -> bool {
    let wanted = request.headers.get(UPGRADE).is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(b"websocket"));
    wanted && request.version == Version::HTTP_11
}

/// Sees to it that silence of one end alone does not close a connection that is about to be upgraded.
pub(crate) fn prepare(session: &mut Session, ctx: &mut Ctx) {
    if !is_asked(session.req_header()) {
        return;
    }
    let Some(limit) = ctx.service().map(|service| service.read_timeout) else { return };
    if let Ok(connection) = Visit::of(session).and_then(|visit| visit.connection()) {
        connection.watch(limit);
        session.set_read_timeout(None);
        ctx.upgrade = true;
    }
}

/// What such a connection wants of its upstream.
pub(crate) fn suit(peer: &mut HttpPeer) {
    peer.options.read_timeout = None;
    peer.options.set_http_version(1, 1);
}

/// What is wrong with an upstream that switches by itself.
pub(crate) fn unasked() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "it switches to a protocol that nobody asked for").into_up()
}

/// The same error, unless it says that an upstream did not answer whether it upgrades.
pub(crate) fn explained(error: Box<Error>, session: &Session, ctx: &Ctx) -> Box<Error> {
    let quiet = || error.root_cause().downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut);
    if ctx.upgrade && session.response_written().is_none() && *error.esource() == ErrorSource::Downstream && quiet() {
        return Error::explain(ErrorType::ReadTimedout, "asking for an upgrade").into_up();
    }
    error
}
