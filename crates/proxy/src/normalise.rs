//! The one form of a path that routes are matched by and that upstreams see.
//!
//! As Kong does: percent triplets in capitals, unreserved characters (RFC 3986, 2.3) decoded, dot segments removed,
//! repeated slashes merged. `/a/%2e%2e//b` and `/b` are the same path, so a limit or a key on `/b` cannot be walked around.

use std::borrow::Cow;

/// The normal form of `path`; most paths are in it already, and are borrowed.
pub(crate) fn normalise(path: &str) -> Cow<'_, str> {
    if is_normal(path.as_bytes()) { Cow::Borrowed(path) } else { Cow::Owned(remove_dots(&decode(path))) }
}

fn is_normal(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && !path.contains(&b'%') && !path.windows(2).any(|pair| matches!(pair, b"//" | b"/."))
}

/// Decodes what needs no encoding, and writes the other triplets in capitals. A `%` that begins no triplet stays.
fn decode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let triplet = rest.get(at..at + 3).and_then(|triplet| u8::from_str_radix(&triplet[1..], 16).ok());
        let byte = triplet.filter(|_| rest.as_bytes()[at + 1] != b'+');
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
            Some(_) => out.push_str(&rest[at..at + 3].to_ascii_uppercase()),
            None => out.push('%'),
        }
        rest = &rest[at + if byte.is_some() { 3 } else { 1 }..];
    }
    out.push_str(rest);
    out
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
        check("/a%2", "/a%2");
        check("/a%zz%+1", "/a%zz%+1");
        check("/a;x=1", "/a;x=1");
        check("/.hidden", "/.hidden");
        check("/ä/%c3%a4", "/ä/%C3%A4");
    }

    proptest! {
        #[test]
        fn a_normal_path_stays_as_it_is(path in "/([a-z%.2eEfF/~]|%2e|%2F|\\.\\.){0,12}") {
            let once = normalise(&path).into_owned();
            prop_assert!(once.starts_with('/'));
            prop_assert!(!once.contains("//"));
            prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."));
            // Decoding can make a new triplet (`%25` does not, since `%` is reserved), so once is enough.
            prop_assert_eq!(normalise(&once).into_owned(), once);
        }
    }
}
