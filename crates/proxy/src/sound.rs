//! What a head of HTTP/1 must be to be believed (RFC 9112): what two readers could read in two ways is refused.
//!
//! That lines are lines, names are tokens and values are free of control characters is httparse's to see.

use http::StatusCode;
use httparse::{Header, Request};

use crate::bad::Bad;
use crate::chunks::Chunks;
use crate::extent::Extent;

/// The longest length that a body can have: one of 64 bits with a head before it still has an end.
const MOST: u64 = i64::MAX as u64;

/// What a host is written in: letters, digits and marks, but no comma, which makes two hosts of one to some.
const OF_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+;=";
    let mut at = 0;
    while at < all.len() {
        table[all[at] as usize] = true;
        at += 1;
    }
    table
};

/// What the headers say of the request's ends.
#[derive(Default)]
struct Said<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    websocket: bool,
}

/// How far a request goes whose head is of this length, if the head is sound.
pub(crate) fn extent(head: &Request<'_, '_>, length: usize) -> Result<Extent, Bad> {
    let said = Said::of(head.headers, head.version == Some(0))?;
    let (method, target) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
    check_target(method, target, said.host)?;
    if said.host.is_none() && head.version == Some(1) {
        return Err(Bad::head("it has no Host"));
    }
    let head = length as u64;
    match (said.length, said.chunked) {
        (Some(_), true) => Err(Bad::head("it has a Content-Length and a Transfer-Encoding")),
        (Some(1..), false) | (None, true) if said.websocket => Err(Bad::head("an upgrade to WebSocket has a body")),
        // What follows is of the protocol that it becomes.
        _ if said.websocket => Ok(Extent::Open),
        (None, true) => Ok(Extent::Chunked(head, Chunks::new())),
        (body, false) => Ok(Extent::Bytes(head.saturating_add(body.unwrap_or(0)))),
    }
}

impl<'a> Said<'a> {
    fn of(headers: &[Header<'a>], old: bool) -> Result<Self, Bad> {
        let mut said = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            match header.name.len() {
                4 if is("host") => {
                    if said.host.replace(header.value).is_some() {
                        return Err(Bad::head("it has two Hosts"));
                    }
                    check_authority(header.value)?;
                }
                7 if is("upgrade") => said.websocket |= !old && header.value.eq_ignore_ascii_case(b"websocket"),
                14 if is("content-length") => {
                    let before = said.length.replace(digits(header.value)?);
                    before.map_or(Ok(()), |_| Err(Bad::head("it has two Content-Lengths")))?;
                }
                17 if is("transfer-encoding") => {
                    if old {
                        return Err(Bad::head("HTTP/1.0 has no Transfer-Encoding"));
                    }
                    if said.chunked {
                        return Err(Bad::head("it has two Transfer-Encodings"));
                    }
                    if !header.value.eq_ignore_ascii_case(b"chunked") {
                        // Another coding would have to be undone, and is not.
                        return Err(Bad::head("its Transfer-Encoding is not `chunked`"));
                    }
                    said.chunked = true;
                }
                _ => {}
            }
        }
        Ok(said)
    }
}

/// A length is written in digits alone.
fn digits(value: &[u8]) -> Result<u64, Bad> {
    let sound = value.iter().all(u8::is_ascii_digit);
    let said = std::str::from_utf8(value).ok().filter(|_| sound).and_then(|said| said.parse().ok());
    said.filter(|said| *said <= MOST).ok_or(Bad::head("its Content-Length is no length"))
}

/// The target of a request has one of the forms of RFC 9112, 3.2.
fn check_target(method: &str, target: &str, host: Option<&[u8]>) -> Result<(), Bad> {
    if method == "CONNECT" {
        return Err(Bad::unserved(StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not served"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(());
    }
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        let head = target.as_bytes().get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
    });
    let Some(scheme) = scheme else { return Err(Bad::head("its target is neither a path nor a URL of HTTP")) };
    let authority = target[scheme.len()..].split(['/', '?', '#']).next().unwrap_or_default().as_bytes();
    check_authority(authority)?;
    match host {
        Some(host) if !host.eq_ignore_ascii_case(authority) => Err(Bad::head("its target is on another host than its Host")),
        _ => Ok(()),
    }
}

