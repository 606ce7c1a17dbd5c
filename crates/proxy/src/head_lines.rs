//! Where the head of a request ends: found line by line as it comes, so that no byte is looked at twice.
//!
//! A line ends with CR and LF (RFC 9112, 2.2). One that ends with LF alone is where two readers may see two requests.

use memchr::memchr;

/// How far a head was looked at.
#[derive(Debug, Default)]
pub(crate) struct HeadLines {
    /// Where the line begins that has not ended yet.
    line: usize,
    /// Up to where there is no end of a line.
    seen: usize,
    /// How long the first line is, once it has ended.
    first: Option<usize>,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// The end is still to come.
    Partial,
    /// The head is so long.
    Whole(usize),
    /// A line ends with LF alone.
    BareLf,
}

impl HeadLines {
    /// Looks on in what was said so far, from its beginning.
    pub fn look(&mut self, said: &[u8]) -> Lines {
        while let Some(at) = said.get(self.seen..).and_then(|rest| memchr(b'\n', rest)) {
            let end = self.seen + at;
            if end == self.line || said[end - 1] != b'\r' {
                return Lines::BareLf;
            }
            if end - 1 == self.line {
                return Lines::Whole(end + 1);
            }
            self.first.get_or_insert(end + 1);
            (self.line, self.seen) = (end + 1, end + 1);
        }
        self.seen = said.len();
        Lines::Partial
    }

    /// How long the first line is, with its end.
    pub fn first(&self) -> Option<usize> {
        self.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        let check = |said: &str, expected| assert_eq!(HeadLines::default().look(said.as_bytes()), expected, "{said:?}");
        check("", Lines::Partial);
        check("GET / HTTP/1.1\r\nHost: x\r\n", Lines::Partial);
        check("GET / HTTP/1.1\r\nHost: x\r\n\r", Lines::Partial);
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\nmore", Lines::Whole(27));
        check("\r\nmore", Lines::Whole(2));
        check("GET / HTTP/1.1\nHost: x\r\n\r\n", Lines::BareLf);
        check("GET / HTTP/1.1\r\nHost: x\r\n\n", Lines::BareLf);
        check("\n", Lines::BareLf);
    }

    proptest! {
        #[test]
        fn however_it_comes_the_same_is_found(said in "[a\r\n]{0,30}", piece in 1_usize..5) {
            let mut lines = HeadLines::default();
            let mut found = Lines::Partial;
            for end in (piece..said.len()).step_by(piece).chain([said.len()]) {
                found = lines.look(&said.as_bytes()[..end]);
                if found != Lines::Partial {
                    break;
                }
            }
            prop_assert_eq!(found, HeadLines::default().look(said.as_bytes()));
        }
    }
}
