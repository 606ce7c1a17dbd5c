//! A table of options that somebody else understands: unread, with its positions.

use serde::de::DeserializeOwned;

use crate::diagnostics::Problem;
use crate::key_path::KeyPath;
use crate::read;
use crate::tree::Node;

/// The options of a plugin, a handler or a credential as they stand in the file.
#[derive(Clone)]
pub struct Block {
    path: KeyPath,
    node: Node,
}

/// Whether both say the same under the same keys; what stands above them in the file may have grown.
impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.node.says_the_same_as(&other.node) && self.path == other.path
    }
}

impl Block {
    pub(crate) fn new(path: KeyPath, node: Node) -> Self {
        Self { path, node }
    }

    /// A block without options, for what was not written.
    pub fn empty(path: KeyPath) -> Self {
        Self::new(path, Node::empty_table())
    }

    pub(crate) fn into_node(self) -> Node {
        self.node
    }

    /// Where the block stands.
    pub fn path(&self) -> &KeyPath {
        &self.path
    }

    /// Reads the block as `T`, or tells every mistake in it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        match self.read_on() {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(problems),
        }
    }

    /// Reads the block as `T` without what is wrong with it, if it can do without, so that what is left can be checked
    /// further; and tells every mistake.
    pub fn read_on<T: DeserializeOwned>(&self) -> (Option<T>, Vec<Problem>) {
        read::read(&self.path, &self.node)
    }

    /// Reads the block as `T` and checks it, and tells the mistakes of both in one go. What a check says of a value that
    /// could not be read is not repeated.
    pub fn read_and_check<T: DeserializeOwned, U>(
        &self,
        check: impl FnOnce(T) -> Result<U, Vec<Problem>>,
    ) -> Result<U, Vec<Problem>> {
        let (value, mut problems) = self.read_on::<T>();
        let Some(value) = value else { return Err(problems) };
        match check(value) {
            Ok(checked) if problems.is_empty() => return Ok(checked),
            Ok(_) => {}
            Err(found) => {
                let known: Vec<KeyPath> = problems.iter().map(|problem| problem.path.clone()).collect();
                problems.extend(found.into_iter().filter(|problem| !known.iter().any(|path| problem.path.below(path).is_some())));
            }
        }
        Err(problems)
    }

    /// The text that stands under one of its keys.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.node.table()?.get(key)?.text()
    }

    /// A problem at the block itself.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(self.path.clone(), message)
    }

    /// A problem at one of its keys, given as `a.b`.
    pub fn problem_at(&self, keys: &str, message: impl Into<String>) -> Problem {
        Problem::at(self.path.join(&KeyPath::of(keys.split('.'))), message)
    }

    /// The options as JSON: what the Admin API shows.
    pub fn to_json(&self) -> serde_json::Value {
        self.node.to_json()
    }
}
