//! How far a request goes that is handed to Pingora: what the client says after it is kept from it.
//!
//! Pingora refuses a request, answered or not, whose client says something before the answer is there. What comes after
//! the request's last byte is the next request, and waits here.

use httparse::Header;

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
    /// That of a request with a head of this length. Where its end could be seen in two ways, it has none.
    pub fn of(length: usize, headers: &[Header<'_>]) -> Self {
        let (mut body, mut chunked) = (None, false);
        for header in headers {
            match header.name.len() {
                7 if header.name.eq_ignore_ascii_case("upgrade") => return Self::Open,
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    let digits = header.value.iter().all(u8::is_ascii_digit);
                    let said =
                        std::str::from_utf8(header.value).ok().filter(|_| digits).and_then(|said| said.parse::<u64>().ok());
                    match (said, body) {
                        (Some(said), None) => body = Some(said),
                        _ => return Self::Open,
                    }
                }
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    if chunked || !header.value.eq_ignore_ascii_case(b"chunked") {
                        return Self::Open;
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        let head = length as u64;
        match (body, chunked) {
            (Some(_), true) => Self::Open,
            (None, true) => Self::Chunked(head, Chunks::new()),
            (body, false) => head.checked_add(body.unwrap_or(0)).map_or(Self::Open, Self::Bytes),
        }
    }

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

    /// How many of these bytes are of the request; they count as read. Broken chunks are Pingora's to refuse.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Open => bytes.len(),
            Self::Bytes(left) => split(left, bytes.len()),
            Self::Chunked(head, chunks) => {
                let part = split(head, bytes.len());
                match chunks.read(&bytes[part..], |_| {}) {
                    Ok(more) => part + more,
                    Err(_) => {
                        *self = Self::Open;
                        bytes.len()
                    }
                }
            }
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

    fn extent(request: &str) -> Extent {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut head = httparse::Request::new(&mut headers);
        let parsed = head.parse(request.as_bytes()).expect("a sound head");
        Extent::of(parsed.unwrap(), head.headers)
    }

    proptest! {
        #[test]
        fn a_request_ends_where_it_ends_however_it_comes(piece in 1_usize..40, more in "[a-z]{0,30}") {
            let requests = [
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
                "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
                "GET / HTTP/1.1\r\nKeep-Alive: x\r\n\r\n",
            ];
            for request in requests {
                let mut extent = extent(request);
                let all = format!("{request}{more}");
                let mut taken = 0;
                while taken < all.len() && !extent.ended() {
                    let end = (taken + piece).min(all.len());
                    taken += extent.take(&all.as_bytes()[taken..end]);
                }
                prop_assert!(extent.ended());
                prop_assert_eq!(taken, request.len());
            }
        }
    }

    #[test]
    fn where_the_end_could_be_seen_in_two_ways_there_is_none() {
        for lines in [
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 18446744073709551615\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        ] {
            assert!(matches!(extent(&format!("POST / HTTP/1.1\r\n{lines}\r\n")), Extent::Open), "{lines}");
        }
    }

    #[test]
    fn broken_chunks_are_pingoras() {
        let mut extent = extent("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        let rest = b"zz\r\nwhatever";
        assert_eq!(extent.take(&[b'x'; 47]), 47);
        assert_eq!(extent.take(rest), rest.len());
        assert!(matches!(extent, Extent::Open));
    }
}
