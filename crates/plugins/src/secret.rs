//! What is found by a secret. How long a look-up takes tells nobody how near he was: the place of a secret follows from a
//! hash with a key of this process, and what is there is compared in constant time.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use subtle::ConstantTimeEq;

/// Things by their secrets.
pub(crate) struct Secrets<T> {
    hasher: RandomState,
    by_hash: HashMap<u64, Bucket<T>>,
}

/// The secrets of one hash, and what they open.
type Bucket<T> = Vec<(Box<[u8]>, T)>;

impl<T> Secrets<T> {
    /// What this secret opens.
    pub fn get(&self, said: &[u8]) -> Option<&T> {
        let bucket = self.by_hash.get(&self.hasher.hash_one(said))?;
        bucket.iter().find(|(secret, _)| bool::from(secret.ct_eq(said))).map(|(_, thing)| thing)
    }
}

impl<T> FromIterator<(String, T)> for Secrets<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(all: I) -> Self {
        let hasher = RandomState::new();
        let mut by_hash: HashMap<u64, Bucket<T>> = HashMap::new();
        for (secret, thing) in all {
            let secret: Box<[u8]> = secret.into_bytes().into();
            by_hash.entry(hasher.hash_one(&*secret)).or_default().push((secret, thing));
        }
        Self { hasher, by_hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_opens() {
        let all: Secrets<u8> = [("one".to_owned(), 1), ("two".to_owned(), 2), (String::new(), 3)].into_iter().collect();
        assert_eq!([all.get(b"one"), all.get(b"two"), all.get(b"")], [Some(&1), Some(&2), Some(&3)]);
        assert_eq!([all.get(b"on"), all.get(b"onee"), all.get(b"ONE")], [None; 3]);
    }
}
