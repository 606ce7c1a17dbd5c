//! Regular expressions of routes: linear in what they read, whatever was written, since a client chooses what that is.
//!
//! They work on bytes: `\d`, `\w` and `(?i)` mean ASCII, as in Kong, and paths hold nothing else once they are normal.

use std::fmt;
use std::ops::Range;

use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

/// With how many beginnings at most a pattern is looked up.
const MOST_BEGINNINGS: usize = 32;

/// A compiled regular expression.
#[derive(Clone)]
pub struct Pattern {
    regex: Regex,
    beginnings: Vec<Vec<u8>>,
}

impl Pattern {
    /// A pattern that paths must match from their beginning.
    pub fn of_path(text: &str) -> Result<Self, String> {
        Self::compile(text, false)
    }

    /// A pattern that a value must match somewhere, in whatever case.
    pub fn of_value(text: &str) -> Result<Self, String> {
        Self::compile(text, true)
    }

    fn compile(text: &str, any_case: bool) -> Result<Self, String> {
        let hir = parse(text, any_case)?;
        let regex = Regex::builder().configure(config()).build_from_hir(&hir).map_err(|error| too_large(&error))?;
        Ok(Self { regex, beginnings: beginnings(&hir) })
    }

    /// What every match begins with: one of these. It may be nothing.
    pub fn beginnings(&self) -> &[Vec<u8>] {
        &self.beginnings
    }

    /// How much of the text the match at its beginning takes.
    pub fn length_at_start(&self, text: &str) -> Option<usize> {
        Some(self.regex.search_half(&Input::new(text).anchored(Anchored::Yes))?.offset())
    }

    /// Whether it matches anywhere in the value.
    pub fn is_in(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// Whether it captures anything.
    pub fn captures_anything(&self) -> bool {
        self.regex.captures_len() > 1
    }

    /// What its groups captured of the text's beginning: each with its name, if it has one, and where it is.
    pub fn captures(&self, text: &str) -> Vec<(Option<&str>, Option<Range<usize>>)> {
        let mut captures: Captures = self.regex.create_captures();
        self.regex.captures(Input::new(text).anchored(Anchored::Yes), &mut captures);
        let names = self.regex.group_info().pattern_names(regex_automata::PatternID::ZERO);
        let groups = names.enumerate().skip(1).map(|(at, name)| (name, captures.get_group(at).map(|span| span.range())));
        groups.collect()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").finish_non_exhaustive()
    }
}

pub(crate) fn parse(text: &str, any_case: bool) -> Result<Hir, String> {
    let mut parser = ParserBuilder::new().unicode(false).utf8(false).case_insensitive(any_case).build();
    parser.parse(text).map_err(|error| explain(&error))
}

pub(crate) fn config() -> regex_automata::meta::Config {
    Regex::config().utf8_empty(false).nfa_size_limit(Some(1 << 20))
}

fn beginnings(hir: &Hir) -> Vec<Vec<u8>> {
    let mut extractor = Extractor::new();
    // A class of two is a letter in either case; larger ones would only multiply.
    extractor.limit_total(MOST_BEGINNINGS).limit_class(2);
    let seq = extractor.extract(hir);
    let Some(literals) = seq.literals() else { return vec![Vec::new()] };
    let mut all: Vec<Vec<u8>> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
    all.sort();
    // What begins with another is found by the other.
    all.dedup_by(|later, earlier| later.starts_with(earlier));
    all
}

fn explain(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => format!("{} at its character {}", error.kind(), error.span().start.column),
        regex_syntax::Error::Translate(error) => format!("{} at its character {}", error.kind(), error.span().start.column),
        error => error.to_string(),
    }
}

fn too_large(error: &BuildError) -> String {
    match error.size_limit() {
        Some(limit) => format!("compiled it takes more than {limit} bytes"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_matched_from_its_beginning() {
        let check = |pattern: &str, path: &str, expected: Option<usize>| {
            assert_eq!(Pattern::of_path(pattern).expect("it compiles").length_at_start(path), expected, "{pattern} {path}");
        };
        check(r"/users/\d+", "/users/12/x", Some(9));
        check(r"/users/\d+", "/a/users/12", None);
        check("/a|/b", "/b", Some(2));
        check("/a|/b", "/x/b", None);
        check("/a$", "/ab", None);
        check("(?i)/A", "/a", Some(2));
        check(r"(?<id>/\w+)", "/ab", Some(3));
        check(r"\/a\/b", "/a/b", Some(4));
    }

    #[test]
    fn what_every_match_begins_with_is_known() {
        let check = |pattern: &str, expected: &[&str]| {
            let found = Pattern::of_path(pattern).expect("it compiles").beginnings().to_vec();
            let expected: Vec<Vec<u8>> = expected.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert_eq!(found, expected, "{pattern}");
        };
        check(r"/users/\d+", &["/users/"]);
        check("/(aa|bb)/.*", &["/aa/", "/bb/"]);
        check("/a|/ab", &["/a"]);
        check("/.*", &["/"]);
        check("/[a-z]+", &["/"]);
        check("/?", &[""]);
        check("/a|.*", &[""]);
    }

    #[test]
    fn groups_are_captured_by_name_and_by_place() {
        let pattern = Pattern::of_path(r"/(\w+)/(?<id>\d+)(/x)?").expect("it compiles");
        assert!(pattern.captures_anything());
        assert_eq!(pattern.captures("/users/12"), [(None, Some(1..6)), (Some("id"), Some(7..9)), (None, None)]);
    }

    #[test]
    fn what_does_not_compile_is_told_with_its_place() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(Pattern::of_path(pattern).err().as_deref(), Some(expected), "{pattern}");
        };
        check("/users/(foo", "unclosed group at its character 8");
        check("/a(?=b)", "look-around, including look-ahead and look-behind, is not supported at its character 3");
        check(r"/(a)\1", "backreferences are not supported at its character 5");
        check(r"/(\w{1000}){1000}", "compiled it takes more than 1048576 bytes");
    }
}
