//! Heads of HTTP/1, read: those that are not sound are refused, and those that ask for nothing but an answer are taken.
//!
//! Plain requests (no body, no upgrade, nothing unusual in how they are written) are most of the traffic, and may be sent
//! twice. Whatever is sound and not plain is left to Pingora's reader, byte for byte.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};
use httparse::{Error, Header, Status};

use crate::bad::Bad;
use crate::extent::Extent;
use crate::sound;

/// How many headers a request has at most. Pingora reads twice as many.
const MOST_HEADERS: usize = 128;
/// What a client of HTTP/2 says first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How much of that looks like a head.
const PREFACE_HEAD: usize = 18;

/// What stands at the beginning of what a client has said.
pub(crate) enum Found {
    /// A plain request, and its bytes: it was taken out of the buffer.
    Plain(Box<Parts>, Bytes),
    /// Something else, and how far it goes; nothing was taken.
    Other(Extent),
    /// The preface of HTTP/2; it was not taken.
    Streams,
    /// The preface has no end yet.
    Partial,
}

/// Reads the head of this length off the buffer.
pub(crate) fn read(said: &mut BytesMut, length: usize) -> Result<Found, Bad> {
    if said[..length] == PREFACE[..PREFACE_HEAD] {
        return match said.len() < PREFACE.len() && PREFACE.starts_with(said) {
            true => Ok(Found::Partial),
            false if said.starts_with(PREFACE) => Ok(Found::Streams),
            false => Err(Bad::head("it is no preface of HTTP/2")),
        };
    }
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut []);
    match head.parse_with_uninit_headers(&said[..length], &mut room) {
        Ok(Status::Complete(read)) if read == length => {}
        Ok(_) => return Err(Bad::head("it is no request")),
        Err(error) => return Err(unreadable(error)),
    }
    let extent = sound::extent(&head, length)?;
    let other = |extent| Ok(Found::Other(extent));
    let version = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let method = match head.method {
        Some("GET") => Method::GET,
        Some("HEAD") => Method::HEAD,
        Some("OPTIONS") => Method::OPTIONS,
        _ => return other(extent),
    };
    let path = head.path.unwrap_or_default();
    if !path.starts_with('/') || !head.headers.iter().all(is_plain) {
        return other(extent);
    }
    // Values share one copy of the head instead of being copied each.
    let (whole, base) = (Bytes::copy_from_slice(&said[..length]), said.as_ptr() as usize);
    let shared = |part: &[u8]| {
        let start = part.as_ptr() as usize - base;
        whole.slice(start..start + part.len())
    };
    let Ok(target) = PathAndQuery::from_maybe_shared(shared(path.as_bytes())) else { return other(extent) };
    let mut parts = Request::new(()).into_parts().0;
    parts.method = method;
    parts.version = version;
    parts.uri = Uri::from(target);
    parts.headers.reserve(head.headers.len());
    for header in &*head.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(shared(header.value))) else { return other(extent) };
        parts.headers.append(name, value);
    }
    said.advance(length);
    Ok(Found::Plain(Box::new(parts), whole))
}

/// What httparse says of a head, in our words.
pub(crate) fn unreadable(error: Error) -> Bad {
    match error {
        Error::TooManyHeaders => Bad::long("it has more than 128 headers"),
        Error::HeaderName => Bad::head("the name of a header is none"),
        Error::HeaderValue => Bad::head("the value of a header has a control character"),
        Error::Version => Bad::head("its version is neither HTTP/1.0 nor HTTP/1.1"),
        Error::NewLine => Bad::head("a line does not end with CR and LF"),
        Error::Token | Error::Status => Bad::head("its first line is none of a request"),
    }
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

    fn found(text: &str) -> (Result<Found, Bad>, String) {
        let mut said = BytesMut::from(text);
        let length = text.find("\r\n\r\n").expect("a whole head") + 4;
        let found = read(&mut said, length);
        (found, String::from_utf8_lossy(&said).into_owned())
    }

    #[test]
    fn a_plain_request_is_taken_out_and_what_follows_stays() {
        let (Ok(Found::Plain(parts, _)), rest) = found("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-A: é 1 \r\n\r\nGET /next") else {
            unreachable!("it is plain");
        };
        assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), ("GET", "/a?b=c"));
        assert_eq!(parts.headers["host"], "x");
        assert_eq!(parts.headers["x-a"].as_bytes(), "é 1".as_bytes());
        assert_eq!(rest, "GET /next");
    }

    #[test]
    fn what_is_sound_and_not_plain_is_left_whole() {
        let head = |lines: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let others = [
            "POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            head("Content-Length: 0\r\n"),
            head("transfer-Encoding: chunked\r\n"),
            head("Upgrade: websocket\r\nConnection: Upgrade\r\n"),
            head("Connection: close, X-Real-Ip\r\n"),
            head("Expect: 100-continue\r\n"),
            head("TE: trailers\r\n"),
        ];
        for text in others {
            let (found, rest) = found(&text);
            assert!(matches!(found, Ok(Found::Other(_))), "{text:?}");
            assert_eq!(rest, text);
        }
    }

    #[test]
    fn what_is_not_sound_is_refused() {
        let head = |lines: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
        let bad = [
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET /  HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET / HTTP/1.1 \r\nHost: x\r\n\r\n".to_owned(),
            "GET /\t HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\rHost: x\r\n\r\n".to_owned(),
            "GET / HTTP/0.9\r\nHost: x\r\n\r\n".to_owned(),
            "GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(),
            "GET / http/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "GET /\r\nHost: x\r\n\r\n".to_owned(),
            "G(T / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            "PRI * HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(),
            head("Host: y\r\n"),
            head("X : y\r\n"),
            head("X\r\n"),
            head(": y\r\n"),
            head(" X: y\r\n"),
            head("X\0: y\r\n"),
            head("X: a\r\n folded\r\n"),
            head("X: a\rb\r\n"),
            head("X: a\0b\r\n"),
            head(&"X: y\r\n".repeat(MOST_HEADERS)),
        ];
        for text in bad {
            assert!(found(&text).0.is_err(), "{text:?}");
        }
        assert!(found(&head(&"X: y\r\n".repeat(MOST_HEADERS - 1))).0.is_ok());
    }

    #[test]
    fn a_connection_stays_as_its_version_and_its_word_say() {
        let check = |version, lines, expected| {
            let (Ok(Found::Plain(parts, _)), _) = found(&format!("GET / {version}\r\nHost: x\r\n{lines}\r\n")) else {
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
}
