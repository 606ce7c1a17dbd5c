//! Headers that wait for the answer, as the bytes that a client of HTTP/1 gets: they are written once and copied once.

use http::header::HeaderValue;
use smallvec::SmallVec;

/// Headers that wait to be written, their names in the case that clients are shown.
#[derive(Debug, Default)]
pub struct ResponseHeaders {
    /// Whole lines, each with its end.
    bytes: Vec<u8>,
    /// Where a line ends, and how long its name is.
    lines: SmallVec<[(u16, u16); 12]>,
}

/// What a few limits say, without growing.
const ROOM: usize = 512;

/// A header whose name, or more of it, is written once and for all.
#[derive(Debug)]
pub struct Prepared {
    /// `Name: `, or a whole line with its end.
    text: String,
    name: u16,
}

impl Prepared {
    /// A name that gets a number each time.
    pub fn name(name: &str) -> Self {
        Self { text: format!("{name}: "), name: u16::try_from(name.len()).unwrap_or(u16::MAX) }
    }

    /// A number that never changes under its name.
    pub fn line(name: &str, number: u64) -> Self {
        Self { text: format!("{name}: {number}\r\n"), ..Self::name(name) }
    }
}

impl ResponseHeaders {
    /// Adds a header.
    pub fn put(&mut self, name: &str, value: &HeaderValue) {
        self.add(name, value.as_bytes());
    }

    /// Adds a header that is a number.
    pub fn put_number(&mut self, name: &str, number: u64) {
        self.add(name, itoa::Buffer::new().format(number).as_bytes());
    }

    /// Adds a header that never changes.
    pub fn put_line(&mut self, line: &Prepared) {
        self.make_room();
        self.bytes.extend_from_slice(line.text.as_bytes());
        self.end(line.name);
    }

    /// Adds a number under a prepared name.
    pub fn put_under(&mut self, name: &Prepared, number: u64) {
        self.make_room();
        self.bytes.extend_from_slice(name.text.as_bytes());
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self.end(name.name);
    }

    /// The lines as they stand in a head.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut start = 0;
        self.lines.iter().map(move |(end, name)| {
            let line = &self.bytes[start..usize::from(*end)];
            start = usize::from(*end);
            let (name, rest) = line.split_at(usize::from(*name));
            // Names are text when they come in.
            (std::str::from_utf8(name).unwrap_or_default(), rest.trim_ascii_end().strip_prefix(b": ").unwrap_or_default())
        })
    }

    /// Whether a header of this name waits, in whatever case.
    pub fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|(_, length)| usize::from(*length) == name.len())
            && self.iter().any(|(waiting, _)| waiting.eq_ignore_ascii_case(name))
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        self.make_room();
        let Ok(length) = u16::try_from(name.len()) else { return };
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        self.end(length);
    }

    fn make_room(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(ROOM);
        }
    }

    /// A line was added. What is longer than any client would read is taken back whole.
    fn end(&mut self, name: u16) {
        match u16::try_from(self.bytes.len()) {
            Ok(end) => self.lines.push((end, name)),
            Err(_) => self.bytes.truncate(self.lines.last().map_or(0, |(end, _)| usize::from(*end))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_as_lines_and_by_name() {
        let mut headers = ResponseHeaders::default();
        assert!(headers.is_empty() && !headers.has("X-A"));
        headers.put_number("X-A", 7);
        headers.put("X-Empty", &HeaderValue::from_static(""));
        headers.put("x-b", &HeaderValue::from_static("a: b"));
        assert_eq!(headers.bytes(), b"X-A: 7\r\nX-Empty: \r\nx-b: a: b\r\n");
        let mut prepared = ResponseHeaders::default();
        prepared.put_under(&Prepared::name("X-A"), 7);
        prepared.put_line(&Prepared::line("X-B", 8));
        assert_eq!(prepared.iter().collect::<Vec<_>>(), [("X-A", &b"7"[..]), ("X-B", b"8")]);
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-A", &b"7"[..]), ("X-Empty", b""), ("x-b", b"a: b")]);
        assert!(headers.has("X-B") && headers.has("x-a") && !headers.has("x-c"));
    }

    #[test]
    fn what_no_client_would_read_is_left_out_whole() {
        let mut headers = ResponseHeaders::default();
        let long = HeaderValue::try_from("x".repeat(60_000)).expect("a value");
        headers.put("A", &long);
        headers.put("B", &long);
        headers.put_number("C", 1);
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["A", "C"]);
    }
}
