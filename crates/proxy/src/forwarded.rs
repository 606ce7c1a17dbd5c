//! The header Forwarded (RFC 7239), read from the right.
//!
//! From the left, a quote that somebody opened and never closed would swallow what the proxies added behind it. From the
//! right, what a proxy added is read as it was written, whatever stands before it.

use std::iter::Rev;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderValue, ValueIter};

/// What a proxy says of one hop, each as it is written: without quotes.
#[derive(Debug, Default)]
pub(crate) struct Element<'a> {
    /// Who asked it.
    pub node: Option<&'a str>,
    /// What he spoke.
    pub proto: Option<&'a str>,
    /// The host that he asked for.
    pub host: Option<&'a str>,
}

/// The elements of all lines from the last one on, up to one that is malformed.
pub(crate) struct Elements<'a> {
    lines: Rev<ValueIter<'a, HeaderValue>>,
    /// What is still to be read of the line.
    rest: Option<&'a [u8]>,
}

impl<'a> Elements<'a> {
    pub fn of(headers: &'a HeaderMap) -> Self {
        Self { lines: headers.get_all(FORWARDED).iter().rev(), rest: None }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let line = self.rest.take().or_else(|| self.lines.next().map(HeaderValue::as_bytes))?;
        let read = last_element(line);
        match read {
            Some((element, rest)) => {
                self.rest = rest;
                Some(element)
            }
            None => {
                // Nothing to the left of it is believed.
                while self.lines.next().is_some() {}
                None
            }
        }
    }
}

/// The last element, and what stands before its comma; none if it is malformed.
fn last_element(line: &[u8]) -> Option<(Element<'_>, Option<&[u8]>)> {
    let mut element = Element::default();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_end();
        // Nothing may stand between semicolons.
        if !rest.is_empty() && !rest.ends_with(b";") && !rest.ends_with(b",") {
            let (name, value, before) = last_pair(rest)?;
            element.take(name, value)?;
            rest = before.trim_ascii_end();
        }
        match rest.split_last() {
            None => return Some((element, None)),
            Some((b';', before)) => rest = before,
            Some((b',', before)) => return Some((element, Some(before))),
            Some(_) => return None,
        }
    }
}

impl<'a> Element<'a> {
    /// Keeps what is of use here; none if it was said before.
    fn take(&mut self, name: &[u8], value: &'a str) -> Option<()> {
        let place = [(&b"for"[..], &mut self.node), (b"proto", &mut self.proto), (b"host", &mut self.host)];
        match place.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, place)) if place.is_none() => *place = Some(value),
            Some(_) => return None,
            None => {}
        }
        Some(())
    }
}

/// The name and the value of the last `name=value`, and what stands before. A value with escapes is of no use here: empty.
fn last_pair(text: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let (value, before) = match text.strip_suffix(b"\"") {
        Some(inner) => {
            let start = opening(inner)?;
            (&inner[start + 1..], &inner[..start])
        }
        None => split_word(text, |byte| byte.is_ascii_graphic() && !b"\",;=".contains(&byte)),
    };
    let (name, before) = split_word(before.strip_suffix(b"=")?, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let value = std::str::from_utf8(value).ok().filter(|value| !value.contains('\\')).unwrap_or_default();
    let quoted = text.ends_with(b"\"");
    (!name.is_empty() && (quoted || !value.is_empty())).then_some((name, value, before))
}

/// Where the quote stands that opens what `inner` is the end of.
fn opening(inner: &[u8]) -> Option<usize> {
    // A quote is the text's own if the backslashes before it are odd in number.
    let escaped = |at: usize| inner[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    if escaped(inner.len()) {
        return None;
    }
    (0..inner.len()).rev().find(|at| inner[*at] == b'"' && !escaped(*at))
}

/// The word that the text ends with, and what stands before it.
fn split_word(text: &[u8], is_word: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let start = text.iter().rposition(|byte| !is_word(*byte)).map_or(0, |at| at + 1);
    (&text[start..], &text[..start])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[[&str; 3]]) {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, line.parse().expect("a header value"));
        let shown = |part: Option<&str>| part.unwrap_or("-").to_owned();
        let found: Vec<_> = Elements::of(&headers).map(|e| [e.node, e.proto, e.host].map(shown)).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn elements_come_from_the_right_until_one_is_malformed() {
        check("for=a", &[["a", "-", "-"]]);
        check("for=a;proto=https;host=\"x:1\";by=b, for=\"b c\"", &[["b c", "-", "-"], ["a", "https", "x:1"]]);
        check("for=a, , for=b", &[["b", "-", "-"], ["-", "-", "-"], ["a", "-", "-"]]);
        check("for=a;;secret=x=y, for=b", &[["b", "-", "-"]]);
        check("host=\"a\\\"b\";for=\"\"", &[["", "-", ""]]);
        check("for=a for=b, for=c", &[["c", "-", "-"]]);
        check("", &[["-", "-", "-"]]);
    }

    #[test]
    fn what_is_long_and_odd_is_read_in_its_length() {
        for odd in ["\\", "\"", "\\\"", ";", ",", "for=\"\\\\\\"] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED, odd.repeat(20_000).parse().expect("a header value"));
            assert!(Elements::of(&headers).count() <= 20_001);
        }
    }
}
