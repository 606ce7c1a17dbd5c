//! What gRPC clients are told: HTTP's status is 200 for them, and what became of the call stands in `grpc-status`.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{StatusCode, Version};
use serde_json::Value;
use sluice_plugins::{Body, Reply, number};

const CONTENT: HeaderValue = HeaderValue::from_static("application/grpc");

/// The status of a call that was answered with a status of HTTP: what HTTP says in one word and gRPC in another.
const STATUSES: &[(u16, u64)] = &[
    (400, 3),  // INVALID_ARGUMENT
    (401, 16), // UNAUTHENTICATED
    (403, 7),  // PERMISSION_DENIED
    (404, 12), // UNIMPLEMENTED: nobody here knows such a method
    (405, 12),
    (408, 4), // DEADLINE_EXCEEDED
    (413, 8), // RESOURCE_EXHAUSTED
    (426, 9), // FAILED_PRECONDITION
    (429, 8),
    (431, 8),
    (499, 1),  // CANCELLED
    (500, 13), // INTERNAL
    (501, 12),
    (502, 14), // UNAVAILABLE
    (503, 14),
    (504, 4),
];
/// That of any other.
const UNKNOWN: u64 = 2;

/// Whether a request is a call of gRPC (gRPC-Web is none).
pub(crate) fn is_call(request: &Parts) -> bool {
    let kind = request.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let rest = kind.strip_prefix(CONTENT.as_bytes());
    request.version == Version::HTTP_2 && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// An answer of our own as a call gets it: no body, and everything else beside its status.
pub(crate) fn translated(mut reply: Reply) -> Reply {
    let code = reply.status.as_u16();
    let status = STATUSES.iter().find(|(http, _)| *http == code).map_or(UNKNOWN, |(_, grpc)| *grpc);
    let message = HeaderValue::from_str(&encoded(&message(&reply))).expect("what is not printable is encoded");
    reply.headers.push((Bytes::from_static(b"grpc-status"), number(status)));
    reply.headers.push((Bytes::from_static(b"grpc-message"), message));
    reply.status = StatusCode::OK;
    reply.body = Body::Typed { content_type: CONTENT, bytes: Bytes::new() };
    reply
}

/// What the body says to people.
fn message(reply: &Reply) -> Cow<'_, str> {
    let bytes = match &reply.body {
        Body::Message(message) => return Cow::Borrowed(message),
        Body::Json(bytes) | Body::Typed { bytes, .. } => bytes,
        Body::Nothing => &Bytes::new(),
    };
    let said = serde_json::from_slice::<Value>(bytes).ok();
    let said = said.and_then(|said| said.get("message").or_else(|| said.get("detail"))?.as_str().map(str::to_owned));
    said.map_or(Cow::Borrowed(reply.status.canonical_reason().unwrap_or_default()), Cow::Owned)
}

/// A message as gRPC writes it in a header: printable ASCII but for the percent sign as it is, any other byte by its number.
fn encoded(message: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(version: Version, kind: &str) -> bool {
        let request = http::Request::builder().version(version).header("content-type", kind).body(());
        is_call(&request.expect("a request").into_parts().0)
    }

    #[test]
    fn a_call_is_known_by_its_content_type() {
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;charset=x"] {
            assert!(call(Version::HTTP_2, kind), "{kind}");
            assert!(!call(Version::HTTP_11, kind), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grpcs", "application/json", ""] {
            assert!(!call(Version::HTTP_2, kind), "{kind}");
        }
    }

    #[test]
    fn a_refusal_says_what_it_is_in_grpcs_words_and_keeps_its_headers() {
        let check = |mut reply: Reply, status: &str, message: &str| {
            reply.headers.push((Bytes::from_static(b"Retry-After"), number(7)));
            let reply = translated(reply);
            let header = |name: &str| reply.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.to_str().ok());
            assert_eq!(reply.status, StatusCode::OK);
            assert_eq!(header("grpc-status"), Some(Some(status)));
            assert_eq!(header("grpc-message"), Some(Some(message)));
            assert_eq!(header("Retry-After"), Some(Some("7")));
            assert!(matches!(&reply.body, Body::Typed { bytes, .. } if bytes.is_empty()));
        };
        let json = |status, text: &'static str| Reply { body: Body::Json(text.into()), ..Reply::error(status, "") };
        check(json(StatusCode::TOO_MANY_REQUESTS, r#"{"message":"too fast"}"#), "8", "too fast");
        check(json(StatusCode::TOO_MANY_REQUESTS, r#"{"detail":"a quota"}"#), "8", "a quota");
        check(json(StatusCode::TOO_MANY_REQUESTS, "[]"), "8", "Too Many Requests");
        check(Reply::error(StatusCode::UNAUTHORIZED, "100 % né"), "16", "100 %25 n%C3%A9");
        check(Reply::error(StatusCode::GATEWAY_TIMEOUT, "late"), "4", "late");
        check(Reply::error(StatusCode::IM_A_TEAPOT, "tea\r\n"), "2", "tea%0D%0A");
    }
}
