//! What `fuzz/` throws made-up bytes at, where nobody else needs it.

use bytes::BytesMut;

use crate::extent::Extent;
use crate::heads::Head;
use crate::plain::Found;

pub use crate::proxy_protocol::{Introduction, introduction};

/// What becomes of a head.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// It has no end yet.
    Partial,
    /// It is refused with this status.
    Refused(u16),
    /// It is HTTP/2.
    Streams,
    /// It is a plain request whose head is so long.
    Plain(usize),
    /// It is Pingora's to read, up to there; none if its end is not known yet.
    Other(Option<u64>),
}

/// What these bytes are at the beginning of a connection, said so many at a time; a head may have so many of them.
pub fn head(bytes: &[u8], piece: usize, most: usize) -> Seen {
    let (mut head, mut said) = (Head::default(), BytesMut::new());
    for part in bytes.chunks(piece.max(1)) {
        said.extend_from_slice(part);
        match head.read(&mut said, most) {
            Ok(Found::Partial) => {}
            Ok(Found::Streams) => return Seen::Streams,
            Ok(Found::Plain(_, bytes)) => return Seen::Plain(bytes.len()),
            Ok(Found::Other(Extent::Bytes(end))) => return Seen::Other(Some(end)),
            Ok(Found::Other(_)) => return Seen::Other(None),
            Err(bad) => return Seen::Refused(bad.status.as_u16()),
        }
    }
    Seen::Partial
}
