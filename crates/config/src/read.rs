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
use crate::tree::Node;

/// How many mistakes are looked for in one table: each takes a reading of it.
const MOST: usize = 100;

/// Reads as much as can be read: the value without what is wrong with it, if it can do without, and every mistake.
pub(crate) fn read<T: DeserializeOwned>(path: &KeyPath, node: &Node) -> (Option<T>, Vec<Problem>) {
    match T::deserialize(node) {
        Ok(value) => (Some(value), Vec::new()),
        Err(mistake) => without_mistakes(path, node.clone(), mistake),
    }
}

fn without_mistakes<T: DeserializeOwned>(path: &KeyPath, rest: Node, first: Mistake) -> (Option<T>, Vec<Problem>) {
    let mut problems: Vec<Problem> = Vec::new();
    let mut rest = Rest { node: rest, lists: HashMap::new() };
    let mut next = Some(first);
    while let Some(mistake) = next {
        if is_consequence(&mistake, path, &problems) {
            return (None, problems);
        }
        let place = mistake.path.0.clone();
        let patchable = !matches!(mistake.kind, Kind::Missing { .. });
        let shown = Mistake { path: rest.as_written(&mistake.path), kind: mistake.kind };
        problems.push(explain(path, shown));
        if !patchable || problems.len() > MOST || !rest.take_out(&place) {
            return (None, problems);
        }
        next = T::deserialize(&rest.node).err();
    }
    (rest.whole().and_then(|node| T::deserialize(&node).ok()), problems)
}

/// A copy of the tree without what is at fault.
struct Rest {
    node: Node,
    /// Of each list that lost elements: how long it was, and which of them are left.
    lists: HashMap<Vec<Segment>, (usize, Vec<usize>)>,
}

impl Rest {
    /// A path in the copy as it is in the file: elements that were taken out count.
    fn as_written(&self, path: &KeyPath) -> KeyPath {
        let written = path.0.iter().enumerate().map(|(at, segment)| match (segment, self.lists.get(&path.0[..at])) {
            (Segment::Index(index), Some((_, left))) => Segment::Index(left.get(*index).copied().unwrap_or(*index)),
            (segment, _) => segment.clone(),
        });
        KeyPath(written.collect())
    }

    /// Takes the value at `path` out; false if there is none.
    fn take_out(&mut self, path: &[Segment]) -> bool {
        let Some((Segment::Index(index), list)) = path.split_last() else { return self.node.remove(path) };
        let Some(items) = self.node.list_at(list).filter(|items| *index < items.len()) else { return false };
        let (_, left) = self.lists.entry(list.to_vec()).or_insert_with(|| (items.len(), (0..items.len()).collect()));
        items.remove(*index);
        left.remove(*index);
        true
    }

    /// The copy with its lists as long as they were, so that what is said of lengths holds: a good element stands in for
    /// a bad one. None if a list has no good element.
    fn whole(mut self) -> Option<Node> {
        for (path, (length, left)) in self.lists {
            let items = self.node.list_at(&path)?;
            let stand_in = items.first()?.clone();
            let mut good = std::mem::take(items).into_iter();
            let element = |at| if left.contains(&at) { good.next() } else { Some(stand_in.clone()) };
            *items = (0..length).filter_map(element).collect();
        }
        Some(self.node)
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
    // serde quotes the string that it did not expect; it stands in the line that is shown, where secrets are masked.
    if let (Some(start), Some(end)) = (message.find("string \""), message.rfind("\", expected")) {
        message.replace_range(start..=end, "a string");
    }
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
    ("expected u8", "expected a whole number up to 255"),
    ("expected f64", "expected a number"),
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
        let (document, problems) = Document::parse(vec![Source::new("t", text)], &ProcessEnvironment);
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
                ("limit[2]", "a string"),
                ("hide", "expected true or false"),
            ],
        );
        check("limit = [\"a\", \"b\"]\nwindow_size = [1]", &[("limit[0]", "a string"), ("limit[1]", "a string")]);
        check("limit = [3]", &[("", "required field missing: window_size")]);
        check("limit = 3\nwindow_size = [1]", &[("limit", "expected a list")]);
        check("limit = [\"a\", \"b\", 3]\nwindow_size = []", &[("limit[0]", "a string"), ("limit[1]", "a string")]);
        check("limit = [\"a\"]\nwindow_size = [\"b\"]", &[("limit[0]", "a string"), ("window_size[0]", "a string")]);
    }
}
