//! Headers that wait for the answer, as the bytes that a client of HTTP/1 gets: they are written once and copied once.

/// What a few limits say, without growing.
const ROOM: usize = 512;

/// The most digits that a number has.
const DIGITS: usize = 20;

/// Headers that wait to be written, their names in the case that clients are shown.
#[derive(Debug, Default)]
pub struct ResponseHeaders {
    /// Whole lines, each with its end.
    bytes: Vec<u8>,
    /// A bit for each length of a name, so that most names are known not to be here by theirs.
    lengths: u64,
}

/// Lines that are written once and for all, but for some numbers in them.
#[derive(Debug)]
pub struct Prepared {
    /// The lines with their ends, without the numbers.
    text: Box<[u8]>,
    /// How much of the text stands before each number, from the number before it.
    before: Box<[usize]>,
    lengths: u64,
}

impl Prepared {
    /// Lines such as `X-Limit: 5` or `X-Remaining: {}`, with braces where a number will stand.
    pub fn lines(lines: &[String]) -> Self {
        let text: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        let pieces: Vec<&str> = text.split("{}").collect();
        let before = pieces[..pieces.len() - 1].iter().map(|piece| piece.len()).collect();
        let name = |line: &String| line.split(':').next().map_or(0, bit);
        Self { text: pieces.concat().into_bytes().into(), before, lengths: lines.iter().map(name).fold(0, |all, one| all | one) }
    }
}

impl ResponseHeaders {
    /// Adds lines with their numbers.
    pub fn put(&mut self, lines: &Prepared, numbers: &[u64]) {
        if self.is_empty() {
            self.bytes = Vec::with_capacity((lines.text.len() + DIGITS * lines.before.len()).max(ROOM));
        }
        self.lengths |= lines.lengths;
        let mut rest = &*lines.text;
        for (before, number) in lines.before.iter().zip(numbers) {
            let (piece, after) = rest.split_at(*before);
            self.bytes.extend_from_slice(piece);
            self.bytes.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            rest = after;
        }
        self.bytes.extend_from_slice(rest);
    }

    /// Adds one line.
    pub fn line(&mut self, name: &str, value: &[u8]) {
        self.lengths |= bit(name);
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
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
}

/// The bit of a name's length.
fn bit(name: &str) -> u64 {
    1 << (name.len() % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(lines: &[&str]) -> Prepared {
        Prepared::lines(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_was_put_is_there_as_lines_and_by_name() {
        let mut headers = ResponseHeaders::default();
        assert!(headers.is_empty() && !headers.has("X-A"));
        headers.put(&prepared(&["X-A: {}", "X-Empty: ", "x-b: a: b"]), &[7]);
        headers.put(&prepared(&["X-C: r={};t={}, r={}"]), &[8, u64::MAX, 0]);
        headers.line("X-D1", b"9");
        assert_eq!(headers.bytes(), b"X-A: 7\r\nX-Empty: \r\nx-b: a: b\r\nX-C: r=8;t=18446744073709551615, r=0\r\nX-D1: 9\r\n");
        let expected =
            [("X-A", &b"7"[..]), ("X-Empty", b""), ("x-b", b"a: b"), ("X-C", b"r=8;t=18446744073709551615, r=0"), ("X-D1", b"9")];
        assert_eq!(headers.iter().collect::<Vec<_>>(), expected);
        assert!(headers.has("X-B") && headers.has("x-a") && headers.has("x-c") && headers.has("x-d1") && !headers.has("x-d"));
    }
}
