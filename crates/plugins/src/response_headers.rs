//! Headers that wait for the answer, as the bytes that a client of HTTP/1 gets: they are written once and copied once.

use http::header::HeaderValue;

/// What a few limits say, without growing.
const ROOM: usize = 512;

/// Headers that wait to be written, their names in the case that clients are shown.
#[derive(Debug, Default)]
pub struct ResponseHeaders {
    /// Whole lines, each with its end.
    bytes: Vec<u8>,
    /// A bit for each length of a name, so that most names are known not to be here by theirs.
    lengths: u64,
}

/// A header whose name, or more of it, is written once and for all.
#[derive(Debug)]
pub struct Prepared {
    /// `Name: `, or a whole line with its end.
    text: String,
    length: u64,
}

impl Prepared {
    /// A name that gets a number each time.
    pub fn name(name: &str) -> Self {
        Self { text: format!("{name}: "), length: bit(name) }
    }

    /// A number that never changes under its name.
    pub fn line(name: &str, number: u64) -> Self {
        Self { text: format!("{name}: {number}\r\n"), length: bit(name) }
    }
}

impl ResponseHeaders {
    /// Adds a header.
    pub fn put(&mut self, name: &str, value: &HeaderValue) {
        self.make_room();
        self.lengths |= bit(name);
        for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Adds a header that never changes.
    pub fn put_line(&mut self, line: &Prepared) {
        self.make_room();
        self.lengths |= line.length;
        self.bytes.extend_from_slice(line.text.as_bytes());
    }

    /// Adds a number under a prepared name.
    pub fn put_under(&mut self, name: &Prepared, number: u64) {
        self.make_room();
        self.lengths |= name.length;
        self.bytes.extend_from_slice(name.text.as_bytes());
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// The lines as they stand in a head.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let lines = self.bytes.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
        lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            // Names are text when they come in, and values hold no end of a line.
            Some((std::str::from_utf8(&line[..colon]).ok()?, line.get(colon + 2..)?))
        })
    }

    /// Whether a header of this name waits, in whatever case.
    pub fn has(&self, name: &str) -> bool {
        self.lengths & bit(name) != 0 && self.iter().any(|(waiting, _)| waiting.eq_ignore_ascii_case(name))
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn make_room(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(ROOM);
        }
    }
}

/// The bit of a name's length.
fn bit(name: &str) -> u64 {
    1 << (name.len() % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_as_lines_and_by_name() {
        let mut headers = ResponseHeaders::default();
        assert!(headers.is_empty() && !headers.has("X-A"));
        headers.put_under(&Prepared::name("X-A"), 7);
        headers.put("X-Empty", &HeaderValue::from_static(""));
        headers.put("x-b", &HeaderValue::from_static("a: b"));
        headers.put_line(&Prepared::line("X-C", 8));
        assert_eq!(headers.bytes(), b"X-A: 7\r\nX-Empty: \r\nx-b: a: b\r\nX-C: 8\r\n");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("X-A", &b"7"[..]), ("X-Empty", b""), ("x-b", b"a: b"), ("X-C", b"8")]);
        assert!(headers.has("X-B") && headers.has("x-a") && !headers.has("x-d"));
    }
}
