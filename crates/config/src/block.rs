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
        read::read(&self.path, &self.node)
    }

    /// A problem at the block itself.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(self.path.clone(), message)
    }

    /// A problem at one of its keys, given as `a.b`.
    pub fn problem_at(&self, keys: &str, message: impl Into<String>) -> Problem {
        Problem::at(self.path.join(&KeyPath::of(keys.split('.'))), message)
    }

    /// The options as JSON: what the Admin API shows, and by what two blocks are compared.
    pub fn to_json(&self) -> serde_json::Value {
        self.node.to_json()
    }
}
