//! Reads a table as a type and tells every mistake in it, not only the first.
//!
//! serde stops at a mistake. So the key at fault is taken out of a copy of the tree, the mistake is noted, and the rest
//! is read again, until nothing is left to complain about.

use std::collections::HashMap;

use serde::de::DeserializeOwned;

use crate::deserialize::{Kind, Mistake};
use crate::diagnostics::Problem;
use crate::key_path::{KeyPath, Segment};
use crate::suggest::one_of;
use crate::tree::{Node, Value};

/// Reads as much as can be read: the value without what is wrong with it, if it can do without, and every mistake.
pub(crate) fn read<T: DeserializeOwned>(path: &KeyPath, node: &Node) -> (Option<T>, Vec<Problem>) {
    match T::deserialize(node) {
        Ok(value) => (Some(value), Vec::new()),
        Err(mistake) => without_mistakes(path, node.clone(), mistake),
    }
}

fn without_mistakes<T: DeserializeOwned>(path: &KeyPath, mut rest: Node, first: Mistake) -> (Option<T>, Vec<Problem>) {
    let mut problems: Vec<Problem> = Vec::new();
    let mut tried: HashMap<KeyPath, usize> = HashMap::new();
    let mut mistake = first;
    loop {
        if is_consequence(&mistake, path, &problems) {
            return (None, problems);
        }
        let tries = tried.entry(mistake.path.clone()).or_default();
        let patched = patch(&mut rest, &mistake, *tries);
        *tries += 1;
        if *tries == 1 {
            problems.push(explain(path, mistake));
        }
        if !patched {
            return (None, problems);
        }
        mistake = match T::deserialize(&rest) {
            Ok(value) => return (Some(value), problems),
            Err(mistake) => mistake,
        };
    }
}

/// Makes the copy readable without what is at fault.
fn patch(rest: &mut Node, mistake: &Mistake, tries: usize) -> bool {
    match (&mistake.kind, mistake.path.0.as_slice()) {
        (Kind::Missing { .. }, _) => false,
        (_, [list @ .., Segment::Index(index)]) => replace_by_sibling(rest, list, *index, tries),
        (_, path) => rest.remove(path),
    }
}

/// Puts another element in the place of a bad one, so that the list keeps its length; or takes the whole list out if no
/// other is good.
fn replace_by_sibling(rest: &mut Node, list: &[Segment], index: usize, tries: usize) -> bool {
    let mut node = &mut *rest;
    for segment in list {
        let child = match (&mut node.value, segment) {
            (Value::Table(table), Segment::Key(key)) => table.get_mut(key),
            (Value::Array(items), Segment::Index(at)) => items.get_mut(*at),
            _ => None,
        };
        let Some(child) = child else { return false };
        node = child;
    }
    // What stands before the first bad element was read already, so it is good. What stands behind it is tried in turn.
    let sibling = if index > 0 { 0 } else { 1 + tries };
    match &mut node.value {
        Value::Array(items) if sibling < items.len() => {
            items[index].value = items[sibling].value.clone();
            true
        }
        _ => rest.remove(list),
    }
}

/// Whether the mistake only says that a key is missing which was taken out before.
fn is_consequence(mistake: &Mistake, path: &KeyPath, problems: &[Problem]) -> bool {
    let Kind::Missing { key } = mistake.kind else { return false };
    let missing = path.join(&mistake.path).key(key);
    problems.iter().any(|problem| problem.path.below(&missing).is_some())
}

/// serde's words in ours, with a remedy.
fn explain(path: &KeyPath, mistake: Mistake) -> Problem {
    let path = path.join(&mistake.path);
    match mistake.kind {
        Kind::UnknownKey { key, known } => {
            Problem::at_key(path, format!("unknown key \"{key}\"")).help(one_of(&key, known.iter().copied()))
        }
        Kind::UnknownValue { value, known } => {
            Problem::at(path, format!("unknown value \"{value}\"")).help(one_of(&value, known.iter().copied()))
        }
        Kind::Missing { key } => Problem::at(path, format!("required field missing: {key}")),
        Kind::Other(message) => Problem::at(path, plain(message)),
    }
}

fn plain(mut message: String) -> String {
    for (theirs, ours) in PLAIN_WORDS {
        message = message.replace(theirs, ours);
    }
    message
}

/// What serde calls by Rust's names.
const PLAIN_WORDS: &[(&str, &str)] = &[
    ("expected u64", "expected a whole number"),
    ("expected u32", "expected a whole number"),
    ("expected u16", "expected a whole number up to 65535"),
    ("expected usize", "expected a whole number"),
    ("expected a sequence", "expected a list, such as [1, 2]"),
    ("expected a map", "expected a table"),
    ("expected a boolean", "expected true or false"),
    ("expected struct ", "expected a table, "),
    ("invalid type: sequence", "invalid type: a list"),
    ("invalid type: map", "invalid type: a table"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::interpolate::ProcessEnvironment;
    use crate::source::Source;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Options {
        limit: Vec<u64>,
        window_size: Vec<u64>,
        #[serde(default)]
        hide: bool,
    }

    fn check(text: &str, expected: &[(&str, &str)]) {
        let (document, problems) = Document::parse(Source::new("t", text), &ProcessEnvironment);
        assert_eq!(problems, []);
        let block = document.block(&KeyPath::default()).expect("the root is there");
        let found = block.read::<Options>().err().unwrap_or_default();
        let found: Vec<(String, String)> =
            found.iter().map(|p| (p.path.to_string(), format!("{} {}", p.message, p.help.clone().unwrap_or_default()))).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((path, message), (expected_path, expected_message)) in found.iter().zip(expected) {
            assert_eq!(path, expected_path);
            assert!(message.contains(expected_message), "{message}");
        }
    }

    #[test]
    fn every_mistake_is_told_in_one_reading() {
        check("limit = [3]\nwindow_size = [60]", &[]);
        check(
            "limt = [3]\nlimit = [1, \"two\", \"three\"]\nhide = 1\nwindow_size = [60]",
            &[
                ("limt", "did you mean \"limit\"?"),
                ("limit[1]", "expected a whole number"),
                ("limit[2]", "\"three\""),
                ("hide", "expected true or false"),
            ],
        );
        check("limit = [3]", &[("", "required field missing: window_size")]);
        check("limit = 3\nwindow_size = [1]", &[("limit", "expected a list")]);
        check("limit = [\"a\", \"b\", 3]\nwindow_size = []", &[("limit[0]", "\"a\""), ("limit[1]", "\"b\"")]);
        check("limit = [\"a\"]\nwindow_size = [\"b\"]", &[("limit[0]", "\"a\""), ("window_size[0]", "\"b\"")]);
    }
}
