//! How far a request goes that is handed to Pingora: what the client says after it is kept from it.
//!
//! Pingora refuses a request, answered or not, whose client says something before the answer is there. What comes after
//! the request's last byte is the next request, and waits here.

use std::io;

use crate::chunks::Chunks;

/// What is left of a request.
#[derive(Debug, Default)]
pub(crate) enum Extent {
    /// Nobody knows: everything is Pingora's.
    #[default]
    Open,
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of its head, and then its chunks.
    Chunked(u64, Chunks),
}

impl Extent {
    /// Whether the request is over.
    pub fn ended(&self) -> bool {
        match self {
            Self::Open => false,
            Self::Bytes(left) => *left == 0,
            Self::Chunked(head, chunks) => *head == 0 && chunks.ended(),
        }
    }

    /// Whether it is known that more of the request is to come.
    pub fn goes_on(&self) -> bool {
        !self.ended() && !matches!(self, Self::Open)
    }

    /// How many of these bytes are of the request; they count as read. Broken chunks are an error, now and ever after.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open => Ok(bytes.len()),
            Self::Bytes(left) => Ok(split(left, bytes.len())),
            // By itself: what is wrong with the chunks is not the head's.
            Self::Chunked(head @ 1.., _) => Ok(split(head, bytes.len())),
            Self::Chunked(_, chunks) => chunks.read(bytes, |_| {}).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why)),
        }
    }
}

/// Takes up to so many off what is left.
fn split(left: &mut u64, length: usize) -> usize {
    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(length);
    *left -= part as u64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_ends_where_it_ends_however_it_comes(piece in 1_usize..40, more in "[a-z]{0,30}") {
            let head = "POST / HTTP/1.1\r\n\r\n";
            let all = [(Extent::Bytes(head.len() as u64 + 5), "hello"), (Extent::Chunked(head.len() as u64, Chunks::new()), "3\r\nabc\r\n0\r\nX: y\r\n\r\n")];
            for (mut extent, body) in all {
                let said = format!("{head}{body}{more}");
                let mut taken = 0;
                while taken < said.len() && !extent.ended() {
                    let end = (taken + piece).min(said.len());
                    taken += extent.take(&said.as_bytes()[taken..end]).expect("it is sound");
                }
                prop_assert!(extent.ended());
                prop_assert_eq!(taken, head.len() + body.len());
            }
        }
    }

    #[test]
    fn broken_chunks_stay_broken() {
        let mut extent = Extent::Chunked(4, Chunks::new());
        assert_eq!(extent.take(b"head").ok(), Some(4));
        assert!(extent.take(b"zz\r\nwhatever").is_err());
        assert!(extent.take(b"0\r\n\r\n").is_err());
    }
}
