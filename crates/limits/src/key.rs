//! Whom a count belongs to: a keyed hash of fixed size, so that no client grows memory with long names.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

use siphasher::sip128::{Hasher128, SipHasher13};

/// A client as a limiter sees it: 128 bits of keyed hash.
///
/// Two words instead of one `u128`: with a counter beside it an entry of the store takes 24 bytes, not 32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u64; 2]);

impl Key {
    /// The half of the hash that picks an overflow slot. The store's table uses the other half.
    pub(crate) fn spare_bits(self) -> u64 {
        self.0[1]
    }
}

/// A key is a hash already, so half of it serves as the hash of the table.
impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

impl From<u128> for Key {
    fn from(bits: u128) -> Self {
        Self([bits as u64, (bits >> 64) as u64])
    }
}

impl From<Key> for u128 {
    fn from(Key([low, high]): Key) -> Self {
        Self::from(low) | Self::from(high) << 64
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:032x})", u128::from(*self))
    }
}

/// Makes keys. The hash key is random per process, so that a client cannot aim for collisions.
#[derive(Clone)]
pub struct Keys {
    hasher: SipHasher13,
}

impl Keys {
    /// Keys that differ from process to process.
    pub fn random() -> Self {
        // `RandomState` holds random bits from the system; its hashes of two words hand them on.
        let source = RandomState::new();
        Self { hasher: SipHasher13::new_with_keys(source.hash_one(0_u64), source.hash_one(1_u64)) }
    }

    /// Keys that are the same every time: for tests.
    pub fn fixed(seed: u64) -> Self {
        Self { hasher: SipHasher13::new_with_keys(seed, !seed) }
    }

    /// The key of the parts, in order. Where one part ends matters: ("ab", "c") is not ("a", "bc").
    #[inline]
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        let mut hasher = self.hasher;
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(secret)")
    }
}

/// The table's hasher: hands the hash in a [`Key`] through.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PassThrough(u64);

impl BuildHasher for PassThrough {
    type Hasher = Self;

    #[inline]
    fn build_hasher(&self) -> Self {
        Self(0)
    }
}

impl Hasher for PassThrough {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Never called by [`Key`]; right, if slow, for anything else.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &[&[u8]], right: &[&[u8]], same: bool) {
        let keys = Keys::fixed(7);
        assert_eq!(keys.key(left) == keys.key(right), same, "{left:?} and {right:?}");
    }

    #[test]
    fn equal_parts_give_equal_keys() {
        check(&[b"ip", b"192.0.2.1"], &[b"ip", b"192.0.2.1"], true);
    }

    #[test]
    fn where_a_part_ends_matters() {
        check(&[b"ab", b"c"], &[b"a", b"bc"], false);
        check(&[b"ab"], &[b"ab", b""], false);
        check(&[], &[b""], false);
    }

    #[test]
    fn random_keys_differ_between_makers() {
        assert_ne!(Keys::random().key(&[b"a"]), Keys::random().key(&[b"a"]));
    }

    #[test]
    fn a_key_survives_the_way_through_a_number() {
        let key = Keys::fixed(1).key(&[b"a"]);
        assert_eq!(Key::from(u128::from(key)), key);
    }
}
