//! The one form of a path that routes are matched by and that upstreams see.
//!
//! As Kong does: percent triplets in capitals, unreserved characters (RFC 3986, 2.3) decoded, what a URI has no place for
//! encoded, dot segments removed, repeated slashes merged. `/a/%2e%2e//b` and `/b` are the same path, and so are `/ä` and
//! `/%c3%a4`: a limit or a key on one cannot be walked around by the other. A `%` that begins no triplet becomes `%25`, so
//! that nothing becomes a triplet by being decoded.

use std::borrow::Cow;
use std::fmt::Write;

/// What stands in a path as it is: RFC 3986's unreserved and reserved characters.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let others = b"-._~!#$&'()*+,/:;=?@[]";
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        plain[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

/// The normal form of `path`; most paths are in it already, and are borrowed.
pub fn normalise(path: &str) -> Cow<'_, str> {
    if is_normal(path.as_bytes()) { Cow::Borrowed(path) } else { Cow::Owned(remove_dots(&decode(path))) }
}

fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    path.first() == Some(&b'/')
        && path.iter().all(|byte| {
            let normal = PLAIN[usize::from(*byte)] && (before != b'/' || (*byte != b'/' && *byte != b'.'));
            before = *byte;
            normal
        })
}

/// Decodes what needs no encoding, encodes what does, and writes triplets in capitals.
fn decode(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, triplet(after)) {
            (b'%', Some(decoded)) => {
                rest = &after[2..];
                if decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded) {
                    out.push(char::from(decoded));
                } else {
                    encode(decoded, &mut out);
                }
            }
            (byte, _) if PLAIN[usize::from(*byte)] => out.push(char::from(*byte)),
            (byte, _) => encode(*byte, &mut out),
        }
    }
    out
}

/// The byte that the two digits after a `%` stand for.
fn triplet(after: &[u8]) -> Option<u8> {
    let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

fn encode(byte: u8, out: &mut String) {
    // Writing to memory does not fail.
    let _ = write!(out, "%{byte:02X}");
}

/// RFC 3986, 5.2.4, with empty segments merged.
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    // What ended in a directory still does.
    if kept.is_empty() || matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_have_one_form() {
        let check = |path: &str, expected: &str| assert_eq!(normalise(path), expected, "{path}");
        check("/demo", "/demo");
        check("/", "/");
        check("", "/");
        check("*", "/*");
        check("/a//b///c", "/a/b/c");
        check("/a/./b/../c", "/a/c");
        check("/a/%2e%2E/b", "/b");
        check("/a/..", "/");
        check("/a/b/..", "/a/");
        check("/a/b/.", "/a/b/");
        check("/../../x", "/x");
        check("/%61%2fb%7e", "/a%2Fb~");
        check("/a%2", "/a%252");
        check("/a%zz%+1", "/a%25zz%25+1");
        check("/%%34%31", "/%2541");
        check("/a b|{c}", "/a%20b%7C%7Bc%7D");
        check("/a;x=1", "/a;x=1");
        check("/.hidden", "/.hidden");
        check("/ä/%c3%a4", "/%C3%A4/%C3%A4");
    }

    proptest! {
        #[test]
        fn a_normal_path_stays_as_it_is(path in "/([a-z%.2eE34fF/~ ä|]|%2e|%2F|%34|\\.\\.){0,12}") {
            let once = normalise(&path).into_owned();
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//"));
            prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."));
            prop_assert_eq!(normalise(&once).into_owned(), once);
        }
    }
}
