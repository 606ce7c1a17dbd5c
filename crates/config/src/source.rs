//! The text of a configuration file, and where in it a byte stands.

use std::path::PathBuf;

/// A configuration file as it was read.
#[derive(Clone)]
pub struct Source {
    /// The path as the user gave it; diagnostics show it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// A place in a [`Source`], counted from 1 as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Source {
    /// A source of this text under this name.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Where the byte at `offset` stands; an offset past the end is the end.
    pub fn position(&self, offset: usize) -> Position {
        let before = self.before(offset);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Where a line begins, and its text without its end; past the last line there is nothing.
    pub fn line(&self, line: usize) -> (usize, &str) {
        let mut start = 0;
        for (number, text) in self.text.split_inclusive('\n').enumerate() {
            if number + 1 == line {
                return (start, text.trim_end_matches(['\n', '\r']));
            }
            start += text.len();
        }
        (start, "")
    }

    fn before(&self, offset: usize) -> &str {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        &self.text[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new("a", "ä = 1\nbb = 2");
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(3), Position { line: 1, column: 3 });
        assert_eq!(source.position(7), Position { line: 2, column: 1 });
        assert_eq!(source.position(99), Position { line: 2, column: 7 });
        assert_eq!(source.line(2), (7, "bb = 2"));
        assert_eq!(source.line(3), (13, ""));
    }
}
