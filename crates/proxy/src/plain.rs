//! Requests that ask for nothing but an answer: no body, no upgrade, nothing unusual in how they are written.
//!
//! They are most of the traffic, and may be sent twice. Their heads are read here; whatever is not plain by these rules
//! is left to Pingora's reader, byte for byte.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};
use httparse::{Header, Status};

use crate::extent::Extent;

/// How many headers a plain request has at most.
const MOST_HEADERS: usize = 64;
/// What a client of HTTP/2 says first (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What stands at the beginning of what a client has said.
pub(crate) enum Found {
    /// A plain request, and its bytes: it was taken out of the buffer.
    Plain(Box<Parts>, Bytes),
    /// Something else, and how far it goes; nothing was taken.
    Other(Extent),
    /// The preface of HTTP/2; it was not taken.
    Streams,
    /// The head has no end yet.
    Partial,
}

/// Reads a plain request off the buffer.
pub(crate) fn read(said: &mut BytesMut) -> Found {
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut []);
    let length = match head.parse_with_uninit_headers(said, &mut room) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Found::Partial,
        Err(_) if said.starts_with(PREFACE) => return Found::Streams,
        Err(_) if PREFACE.starts_with(said) => return Found::Partial,
        Err(_) => return Found::Other(Extent::Open),
    };
    if !is_strict(&said[..length]) {
        return Found::Other(Extent::Open);
    }
    let other = || Found::Other(Extent::of(length, head.headers));
    let version = match head.version {
        Some(1) => Version::HTTP_11,
        Some(0) => Version::HTTP_10,
        _ => return other(),
    };
    let method = match head.method {
        Some("GET") => Method::GET,
        Some("HEAD") => Method::HEAD,
        Some("OPTIONS") => Method::OPTIONS,
        _ => return other(),
    };
    let path = head.path.unwrap_or_default();
    if !path.starts_with('/') || !head.headers.iter().all(is_plain) {
        return other();
    }
    // Values share one copy of the head instead of being copied each.
    let (whole, base) = (Bytes::copy_from_slice(&said[..length]), said.as_ptr() as usize);
    let shared = |part: &[u8]| {
        let start = part.as_ptr() as usize - base;
        whole.slice(start..start + part.len())
    };
    let Ok(target) = PathAndQuery::from_maybe_shared(shared(path.as_bytes())) else { return other() };
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method;
    parts.version = version;
    parts.uri = Uri::from(target);
    parts.headers.reserve(head.headers.len());
    for header in &*head.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(shared(header.value))) else { return other() };
        // Two hosts are Pingora's to refuse.
        if parts.headers.append(&name, value) && name == HOST {
            return other();
        }
    }
    said.advance(length);
    Found::Plain(Box::new(parts), whole)
}

/// Every line ends as it should.
fn is_strict(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter().all(|byte| {
        let strict = *byte != b'\n' || before == b'\r';
        before = *byte;
        strict
    })
}

/// Whether a header asks for nothing of the connection and tells of no body.
fn is_plain(header: &Header<'_>) -> bool {
    const OTHERS: [&str; 11] = [
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let same = |name: &str| header.name.eq_ignore_ascii_case(name);
    if same("connection") {
        return header.value.eq_ignore_ascii_case(b"keep-alive") || header.value.eq_ignore_ascii_case(b"close");
    }
    !OTHERS.into_iter().any(same)
}

/// Whether the client keeps its connection after the answer. One that closes anywhere closes.
pub(crate) fn stays(request: &Parts) -> bool {
    let mut said = request.headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes).peekable();
    match request.version {
        Version::HTTP_11 => !said.any(|said| said.eq_ignore_ascii_case(b"close")),
        _ => said.peek().is_some() && said.all(|said| said.eq_ignore_ascii_case(b"keep-alive")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> (Found, String) {
        let mut said = BytesMut::from(text);
        let found = read(&mut said);
        (found, String::from_utf8_lossy(&said).into_owned())
    }

    #[test]
    fn a_plain_request_is_taken_out_and_what_follows_stays() {
        let (Found::Plain(parts, _), rest) = found("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-A: é 1 \r\n\r\nGET /next") else {
            unreachable!("it is plain");
        };
        assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), ("GET", "/a?b=c"));
        assert_eq!(parts.headers["host"], "x");
        assert_eq!(parts.headers["x-a"].as_bytes(), "é 1".as_bytes());
        assert_eq!(rest, "GET /next");
    }

    #[test]
    fn what_is_not_plain_is_left_whole() {
        let head = |lines: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let others = [
            "POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\nHost: x\n\n".to_owned(),
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "PRI * HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(),
            head("Content-Length: 0\r\n"),
            head("transfer-Encoding: chunked\r\n"),
            head("Upgrade: websocket\r\nConnection: Upgrade\r\n"),
            head("Connection: close, X-Real-Ip\r\n"),
            head("Host: y\r\n"),
            head("Expect: 100-continue\r\n"),
            head("TE: trailers\r\n"),
            head("X : y\r\n"),
            head("X: a\r\n folded\r\n"),
        ];
        for text in others {
            let (found, rest) = found(&text);
            assert!(matches!(found, Found::Other(_) | Found::Streams), "{text:?}");
            assert_eq!(rest, text);
        }
    }

    #[test]
    fn the_preface_of_http_2_is_known_once_it_is_whole() {
        let whole = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for end in 1..whole.len() {
            assert!(matches!(found(&whole[..end]).0, Found::Partial), "{end}");
        }
        let (found, rest) = found(&format!("{whole}more"));
        assert!(matches!(found, Found::Streams) && rest.len() == whole.len() + 4);
    }

    #[test]
    fn a_connection_stays_as_its_version_and_its_word_say() {
        let check = |version, lines, expected| {
            let (Found::Plain(parts, _), _) = found(&format!("GET / {version}\r\nHost: x\r\n{lines}\r\n")) else {
                unreachable!("it is plain");
            };
            assert_eq!(stays(&parts), expected, "{version} {lines}");
        };
        check("HTTP/1.1", "", true);
        check("HTTP/1.1", "Connection: Close\r\n", false);
        check("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false);
        check("HTTP/1.0", "", false);
        check("HTTP/1.0", "Connection: Keep-Alive\r\n", true);
    }

    proptest! {
        #[test]
        fn a_head_is_found_whole_or_not_yet(cut in 0_usize..60) {
            let whole = "GET /some/where HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n\r\n";
            let (found, rest) = found(&whole[..cut.min(whole.len())]);
            let partial = cut < whole.len();
            prop_assert_eq!(matches!(found, Found::Partial), partial);
            prop_assert_eq!(rest.is_empty(), !partial || cut == 0);
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut said = BytesMut::from(&bytes[..]);
            if !matches!(read(&mut said), Found::Plain(..)) {
                prop_assert_eq!(&said[..], &bytes[..]);
            }
        }
    }
}