/// A host and perhaps a port, and nothing that could be seen as more (RFC 3986, 3.2).
pub(crate) fn check_authority(value: &[u8]) -> Result<(), Bad> {
    let bracketed = value.first() == Some(&b'[');
    let (host, port) = match value.iter().rposition(|byte| *byte == if bracketed { b']' } else { b':' }) {
        Some(end) if bracketed => value.split_at(end + 1),
        Some(colon) => value.split_at(colon),
        None => (value, &b""[..]),
    };
    let sound = match host {
        [b'[', address @ .., b']'] => {
            !address.is_empty() && address.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        _ => !host.is_empty() && host.iter().all(|byte| OF_HOST[usize::from(*byte)]),
    };
    let port_is_sound =
        port.strip_prefix(b":").map_or(port.is_empty(), |port| port.len() <= 5 && port.iter().all(u8::is_ascii_digit));
    if sound && port_is_sound { Ok(()) } else { Err(Bad::head("its Host is no host")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str) -> Result<Extent, Bad> {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut head = Request::new(&mut headers);
        let parsed = head.parse(request.as_bytes()).expect("a sound head");
        extent(&head, parsed.unwrap())
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for lines in [
            "",
            "Host: a\r\nHost: a\r\n",
            "Host:\r\n",
            "Host: a b\r\n",
            "Host: a, b\r\n",
            "Host: a/b\r\n",
            "Host: me@a\r\n",
            "Host: a:b\r\n",
            "Host: a:80:80\r\n",
            "Host: [::1\r\n",
            "Host: é\r\n",
            "Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
            "Host: x\r\nContent-Length: 5, 5\r\n",
            "Host: x\r\nContent-Length: +5\r\n",
            "Host: x\r\nContent-Length: 0x5\r\n",
            "Host: x\r\nContent-Length:\r\n",
            "Host: x\r\nContent-Length: 99999999999999999999\r\n",
            "Host: x\r\nContent-Length: 18446744073709551615\r\n",
            "Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
            "Host: x\r\nTransfer-Encoding: chunked, chunked\r\n",
            "Host: x\r\nTransfer-Encoding: identity\r\n",
            "Host: x\r\nTransfer-Encoding:\r\n",
            "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Host: x\r\nUpgrade: websocket\r\nContent-Length: 5\r\n",
            "Host: x\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        ] {
            let bad = check(&format!("POST / HTTP/1.1\r\n{lines}\r\n")).expect_err(lines);
            assert_eq!(bad.status, 400, "{lines}");
        }
        let old = check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").expect_err("HTTP/1.0 has no chunks");
        assert_eq!(old.status, 400);
    }

    #[test]
    fn a_target_is_a_path_or_a_url_of_the_same_host() {
        let check = |line: &str, expected: Option<u16>| {
            let found = check(&format!("{line} HTTP/1.1\r\nHost: a:80\r\n\r\n"));
            assert_eq!(found.err().map(|bad| bad.status.as_u16()), expected, "{line}");
        };
        check("GET /", None);
        check("GET //x", None);
        check("OPTIONS *", None);
        check("GET http://a:80/", None);
        check("GET HTTP://A:80?x", None);
        check("GET *", Some(400));
        check("GET a", Some(400));
        check("GET http://b/", Some(400));
        check("GET http://me@a:80/", Some(400));
        check("GET http:///", Some(400));
        check("GET ftp://a:80/", Some(400));
        check("CONNECT a:80", Some(405));
    }

    #[test]
    fn what_is_sound_has_its_end() {
        let check = |lines: &str| check(&format!("POST / HTTP/1.1\r\nHost: [::1]:80\r\n{lines}\r\n"));
        assert!(matches!(check(""), Ok(Extent::Bytes(35))));
        assert!(matches!(check("Content-Length: 5\r\n"), Ok(Extent::Bytes(59))));
        assert!(matches!(check("Transfer-Encoding: Chunked\r\n"), Ok(Extent::Chunked(63, _))));
        assert!(matches!(check("Upgrade: h2c\r\nContent-Length: 1\r\n"), Ok(Extent::Bytes(_))));
        assert!(matches!(check("Connection: Upgrade\r\nUpgrade: websocket\r\n"), Ok(Extent::Open)));
    }
}
