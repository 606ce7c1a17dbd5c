//! A tree over bytes: finds every key that a text begins with, the longest first, in time that the number of keys hardly
//! changes.
//!
//! It is a radix tree: a node has the bytes that all keys below it share, and one child for each byte that may follow.
//! Kong's prefixes do not end at slashes, so neither do these.

/// No node.
const NONE: u32 = u32::MAX;
/// From how many children on a node has a place for each byte.
const MANY: usize = 5;

/// What is followed through the tree.
pub(super) trait Text {
    /// Steps over the label. If the text does not go on with it, it is of no more use.
    fn goes_on_with(&mut self, label: &[u8]) -> bool;

    /// Steps over a byte.
    fn take(&mut self) -> Option<u8>;
}

/// A text from its end.
pub(super) struct Backwards<'a>(pub &'a [u8]);

/// Values by their keys.
pub(super) struct Prefixes<V> {
    nodes: Vec<Node<V>>,
}

struct Node<V> {
    /// What follows the byte that led here.
    label: Box<[u8]>,
    value: Option<V>,
    /// The nearest node above that has a value.
    above: u32,
    children: Children,
}

enum Children {
    Few(Vec<(u8, u32)>),
    Many(Box<[u32; 256]>),
}

impl<V> Prefixes<V> {
    /// A tree of these keys, no two of which are the same.
    pub fn new(mut entries: Vec<(Vec<u8>, V)>) -> Self {
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut tree = Self { nodes: Vec::new() };
        if !entries.is_empty() {
            let (keys, values) = entries.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
            let mut values = values.into_iter();
            tree.grow(&keys, 0, NONE, &mut values);
        }
        tree
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node for these keys, which are the same up to `depth`; the values come in the order of the keys.
    fn grow(&mut self, keys: &[Vec<u8>], depth: usize, above: u32, values: &mut std::vec::IntoIter<V>) -> u32 {
        let (first, last) = (&keys[0], &keys[keys.len() - 1]);
        let shared = first[depth..].iter().zip(&last[depth..]).take_while(|(one, other)| one == other).count();
        let end = depth + shared;
        let here = self.nodes.len() as u32;
        let ends = first.len() == end;
        let value = if ends { values.next() } else { None };
        let below = if ends { here } else { above };
        self.nodes.push(Node { label: first[depth..end].into(), value, above, children: Children::Few(Vec::new()) });
        let mut children = Vec::new();
        for group in keys[usize::from(ends)..].chunk_by(|one, other| one[end] == other[end]) {
            children.push((group[0][end], self.grow(group, end + 1, below, values)));
        }
        self.nodes[here as usize].children = Children::of(children);
        here
    }

    /// The values of all keys that the text begins with, the longest key first.
    pub fn of(&self, text: impl Text) -> Found<'_, V> {
        Found { nodes: &self.nodes, next: self.deepest(text) }
    }

    fn deepest(&self, mut text: impl Text) -> u32 {
        let (mut deepest, mut at) = (NONE, 0);
        while let Some(node) = self.nodes.get(at as usize)
            && text.goes_on_with(&node.label)
        {
            if node.value.is_some() {
                deepest = at;
            }
            let Some(byte) = text.take() else { break };
            at = node.children.get(byte);
        }
        deepest
    }
}

impl Text for &[u8] {
    #[inline]
    fn goes_on_with(&mut self, label: &[u8]) -> bool {
        self.strip_prefix(label).map(|rest| *self = rest).is_some()
    }

    #[inline]
    fn take(&mut self) -> Option<u8> {
        let (byte, rest) = self.split_first()?;
        *self = rest;
        Some(*byte)
    }
}

impl Text for Backwards<'_> {
    #[inline]
    fn goes_on_with(&mut self, label: &[u8]) -> bool {
        label.iter().all(|expected| self.take() == Some(*expected))
    }

    #[inline]
    fn take(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_last()?;
        self.0 = rest;
        Some(*byte)
    }
}

impl Children {
    fn of(children: Vec<(u8, u32)>) -> Self {
        if children.len() < MANY {
            return Self::Few(children);
        }
        let mut table = Box::new([NONE; 256]);
        for (byte, child) in children {
            table[usize::from(byte)] = child;
        }
        Self::Many(table)
    }

    fn get(&self, byte: u8) -> u32 {
        match self {
            Self::Few(children) => children.iter().find(|(of, _)| *of == byte).map_or(NONE, |(_, child)| *child),
            Self::Many(table) => table[usize::from(byte)],
        }
    }
}

/// Values on the way from the longest key to the shortest.
pub(super) struct Found<'a, V> {
    nodes: &'a [Node<V>],
    next: u32,
}

impl<'a, V> Iterator for Found<'a, V> {
    type Item = &'a V;

    fn next(&mut self) -> Option<&'a V> {
        let node = self.nodes.get(self.next as usize)?;
        self.next = node.above;
        node.value.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_finds_what_a_search_through_all_keys_finds(
            keys in prop::collection::btree_set("[abc/]{0,5}", 0..40),
            text in "[abc/]{0,8}",
        ) {
            let keys: BTreeSet<String> = keys;
            let tree = Prefixes::new(keys.iter().map(|key| (key.clone().into_bytes(), key.clone())).collect());
            let found: Vec<&String> = tree.of(text.as_bytes()).collect();
            let mut expected: Vec<&String> = keys.iter().filter(|key| text.starts_with(key.as_str())).collect();
            expected.sort_by_key(|key| std::cmp::Reverse(key.len()));
            prop_assert_eq!(found, expected);
        }
    }
}
