//! The chunked coding of RFC 9112, 7.1, undone: strictly, since what is read in two ways is a way in.

/// The longest extension of a chunk and the longest trailer section.
const MAX_ASIDE: usize = 8 * 1024;

/// Where in the coding a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the digits of a size; how many there were.
    Size(u8),
    /// Between a size and the end of its line.
    Extension,
    /// After the CR of a size's line.
    SizeEnd,
    Data,
    /// Before the CR after the data.
    DataEnd,
    /// Before the LF after the data.
    DataEnded,
    /// At the beginning of a line of the trailer section.
    Trailer,
    /// In such a line.
    TrailerLine,
    /// After the CR of such a line.
    TrailerLineEnd,
    /// After the CR of the empty line.
    End,
    Ended,
    /// Nothing that comes makes it whole again.
    Broken,
}

/// A reader of the coding.
#[derive(Debug)]
pub(crate) struct Chunks {
    at: At,
    /// What is left of the chunk, or its size so far.
    left: u64,
    /// How much was read of extensions or trailers.
    aside: usize,
}

impl Chunks {
    pub fn new() -> Self {
        Self { at: At::Size(0), left: 0, aside: 0 }
    }

    /// Reads on, and shows `data` what the chunks hold. How much was read: all of it, unless the body ended before.
    pub fn read(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, &'static str> {
        let mut read = 0;
        while read < bytes.len() && self.at != At::Ended {
            if self.at == At::Data {
                let part = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - read);
                data(&bytes[read..read + part]);
                read += part;
                self.left -= part as u64;
                if self.left == 0 {
                    self.at = At::DataEnd;
                }
            } else {
                self.step(bytes[read]).inspect_err(|_| self.at = At::Broken)?;
                read += 1;
            }
        }
        Ok(read)
    }

    pub fn ended(&self) -> bool {
        self.at == At::Ended
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        const BAD: &str = "a chunk of its body is broken";
        self.at = match (self.at, byte) {
            (At::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 16 => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                self.left = self.left << 4 | digit;
                At::Size(digits + 1)
            }
            (At::Size(1..), b'\r') | (At::Extension, b'\r') => At::SizeEnd,
            (At::Size(1..), b';' | b' ' | b'\t') => At::Extension,
            (At::Extension, byte) if byte != b'\n' => self.aside(At::Extension)?,
            (At::SizeEnd, b'\n') => {
                self.aside = 0;
                if self.left == 0 { At::Trailer } else { At::Data }
            }
            (At::DataEnd, b'\r') => At::DataEnded,
            (At::DataEnded, b'\n') => At::Size(0),
            (At::Trailer, b'\r') => At::End,
            (At::TrailerLine, b'\r') => At::TrailerLineEnd,
            (At::Trailer | At::TrailerLine, byte) if byte != b'\n' => self.aside(At::TrailerLine)?,
            (At::TrailerLineEnd, b'\n') => At::Trailer,
            (At::End, b'\n') => At::Ended,
            _ => return Err(BAD),
        };
        Ok(())
    }

    fn aside(&mut self, at: At) -> Result<At, &'static str> {
        self.aside += 1;
        if self.aside > MAX_ASIDE { Err("the extensions or trailers of its chunks are too long") } else { Ok(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads in pieces of this many bytes; the data, and what is left after the end.
    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        let (mut chunks, mut data, mut rest) = (Chunks::new(), Vec::new(), bytes);
        while !rest.is_empty() && !chunks.ended() {
            let read = chunks.read(&rest[..piece.min(rest.len())], |part| data.extend_from_slice(part))?;
            rest = &rest[read..];
        }
        if chunks.ended() { Ok((data, rest.to_vec())) } else { Err("it has no end") }
    }

    #[test]
    fn what_is_well_formed_is_read_and_nothing_else() {
        let good = [
            ("3\r\nabc\r\n0\r\n\r\n", "abc"),
            ("3;x=\"y\"\r\nabc\r\n00\r\n\r\n", "abc"),
            ("A\r\n0123456789\r\n1 \r\nx\r\n0\r\nX-Trailer: 1\r\nY: 2\r\n\r\n", "0123456789x"),
            ("0\r\n\r\n", ""),
        ];
        for (bytes, data) in good {
            assert_eq!(read(bytes.as_bytes(), 1024), Ok((data.into(), Vec::new())), "{bytes:?}");
        }
        let bad = [
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "\r\n\r\n",
            "-1\r\n\r\n",
            "0x3\r\nabc\r\n0\r\n\r\n",
            "g\r\n",
            "3\r\nabc\r\n0\r\n\n",
            "11111111111111111\r\n",
            "3\r\rabc",
            "+3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc0\r\n\r\n",
        ];
        for bytes in bad {
            assert!(read(bytes.as_bytes(), 1024).is_err(), "{bytes:?}");
        }
        let endless = format!("1;{}", "x".repeat(MAX_ASIDE + 1));
        assert!(Chunks::new().read(endless.as_bytes(), |_| {}).is_err());
    }

    proptest! {
        #[test]
        fn any_body_in_any_chunks_in_any_pieces_is_itself(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            piece in 1_usize..50,
            after in proptest::collection::vec(any::<u8>(), 0..5),
        ) {
            let mut coded = Vec::new();
            for part in &parts {
                coded.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                coded.extend_from_slice(part);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\n\r\n");
            coded.extend_from_slice(&after);
            prop_assert_eq!(read(&coded, piece), Ok((parts.concat(), after)));
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 7);
        }
    }
}
