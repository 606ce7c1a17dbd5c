//! Prepared lines as a thread wrote them last: the next time mostly only a few digits of them are others.

use std::cell::RefCell;

use super::Prepared;

/// How many kinds of lines a thread remembers: each has one place where it may stand.
const PLACES: usize = 32;

/// Lines with their numbers.
struct Written {
    /// The id of what they were written by; nobody's is 0.
    of: u64,
    bytes: Vec<u8>,
    numbers: Vec<Number>,
}

/// A number in its place.
struct Number {
    value: u64,
    /// Where its digits end.
    end: usize,
    /// The least and the greatest that have as many digits.
    least: u64,
    most: u64,
}

thread_local! {
    static LAST: RefCell<[Written; PLACES]> = const { RefCell::new([const { Written::NOTHING }; PLACES]) };
}

/// Shows the lines with these numbers.
#[inline]
pub(super) fn show(lines: &Prepared, numbers: &[u64], show: impl FnOnce(&[u8])) {
    LAST.with_borrow_mut(|last| {
        let written = &mut last[lines.id as usize % PLACES];
        if written.of != lines.id || !written.change(numbers) {
            written.write(lines, numbers);
        }
        show(&written.bytes);
    });
}

impl Written {
    const NOTHING: Self = Self { of: 0, bytes: Vec::new(), numbers: Vec::new() };

    /// Puts these numbers in place of the last ones, unless one of them has not as many digits as the last.
    #[inline]
    fn change(&mut self, numbers: &[u64]) -> bool {
        self.numbers.iter_mut().zip(numbers).all(|(last, number)| last.value == *number || last.change(*number, &mut self.bytes))
    }

    #[inline(never)]
    fn write(&mut self, lines: &Prepared, numbers: &[u64]) {
        self.of = lines.id;
        self.bytes.clear();
        self.numbers.clear();
        let mut rest = &*lines.text;
        for (before, number) in lines.before.iter().zip(numbers) {
            let (piece, after) = rest.split_at(*before);
            self.bytes.extend_from_slice(piece);
            self.bytes.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            self.numbers.push(Number::new(*number, self.bytes.len()));
            rest = after;
        }
        self.bytes.extend_from_slice(rest);
    }
}

impl Number {
    fn new(value: u64, end: usize) -> Self {
        let digits = value.checked_ilog10().unwrap_or(0);
        let least = if digits == 0 { 0 } else { 10_u64.pow(digits) };
        Self { value, end, least, most: 10_u64.checked_pow(digits + 1).map_or(u64::MAX, |beyond| beyond - 1) }
    }

    /// Writes the digits that are others, from the last one on.
    #[inline]
    fn change(&mut self, to: u64, bytes: &mut [u8]) -> bool {
        if to < self.least || to > self.most {
            return false;
        }
        let (mut old, mut new, mut at) = (self.value, to, self.end);
        while old != new {
            at -= 1;
            bytes[at] = b'0' + (new % 10) as u8;
            (old, new) = (old / 10, new / 10);
        }
        self.value = to;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few digits and many, so that numbers change with and without their length.
        #[test]
        fn lines_read_as_if_they_were_written_anew(rounds in prop::collection::vec((0..2usize, number(), number()), 1..50)) {
            let kinds = [Prepared::lines(&["A: {}".into(), "B: x{};y{}".into()]), Prepared::lines(&["C: {}, {}, {}.".into()])];
            for (kind, a, b) in rounds {
                let expected = [format!("A: {a}\r\nB: x{b};y{a}\r\n"), format!("C: {a}, {b}, {a}.\r\n")];
                show(&kinds[kind], &[a, b, a], |bytes| assert_eq!(bytes, expected[kind].as_bytes()));
            }
        }
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![0..12u64, 95..105u64, 998..1002u64, Just(u64::MAX), u64::MAX / 10 - 1..u64::MAX / 10 + 2, any::<u64>()]
    }

    #[test]
    fn more_kinds_than_places_take_turns() {
        let kinds: Vec<Prepared> = (0..3 * PLACES).map(|kind| Prepared::lines(&[format!("K{kind}: {{}}")])).collect();
        for round in 8..12 {
            for (kind, lines) in kinds.iter().enumerate() {
                show(lines, &[round], |bytes| assert_eq!(bytes, format!("K{kind}: {round}\r\n").as_bytes()));
            }
        }
    }
}
