//! What of HTTP/1's framing and connection headers we take care of ourselves, beside what Pingora refuses.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{StatusCode, Version};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use sluice_plugins::Reply;
use smallvec::SmallVec;

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Refuses what would mean one thing to us and another to the upstream.
pub(crate) fn refuse(request: &Parts) -> Option<Reply> {
    let nameless = request.version == Version::HTTP_11 && !request.headers.contains_key(HOST);
    // Another coding than chunked would have to be undone, and is not.
    let coded = request.headers.get(TRANSFER_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    (nameless || coded).then(|| Reply::error(StatusCode::BAD_REQUEST, "Bad request"))
}

/// One Content-Length where the client sent the same one twice.
pub(crate) fn unify_length(headers: &mut HeaderMap) {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    let one = first.as_bytes().split(|b| *b == b',').next().unwrap_or_default().trim_ascii();
    if let Ok(one) = HeaderValue::from_bytes(one) {
        headers.insert(CONTENT_LENGTH, one);
    }
}

/// Takes out of an answer what was between the upstream and us (RFC 9110, 7.6.1).
pub(crate) fn strip_hop_by_hop(response: &mut ResponseHeader) {
    let lines = response.headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let named = lines.flat_map(|line| line.split(',')).filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok());
    let named: SmallVec<[HeaderName; 2]> = named.filter(|name| *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING).collect();
    for name in named {
        response.remove_header(&name);
    }
    response.remove_header(&KEEP_ALIVE);
}

/// A client of HTTP/1.0 knows no chunks: its answer ends with the connection.
pub(crate) fn suit_old_client(session: &mut Session, response: &mut ResponseHeader) {
    if session.req_header().version < Version::HTTP_11 && response.remove_header(&TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
}
