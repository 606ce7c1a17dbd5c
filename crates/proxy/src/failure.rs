//! What a client is told when the way to the upstream fails: Kong's statuses and messages.

use std::io;

use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType};
use sluice_plugins::Reply;

use crate::complaints::Reason;

/// A service of which no target is healthy.
pub(crate) const NO_PEER: ErrorType = ErrorType::Custom("no healthy target");
/// A service whose names lead nowhere.
pub(crate) const LOST: ErrorType = ErrorType::Custom("name resolution failed");

/// What a client did that its request failed for.
pub(crate) fn offence(error: &Error) -> Option<Reason> {
    let cause = error.root_cause().downcast_ref::<io::Error>().filter(|_| *error.esource() == ErrorSource::Downstream)?;
    match (cause.kind(), error.etype()) {
        (io::ErrorKind::InvalidData, _) => Some(Reason::BadBody),
        (io::ErrorKind::TimedOut, ErrorType::WriteError) => Some(Reason::SlowReader),
        (io::ErrorKind::TimedOut, _) => Some(Reason::SlowBody),
        _ => None,
    }
}

/// The answer for an error; none if there is nobody left to answer.
pub(crate) fn reply_to(error: &Error) -> Option<Reply> {
    use ErrorType::{
        ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, ConnectionClosed, HTTPStatus, InvalidHTTPHeader,
        ReadError, ReadTimedout, TLSHandshakeTimedout, WriteError, WriteTimedout,
    };
    let (status, message) = match (error.esource(), error.etype()) {
        (_, kind) if *kind == LOST => (StatusCode::SERVICE_UNAVAILABLE, "name resolution failed"),
        (_, kind) if *kind == NO_PEER => (StatusCode::SERVICE_UNAVAILABLE, "failure to get a peer from the ring-balancer"),
        (_, HTTPStatus(413)) => (StatusCode::PAYLOAD_TOO_LARGE, "Request size limit exceeded"),
        (_, HTTPStatus(code)) => {
            (StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "An unexpected error occurred")
        }
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | WriteTimedout | TLSHandshakeTimedout) => {
            (StatusCode::GATEWAY_TIMEOUT, "The upstream server is timing out")
        }
        (ErrorSource::Upstream, ConnectRefused | ConnectNoRoute | ConnectError) => {
            (StatusCode::SERVICE_UNAVAILABLE, "The upstream server is currently unavailable")
        }
        (ErrorSource::Upstream, _) => (StatusCode::BAD_GATEWAY, "An invalid response was received from the upstream server"),
        (ErrorSource::Downstream, ReadError) => match offence(error)? {
            Reason::BadBody => (StatusCode::BAD_REQUEST, "Bad request"),
            Reason::SlowBody => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
            _ => return None,
        },
        (ErrorSource::Downstream, WriteError | ConnectionClosed) => return None,
        (ErrorSource::Downstream, ReadTimedout | WriteTimedout) => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
        (ErrorSource::Downstream, _) | (_, InvalidHTTPHeader) => (StatusCode::BAD_REQUEST, "Bad request"),
        (ErrorSource::Internal | ErrorSource::Unset, _) => (StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred"),
    };
    Some(Reply::error(status, message))
}
