//! What of HTTP/1's framing and connection headers we take care of ourselves, beside what Pingora refuses.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{Method, StatusCode, Version};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use sluice_plugins::{Reply, body_length};
use smallvec::SmallVec;

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Refuses a body that says it is longer than any may be; 0: none is too long.
pub(crate) fn refuse_body(request: &Parts, most: u64) -> Option<Reply> {
    let too_long = most > 0 && body_length(&request.headers)? > most;
    too_long.then(|| Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"))
}

/// Whether the client closes its connection after the answer; Pingora looks at the first line of Connection only.
pub(crate) fn closes(request: &Parts) -> bool {
    connection(request).any(|token| token.eq_ignore_ascii_case(b"close"))
}

/// Whether the client wants headers taken out that say who asks, and for what: they are not between him and us alone.
/// Pingora knows some of them, and only once it has a connection to the upstream.
pub(crate) fn takes_away_who_asks(request: &Parts) -> bool {
    const WHO_ASKS: [&[u8]; 3] = [b"host", b"forwarded", b"x-real-ip"];
    const FAMILY: &[u8] = b"x-forwarded-";
    connection(request).any(|token| {
        let of_family = token.get(..FAMILY.len()).is_some_and(|start| start.eq_ignore_ascii_case(FAMILY));
        of_family || WHO_ASKS.into_iter().any(|name| token.eq_ignore_ascii_case(name))
    })
}

/// What Connection names.
fn connection(request: &Parts) -> impl Iterator<Item = &[u8]> {
    let lines = request.headers.get_all(CONNECTION).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The one length where the same one was said twice; none if it was said once.
pub(crate) fn unified_length(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let first = lengths.next()?.as_bytes();
    if lengths.next().is_none() && !first.contains(&b',') {
        return None;
    }
    let one = first.split(|b| *b == b',').next().unwrap_or_default().trim_ascii();
    HeaderValue::from_bytes(one).ok()
}

/// Takes out of an answer what was between the upstream and us (RFC 9110, 7.6.1).
pub(crate) fn strip_hop_by_hop(response: &mut ResponseHeader) -> Result<()> {
    let lines = response.headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let named = lines.flat_map(|line| line.split(',')).filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok());
    let named: SmallVec<[HeaderName; 2]> = named.filter(|name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING).collect();
    for name in named {
        response.remove_header(&name);
    }
    response.remove_header(&KEEP_ALIVE);
    unified_length(&response.headers).map_or(Ok(()), |length| response.insert_header(CONTENT_LENGTH, length))
}

/// Takes out of the head of an answer that has no body how a body would end; but how long it would be may be said (RFC
/// 9110, 8.6), unless there never is one.
pub(crate) fn strip_ends(request: &Parts, response: &mut ResponseHeader) {
    let never = response.status.is_informational() || response.status == StatusCode::NO_CONTENT;
    if never {
        response.remove_header(&CONTENT_LENGTH);
    }
    if never || response.status == StatusCode::NOT_MODIFIED || request.method == Method::HEAD {
        response.remove_header(&TRANSFER_ENCODING);
    }
}

/// A client of HTTP/1.0 knows no chunks: its answer ends with the connection.
pub(crate) fn suit_old_client(session: &mut Session, response: &mut ResponseHeader) {
    if session.req_header().version < Version::HTTP_11 && response.remove_header(&TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
}
