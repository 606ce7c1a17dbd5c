//! A mistake, told so that its reader can mend it: what, where, why, and what to write instead.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::document::Document;
use crate::key_path::KeyPath;
use crate::source::Position;

/// A mistake found at a key; it gets its line from the [`Document`] that the key stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key at fault.
    pub path: KeyPath,
    /// What is wrong, in one clause.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// What of it to point at.
    pub place: Place,
}

/// What of a key a [`Problem`] points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its value.
    Value,
    /// The key itself.
    Key,
    /// These bytes of the whole text.
    Span(Range<usize>),
}

impl Problem {
    /// A mistake at this key.
    pub fn at(path: KeyPath, message: impl Into<String>) -> Self {
        Self { path, message: message.into(), help: None, place: Place::Value }
    }

    /// A mistake that is the key itself.
    pub fn at_key(path: KeyPath, message: impl Into<String>) -> Self {
        Self { place: Place::Key, ..Self::at(path, message) }
    }

    /// The same with a remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A [`Problem`] with its place in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: PathBuf,
    /// Line and column.
    pub position: Position,
    /// The key at fault; empty for a mistake in the syntax.
    pub path: KeyPath,
    /// The line as it stands in the file, with secrets masked; of a long one the part around the mistake.
    pub line: String,
    /// How many characters of it stand before what is to be underlined.
    pub indent: usize,
    /// How many characters to underline.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{}:{line}:{column}", self.file.display())?;
        if !self.path.0.is_empty() {
            write!(f, "  {}", self.path)?;
        }
        let margin = " ".repeat(line.to_string().len());
        writeln!(f, "\n {margin} |\n {line} | {}", self.line)?;
        write!(f, " {margin} | {}{} {}", " ".repeat(self.indent), "^".repeat(self.width.max(1)), self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n {margin} = {help}")?;
        }
        Ok(())
    }
}

/// How many mistakes of one reading are told, and one more that says that there are more.
const TOLD: usize = 100;

/// The mistakes of one reading, in the order of the files: the first of them, if there are very many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// What is wrong with a file that could not even be read as text.
    pub fn of_file(file: &Path, message: &str) -> Self {
        let position = Position::default();
        let (file, message) = (file.to_owned(), message.to_owned());
        Self(vec![Diagnostic {
            file,
            position,
            path: KeyPath::default(),
            line: String::new(),
            indent: 0,
            width: 1,
            message,
            help: None,
        }])
    }

    /// Gives every problem its place.
    pub fn locate(problems: Vec<Problem>, document: &Document) -> Self {
        let mut all: Vec<(usize, Problem)> = problems.into_iter().map(|problem| (document.start_of(&problem), problem)).collect();
        all.sort_by(|(a, told_of_a), (b, told_of_b)| (a, &told_of_a.message).cmp(&(b, &told_of_b.message)));
        let all = all.into_iter().map(|(_, problem)| problem).filter(|problem| !document.is_consequence(problem));
        let mut told: Vec<Diagnostic> = Vec::new();
        for problem in all {
            let diagnostic = document.diagnose(problem);
            if told.last() == Some(&diagnostic) {
                continue;
            }
            if told.len() == TOLD {
                told.push(Diagnostic { help: Some("mend those above first: more are not shown".into()), ..diagnostic });
                break;
            }
            told.push(diagnostic);
        }
        Self(told)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}\n")?;
        }
        match self.0.len() {
            1 => f.write_str("1 problem"),
            n => write!(f, "{n} problems"),
        }
    }
}

impl std::error::Error for Diagnostics {}
