//! The same peer for the same key. Each slot has a peer of its own by weighted rendezvous, so that a peer that goes takes
//! nothing but its own slots along, and every gateway finds the same.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::peer::Peer;

/// A hash that is the same in every process.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

/// For each slot the position of its peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slots(Box<[u32]>);

impl Slots {
    /// The slots of these peers, given as weights and hashes.
    pub fn new(slots: u32, peers: &[(u16, u64)]) -> Self {
        let owner = |slot| best(slot, peers.iter().copied().enumerate()).unwrap_or_default() as u32;
        Self((0..u64::from(slots)).map(owner).collect())
    }

    pub fn slot_of(&self, key: u64) -> u64 {
        key % self.0.len().max(1) as u64
    }

    /// The position of the slot's peer.
    pub fn owner(&self, slot: u64) -> usize {
        self.0.get(slot as usize).copied().unwrap_or_default() as usize
    }
}

/// Of those that remain, the one that the slot goes to.
pub(crate) fn best_of<'a>(slot: u64, peers: impl Iterator<Item = (usize, &'a Peer)>) -> Option<usize> {
    best(slot, peers.map(|(at, peer)| (at, (peer.weight, peer.hash))))
}

/// Each draws a lot by the slot and itself, the heavier the luckier; the best lot wins.
fn best(slot: u64, peers: impl Iterator<Item = (usize, (u16, u64))>) -> Option<usize> {
    let lots = peers.filter(|(_, (weight, _))| *weight > 0).map(|(at, (weight, hash))| {
        let drawn = (mixed(slot ^ hash) >> 11) as f64 + 1.0;
        (at, -(drawn / (1_u64 << 53) as f64).ln() / f64::from(weight))
    });
    lots.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(at, _)| at)
}

/// Every bit depends on every other (the finaliser of splitmix64).
fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peers(weights: &[u16]) -> Vec<(u16, u64)> {
        weights.iter().enumerate().map(|(at, weight)| (*weight, hash(format!("10.0.0.{at}:80").as_bytes()))).collect()
    }

    #[test]
    fn slots_are_shared_by_weight() {
        let slots = Slots::new(10_000, &peers(&[100, 200, 100, 0]));
        let mut counts = [0_u32; 4];
        slots.0.iter().for_each(|owner| counts[*owner as usize] += 1);
        assert!((2300..2700).contains(&counts[0]) && (4700..5300).contains(&counts[1]) && counts[3] == 0, "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_peer_that_goes_moves_nothing_but_its_own(weights in prop::collection::vec(1_u16..500, 2..8), gone in 0_usize..8) {
            let all = peers(&weights);
            let gone = gone % all.len();
            let before = Slots::new(500, &all);
            let left: Vec<(usize, (u16, u64))> = all.iter().copied().enumerate().filter(|(at, _)| *at != gone).collect();
            let after = Slots::new(500, &left.iter().map(|(_, peer)| *peer).collect::<Vec<_>>());
            for slot in 0..500 {
                let owner = left[after.owner(slot)].0;
                prop_assert!(before.owner(slot) == gone || before.owner(slot) == owner);
                // Whoever is passed over, and not gone, is replaced by the same.
                prop_assert_eq!(best(slot, left.iter().copied()), Some(owner));
            }
        }
    }
}
