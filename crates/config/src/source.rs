//! The text of a configuration file, and where in it a byte stands.

use std::ops::Range;
use std::path::PathBuf;

/// A configuration file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it; diagnostics show it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// Why there is no text, if it could not be read.
    pub unread: Option<String>,
}

/// A place in a file, counted from 1 as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// The start of a file, for problems of the whole.
impl Default for Position {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}

impl Source {
    /// A source of this text under this name.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), unread: None }
    }

    /// A file that could not be read.
    pub fn unread(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), text: String::new(), unread: Some(reason.into()) }
    }
}

impl Position {
    /// Where the byte at `offset` of a text stands; an offset past the end is the end.
    pub(crate) fn of(offset: usize, text: &str) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// The line in which the byte at `offset` stands, in bytes of the text, without its end.
pub(crate) fn line_at(offset: usize, text: &str) -> Range<usize> {
    let at = text.floor_char_boundary(offset);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    start..start + text[start..end].trim_end_matches('\r').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "ä = 1\nbb = 2";
        assert_eq!(Position::of(0, text), Position { line: 1, column: 1 });
        assert_eq!(Position::of(3, text), Position { line: 1, column: 3 });
        assert_eq!(Position::of(7, text), Position { line: 2, column: 1 });
        assert_eq!(Position::of(99, text), Position { line: 2, column: 7 });
        assert_eq!([0, 6, 7, 99].map(|offset| &text[line_at(offset, text)]), ["ä = 1", "ä = 1", "bb = 2", "bb = 2"]);
        assert_eq!(line_at(3, "a\r\n"), 3..3);
        assert_eq!(line_at(1, "a\r\n"), 0..1);
    }
}
