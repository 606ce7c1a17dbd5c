//! A table by name, in whatever case the name is asked for, without a copy of it.
//!
//! The names are the configuration's, so nobody who asks can make them collide.

use hashbrown::HashTable;

/// Values by their names.
pub(super) struct Names<V>(HashTable<(Box<[u8]>, V)>);

impl<V> Names<V> {
    /// A table of these names, no two of which are the same.
    pub fn new(entries: impl IntoIterator<Item = (Vec<u8>, V)>) -> Self {
        let mut table = HashTable::new();
        for (name, value) in entries {
            table.insert_unique(hash(&name), (name.into_boxed_slice(), value), |(name, _)| hash(name));
        }
        Self(table)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the name.
    pub fn get(&self, name: &[u8]) -> Option<&V> {
        self.0.find(hash(name), |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// FNV-1a over the lower case, and what makes its upper bits depend on all of it.
fn hash(name: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3);
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_any_case() {
        let names = Names::new((0..1000).map(|n| (format!("name-{n}").into_bytes(), n)));
        assert_eq!(names.get(b"NAME-17"), Some(&17));
        assert_eq!(names.get(b"name-1000"), None);
        assert!(!names.is_empty());
    }
}
