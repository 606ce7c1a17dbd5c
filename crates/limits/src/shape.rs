//! How the counts of a key are laid out in memory.

use std::sync::atomic::AtomicU64;

use crate::{
    quota::Quota,
    slot::{CopySlot, Wide},
    window::{Counts, Window},
};

/// Turns counts into the state of a slot, and back. Zero must mean: never seen.
pub(crate) trait Shape: Sized + Send + Sync + std::fmt::Debug + 'static {
    /// The slot that holds the state.
    type Slot: CopySlot;

    /// Reads a state.
    fn read(&self, state: <Self::Slot as CopySlot>::State) -> Counts;

    /// Writes a state.
    fn write(&self, counts: Counts) -> <Self::Slot as CopySlot>::State;

    /// A state with this much more in the current count.
    fn add(&self, state: <Self::Slot as CopySlot>::State, cost: u32) -> <Self::Slot as CopySlot>::State;

    /// The same layout for another quota of the same window, if the counts still fit.
    fn again(&self, quota: &Quota) -> Option<Self>;
}

/// All in one word: the number of the window, then two counts of equal width.
#[derive(Debug)]
pub(crate) struct Packed {
    count_bits: u32,
}

impl Packed {
    /// The layout, if the counts of such a quota fit. Refused requests may count to any number, so they do not.
    pub(crate) fn for_quota(quota: &Quota) -> Option<Self> {
        let count_bits = (u64::BITS - Window::new(quota.window).index_bits()) / 2;
        (!quota.charge_rejected && quota.limit < 1 << count_bits).then_some(Self { count_bits })
    }
}

impl Shape for Packed {
    type Slot = AtomicU64;

    #[inline]
    fn read(&self, word: u64) -> Counts {
        let mask = (1 << self.count_bits) - 1;
        Counts { window: word >> (2 * self.count_bits), previous: word >> self.count_bits & mask, current: word & mask }
    }

    #[inline]
    fn write(&self, counts: Counts) -> u64 {
        counts.window << (2 * self.count_bits) | counts.previous << self.count_bits | counts.current
    }

    /// The count stands in the lowest bits, and what is counted fits.
    #[inline]
    fn add(&self, word: u64, cost: u32) -> u64 {
        word + u64::from(cost)
    }

    fn again(&self, quota: &Quota) -> Option<Self> {
        Self::for_quota(quota)
    }
}

/// A word for each.
#[derive(Debug)]
pub(crate) struct Spread;

impl Shape for Spread {
    type Slot = Wide;

    #[inline]
    fn read(&self, [window, previous, current]: [u64; 3]) -> Counts {
        Counts { window, previous, current }
    }

    #[inline]
    fn write(&self, counts: Counts) -> [u64; 3] {
        [counts.window, counts.previous, counts.current]
    }

    #[inline]
    fn add(&self, [window, previous, current]: [u64; 3], cost: u32) -> [u64; 3] {
        [window, previous, current.saturating_add(cost.into())]
    }

    fn again(&self, _: &Quota) -> Option<Self> {
        Some(Self)
    }
}

/// One count in one word: 34 bits for the number of the window, 30 for the count, which is enough for every limit.
#[derive(Debug)]
pub(crate) struct Single;

const SINGLE_COUNT_BITS: u32 = 30;

impl Shape for Single {
    type Slot = AtomicU64;

    #[inline]
    fn read(&self, word: u64) -> Counts {
        Counts { window: word >> SINGLE_COUNT_BITS, previous: 0, current: word & ((1 << SINGLE_COUNT_BITS) - 1) }
    }

    #[inline]
    fn write(&self, counts: Counts) -> u64 {
        counts.window << SINGLE_COUNT_BITS | counts.current
    }

    #[inline]
    fn add(&self, word: u64, cost: u32) -> u64 {
        word + u64::from(cost)
    }

    fn again(&self, _: &Quota) -> Option<Self> {
        Some(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::quota::MAX_LIMIT;

    fn check(shape: &impl Shape, counts: Counts) {
        assert_eq!(shape.read(shape.write(counts)), counts, "{shape:?}");
        let less = Counts { current: counts.current - 1, ..counts };
        assert_eq!(shape.read(shape.add(shape.write(less), 1)), counts, "{shape:?}");
        assert_eq!(shape.read(Default::default()), Counts::default(), "{shape:?}");
    }

    #[test]
    fn counts_survive_the_way_through_a_word() {
        for seconds in [1, 60, 3600, 86_400, 31_536_000] {
            let window = (1 << Window::new(Duration::from_secs(seconds)).index_bits()) - 1;
            let packed = Packed::for_quota(&Quota::new(10, Duration::from_secs(seconds))).expect("ten fit");
            let most = (1 << packed.count_bits) - 1;
            check(&packed, Counts { window, previous: most, current: most });
            check(&Single, Counts { window, previous: 0, current: MAX_LIMIT });
            check(&Spread, Counts { window, previous: u64::MAX, current: u64::MAX });
        }
    }

    #[test]
    fn what_does_not_fit_a_word_is_spread() {
        let second = Duration::from_secs(1);
        assert!(Packed::for_quota(&Quota::new(32_767, second)).is_some());
        assert!(Packed::for_quota(&Quota::new(32_768, second)).is_none());
        assert!(Packed::for_quota(&Quota { charge_rejected: true, ..Quota::new(1, second) }).is_none());
    }
}
