//! Many regular expressions at once: whether any of them matches the beginning of a path.
//!
//! They become one table of states when a configuration is read, so that a path is followed byte by byte, mostly to the
//! byte at which it is sure that none matches. What would take too large a table makes its states as paths ask for them.

use std::fmt;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

use crate::pattern::{config, parse};

/// How large a table may be, and what makes it, in bytes.
const LARGEST: usize = 1 << 18;

/// Regular expressions that paths match from their beginning.
pub struct AnyOf(Way);

enum Way {
    /// From the state in which a path begins.
    Table(Box<dense::DFA<Vec<u32>>>, StateID),
    Lazy(Regex),
}

impl AnyOf {
    /// These expressions. None if one of them is none, or they are too many.
    pub fn new(texts: &[&str]) -> Option<Self> {
        let all: Vec<Hir> = texts.iter().map(|text| parse(text, false).ok()).collect::<Option<_>>()?;
        let way = table(&all).or_else(|| Some(Way::Lazy(Regex::builder().configure(config()).build_many_from_hir(&all).ok()?)));
        way.map(Self)
    }

    /// Whether any of them matches at the beginning of the path.
    #[inline]
    pub fn begins(&self, path: &str) -> bool {
        match &self.0 {
            Way::Table(table, start) => follow(table, *start, path.as_bytes()),
            Way::Lazy(regex) => regex.is_match(Input::new(path).anchored(Anchored::Yes)),
        }
    }
}

fn table(all: &[Hir]) -> Option<Way> {
    let settings = thompson::Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(LARGEST));
    let nfa = thompson::Compiler::new().configure(settings).build_many_from_hir(all).ok()?;
    let settings = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::All)
        .dfa_size_limit(Some(LARGEST))
        .determinize_size_limit(Some(LARGEST));
    let table = dense::Builder::new().configure(settings).build_from_nfa(&nfa).ok()?;
    let start = table.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()?;
    Some(Way::Table(Box::new(table), start))
}

/// Whether the table comes to a match from a state on. It says so one byte late, since `$` and `\b` look at what follows.
#[inline]
fn follow(table: &dense::DFA<Vec<u32>>, start: StateID, bytes: &[u8]) -> bool {
    let mut state = start;
    for byte in bytes {
        state = table.next_state(state, *byte);
        if table.is_special_state(state) {
            if table.is_match_state(state) {
                return true;
            }
            if table.is_dead_state(state) {
                return false;
            }
        }
    }
    table.is_match_state(table.next_eoi_state(state))
}

impl fmt::Debug for AnyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyOf").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    #[test]
    fn it_says_what_they_say_one_by_one() {
        let parts = ["", "/", "a", "/a", "/a/", "b", "/7", "x/", "ab", "A", "-"];
        let paths: Vec<String> =
            parts.iter().flat_map(|one| parts.map(|two| parts.map(|three| format!("/{one}{two}{three}")))).flatten().collect();
        let sets: [&[&str]; 8] = [
            &["/a"],
            &["/a$", "/b"],
            &[r"/[a-z]+/\d+/7$", r"/\w+/7"],
            &["/a|/b/", "(?i)/AB"],
            &[r"^/ab\b", r"/a/$"],
            &[".*x", "/a{3}"],
            &["/?$", "x"],
            &[r"/[ab/]*a.{12}x", "/a-"],
        ];
        for texts in sets {
            let all = AnyOf::new(texts).expect("they compile");
            let alone: Vec<Pattern> = texts.iter().map(|text| Pattern::of_path(text).expect("it compiles")).collect();
            for path in &paths {
                let expected = alone.iter().any(|pattern| pattern.length_at_start(path).is_some());
                assert_eq!(all.begins(path), expected, "{texts:?} {path}");
            }
        }
    }

    #[test]
    fn what_is_too_large_for_a_table_is_not_made_one() {
        let is_table = |texts: &[&str]| matches!(AnyOf::new(texts), Some(AnyOf(Way::Table(..))));
        let many: Vec<String> = (0..128).map(|n| format!(r"/[a-z]+/\d+/{n}$")).collect();
        assert!(is_table(&many.iter().map(String::as_str).collect::<Vec<_>>()));
        assert!(!is_table(&["/.*a.{20}b"]));
        assert!(AnyOf::new(&["/.*a.{20}b"]).expect("it compiles").begins("/xa01234567890123456789b"));
    }
}
