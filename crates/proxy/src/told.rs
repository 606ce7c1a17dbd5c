//! Tells hooks of requests that failed at their upstream; whoever answers such a request calls it, once.

use pingora_core::{Error, ErrorSource, ErrorType};
use sluice_events::{Emitter, UpstreamError};

use crate::ctx::Ctx;
use crate::failure::{LOST, NO_PEER};

/// Tells of the failure for which the client is answered with this status, if it is the upstream's.
pub(crate) fn tell(emitter: &Emitter<UpstreamError>, error: &Error, status: u16, ctx: &Ctx) {
    let (Some(word), Some(service)) = (word_for(error), ctx.service()) else { return };
    emitter.emit(|| UpstreamError {
        request_id: ctx.id.as_str().to_owned(),
        ip: ctx.client_ip,
        service: Some(service.entity.clone()),
        route: ctx.route.map(|at| ctx.snapshot.routes[at].entity.clone()),
        upstream: ctx.tries.shown().unwrap_or_else(|| service.target.shown()),
        error: word,
        status,
    });
}

/// What went wrong at the upstream, in a word that hooks can rely on; none if it did not go wrong there.
fn word_for(error: &Error) -> Option<&'static str> {
    use ErrorType::{
        BindError, ConnectError, ConnectNoRoute, ConnectProxyFailure, ConnectRefused, ConnectTimedout, ConnectionClosed,
        HandshakeError, InvalidCert, ReadError, ReadTimedout, SocketError, TLSHandshakeFailure, TLSHandshakeTimedout,
        TLSWantX509Lookup, WriteError, WriteTimedout,
    };
    Some(match (error.esource(), error.etype()) {
        (_, kind) if *kind == LOST => "name-resolution",
        (_, kind) if *kind == NO_PEER => "no-healthy-target",
        (ErrorSource::Upstream, ConnectRefused) => "connect-refused",
        (ErrorSource::Upstream, ConnectTimedout | TLSHandshakeTimedout) => "connect-timeout",
        (ErrorSource::Upstream, ConnectNoRoute | ConnectError | ConnectProxyFailure | SocketError | BindError) => {
            "connect-failed"
        }
        (ErrorSource::Upstream, TLSHandshakeFailure | TLSWantX509Lookup | InvalidCert | HandshakeError) => "tls-failed",
        (ErrorSource::Upstream, ReadTimedout) => "read-timeout",
        (ErrorSource::Upstream, WriteTimedout) => "write-timeout",
        (ErrorSource::Upstream, ConnectionClosed) => "closed",
        (ErrorSource::Upstream, ReadError | WriteError) => "reset",
        (ErrorSource::Upstream, _) => "invalid-response",
        (ErrorSource::Downstream | ErrorSource::Internal | ErrorSource::Unset, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_wrong_at_the_upstream_has_a_word() {
        let check = |kind: ErrorType, word: Option<&str>| {
            assert_eq!(word_for(&Error::new_up(kind.clone())), word, "{kind:?}");
            assert_eq!(word_for(&Error::new_down(kind.clone())), None, "{kind:?}");
            assert_eq!(word_for(&Error::new_in(kind.clone())), None, "{kind:?}");
        };
        check(ErrorType::ConnectRefused, Some("connect-refused"));
        check(ErrorType::TLSHandshakeTimedout, Some("connect-timeout"));
        check(ErrorType::InvalidCert, Some("tls-failed"));
        check(ErrorType::ConnectionClosed, Some("closed"));
        check(ErrorType::ReadError, Some("reset"));
        check(ErrorType::InvalidHTTPHeader, Some("invalid-response"));
        assert_eq!(word_for(&Error::new(LOST)), Some("name-resolution"));
    }
}
