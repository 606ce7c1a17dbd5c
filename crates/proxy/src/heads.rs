//! The head of a request as it comes, piece by piece: nothing is read twice, and what cannot become one is refused at once.

use bytes::{Buf, BytesMut};

use crate::bad::Bad;
use crate::head_lines::{HeadLines, Lines};
use crate::plain::{self, Found, PREFACE};

/// A head that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Head {
    lines: HeadLines,
    /// Its first line was looked at.
    begun: bool,
    /// An empty line came before it (RFC 9112, 2.2: old clients send one after a body).
    after_empty_line: bool,
}

impl Head {
    /// Reads it off what was said so far, if it is whole; it may have so many bytes.
    pub fn read(&mut self, said: &mut BytesMut, most: usize) -> Result<Found, Bad> {
        loop {
            match self.lines.look(said) {
                Lines::BareLf => return Err(Bad::head("a line ends with LF alone")),
                Lines::Whole(2) if !self.after_empty_line => {
                    said.advance(2);
                    *self = Self { after_empty_line: true, ..Self::default() };
                }
                Lines::Whole(length) if length <= most => return plain::read(said, length),
                Lines::Partial if said.len() <= most => {
                    return self.check_beginning(said).map(|()| Found::Partial);
                }
                Lines::Whole(_) | Lines::Partial if self.lines.first().is_some_and(|line| line <= most) => {
                    return Err(Bad::long("it is too long"));
                }
                Lines::Whole(_) | Lines::Partial => return Err(Bad::LONG_TARGET),
            }
        }
    }

    /// Refuses what already cannot become a head.
    fn check_beginning(&mut self, said: &[u8]) -> Result<(), Bad> {
        if self.begun {
            return Ok(());
        }
        if let Some(end) = self.lines.first() {
            self.begun = true;
            let line = &said[..end];
            return match PREFACE.starts_with(line) {
                true => Ok(()),
                false => httparse::Request::new(&mut []).parse(line).map(drop).map_err(plain::unreadable),
            };
        }
        match said.first() {
            Some(0x16) => Err(Bad::head("it is TLS, and this listener has none")),
            Some(byte) if !byte.is_ascii_graphic() && *byte != b'\r' => Err(Bad::head("it is no request")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOST: usize = 100;

    /// What is found in the end of what comes in pieces of this many bytes, and what is left.
    fn read(text: &[u8], piece: usize) -> (Result<Found, Bad>, Vec<u8>) {
        let (mut head, mut said) = (Head::default(), BytesMut::new());
        let mut found = Ok(Found::Partial);
        for part in text.chunks(piece.max(1)) {
            said.extend_from_slice(part);
            if matches!(found, Ok(Found::Partial)) {
                found = head.read(&mut said, MOST);
            }
        }
        (found, said.to_vec())
    }

    #[test]
    fn a_head_may_be_so_long() {
        let line = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
        let whole = |length: usize| format!("{line}{}\r\n\r\n", "x".repeat(length - line.len() - 4));
        for piece in [1, 1000] {
            let status = |text: &str| read(text.as_bytes(), piece).0.err().map(|bad| bad.status.as_u16());
            assert_eq!(status(&whole(MOST)), None, "{piece}");
            assert_eq!(status(&whole(MOST + 1)), Some(431), "{piece}");
            assert_eq!(status(&format!("GET /{}", "x".repeat(MOST))), Some(414), "{piece}");
        }
    }

    #[test]
    fn one_empty_line_before_a_head_is_nothing_and_two_are_none() {
        let status = |text: &str| read(text.as_bytes(), 1).0.map(|found| matches!(found, Found::Plain(..)));
        assert_eq!(status("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(true));
        assert!(status("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").is_err());
    }

    #[test]
    fn what_cannot_become_a_head_is_not_waited_for() {
        for text in ["\x16\x03\x01", "\0", "\n", "GET /\r\n", "SSH-2.0-OpenSSH\r\n", "GET / HTTP/1.1\n", " GET / HTTP/1.1\r\n"] {
            assert!(read(text.as_bytes(), 1).0.is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_preface_of_http_2_is_known_once_it_is_whole() {
        for end in 1..PREFACE.len() {
            assert!(matches!(read(&PREFACE[..end], 1).0, Ok(Found::Partial)), "{end}");
        }
        let (found, rest) = read(&[PREFACE, b"more"].concat(), 1);
        assert!(matches!(found, Ok(Found::Streams)) && rest.len() == PREFACE.len() + 4);
        assert!(read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", 1).0.is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader_and_pieces_make_no_difference(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "(GET|POST) [/a%. ]{0,6} HTTP/1.[01]\r\n((Host|X|Content-Length|Transfer-Encoding)[: ]{1,2}[0-9a\r\n,]{0,3}\r\n){0,4}\r\n"
                    .prop_map(String::into_bytes),
            ],
            piece in 1_usize..20,
        ) {
            let (found, rest) = read(&bytes, bytes.len());
            let (in_pieces, rest_of_pieces) = read(&bytes, piece);
            prop_assert_eq!(matches!(found, Ok(Found::Plain(..))), matches!(in_pieces, Ok(Found::Plain(..))));
            prop_assert_eq!(found.is_err(), in_pieces.is_err());
            prop_assert_eq!(rest, rest_of_pieces);
        }
    }
}
