//! Whom a count belongs to: a keyed hash of fixed size, so that no client grows memory with long names.

use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    net::IpAddr,
};

use siphasher::sip128::{Hasher128, SipHasher13};

/// A client as a limiter sees it: 128 bits of keyed hash, and the network that it comes from if it is known.
///
/// The hash alone tells keys apart. The network matters only while there is no room for a key of its own.
#[derive(Clone, Copy)]
pub struct Key {
    id: Id,
    net: Net,
}

impl Key {
    /// The same key, from this network.
    #[must_use]
    pub const fn in_network(self, net: Net) -> Self {
        Self { net, ..self }
    }

    /// What the tables know of it.
    #[inline]
    pub(crate) fn id(self) -> Id {
        self.id
    }

    /// Where it comes from, if that is known.
    pub(crate) fn net(self) -> Option<Net> {
        (self.net != Net::UNKNOWN).then_some(self.net)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// The key with this hash, from nowhere.
impl From<u128> for Key {
    fn from(bits: u128) -> Self {
        Self { id: Id([bits as u64, (bits >> 64) as u64]), net: Net::UNKNOWN }
    }
}

impl From<Key> for u128 {
    fn from(Key { id: Id([low, high]), .. }: Key) -> Self {
        Self::from(low) | Self::from(high) << 64
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:032x})", u128::from(*self))
    }
}

/// The hash in a key: all that a table keeps of it.
///
/// Two words instead of one `u128`: with a counter beside it an entry of a table takes 24 bytes, not 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id([u64; 2]);

impl Id {
    /// Nobody's.
    pub(crate) const NONE: Self = Self([0; 2]);

    /// The half of the hash that picks a place outside a table. The table uses the other half.
    #[inline]
    pub(crate) fn spare_bits(self) -> u64 {
        self.0[1]
    }
}

/// An id is a hash already, so half of it serves as the hash of the table.
impl Hash for Id {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

/// A client's network: the /24 of an IPv4 address, the /48 of an IPv6 address. One word, and not hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Net(u64);

impl Net {
    const UNKNOWN: Self = Self(0);

    /// The network of an address. An IPv4 address that is mapped into IPv6 is an IPv4 address.
    #[inline]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(4 << 56 | u64::from(address.to_bits() >> 8)),
            IpAddr::V6(address) => Self(6 << 56 | (address.to_bits() >> 80) as u64),
        }
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

    /// Keys of one kind.
    pub fn kind(&self, kind: &[u8]) -> Kind {
        let mut hasher = self.hasher;
        // No part is so long, so that what begins like this is a kind.
        hasher.write_u64(u64::MAX);
        hasher.write_u64(kind.len() as u64);
        hasher.write(kind);
        // Whole words, so that a value begins with one.
        hasher.write(&[0; 8][..kind.len().next_multiple_of(8) - kind.len()]);
        Kind { hasher }
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
        Key { id: Id([hash.h1, hash.h2]), net: Net::UNKNOWN }
    }
}

/// Makes keys of one kind, such as those of addresses: what all of them begin with is hashed already.
#[derive(Clone)]
pub struct Kind {
    hasher: SipHasher13,
}

impl Kind {
    /// The key of a value.
    #[inline]
    pub fn key(&self, value: &[u8]) -> Key {
        let hash = self.hasher.hash(value);
        Key { id: Id([hash.h1, hash.h2]), net: Net::UNKNOWN }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kind(secret)")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(secret)")
    }
}

/// The hasher of the tables: hands the hash in a [`Key`] through. The builder takes no room in a table.
pub(crate) type PassThrough = BuildHasherDefault<Handed>;

/// The hash that was handed in.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Handed(u64);

impl Hasher for Handed {
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
    use std::collections::HashSet;

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
    fn a_key_is_of_one_kind_and_one_value() {
        let keys = Keys::fixed(7);
        let texts: [&[u8]; 10] =
            [b"", b"\0", b"a", b"ab", b"ab\0", b"abcdefg", b"abcdefgh", b"abcdefgh\0", b"abcdefghi", &[0; 256]];
        let all: Vec<Key> = texts.iter().flat_map(|kind| texts.map(|value| keys.kind(kind).key(value))).collect();
        let distinct: HashSet<Key> = all.iter().copied().chain(texts.map(|text| keys.key(&[text]))).collect();
        assert_eq!(distinct.len(), 110);
        assert_eq!(keys.kind(b"ip").key(b"192.0.2.1"), keys.clone().kind(b"ip").key(b"192.0.2.1"));
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

    #[test]
    fn a_network_is_a_24_or_a_48() {
        let same = |left: &str, right: &str| {
            let net = |text: &str| Net::of(text.parse().expect("an address"));
            net(left) == net(right)
        };
        for (left, right, expected) in [
            ("192.0.2.1", "192.0.2.255", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("192.0.2.1", "::ffff:192.0.2.77", true),
            ("2001:db8:1::1", "2001:db8:1:ffff::1", true),
            ("2001:db8:1::1", "2001:db8:2::1", false),
            ("0.0.0.0", "::", false),
        ] {
            assert_eq!(same(left, right), expected, "{left} and {right}");
        }
        assert!(["0.0.0.0", "::"].iter().all(|text| Net::of(text.parse().expect("an address")) != Net::UNKNOWN));
    }

    #[test]
    fn the_network_tells_no_keys_apart() {
        let key = Keys::fixed(1).key(&[b"a"]);
        let elsewhere = key.in_network(Net::of([192, 0, 2, 1].into()));
        assert_eq!((key, key.net()), (elsewhere, None));
        assert!(elsewhere.net().is_some());
    }
}
