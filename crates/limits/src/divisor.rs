//! Division by a number that stays the same: a multiplication, where the processor's own division takes as long as the
//! rest of a check.

/// Divides by a number that is not zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Divisor {
    by: u64,
    /// How often the number goes into a whole word: its inverse, as a fraction of 64 bits, cut.
    inverse: u64,
}

impl Divisor {
    pub(crate) fn new(by: u64) -> Self {
        debug_assert!(by > 0);
        Self { by, inverse: u64::MAX / by }
    }

    /// The quotient, and what is left.
    #[inline]
    pub(crate) fn divide(self, number: u64) -> (u64, u64) {
        // The inverse is at most 1 too small, so the product is less than 1 too small, and cut, the quotient is right or one
        // too small.
        let quotient = ((u128::from(number) * u128::from(self.inverse)) >> 64) as u64;
        let left = number - quotient * self.by;
        if left < self.by { (quotient, left) } else { (quotient + 1, left - self.by) }
    }

    /// The quotient, rounded up.
    #[inline]
    pub(crate) fn div_ceil(self, number: u64) -> u64 {
        let (quotient, left) = self.divide(number);
        quotient + u64::from(left > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(number: u64, by: u64) {
        let divisor = Divisor::new(by);
        assert_eq!(divisor.divide(number), (number / by, number % by), "{number} by {by}");
        assert_eq!(divisor.div_ceil(number), number.div_ceil(by), "{number} by {by}");
    }

    #[test]
    fn numbers_around_multiples_of_all_sizes_are_divided_as_by_the_processor() {
        let powers = || (0..64).map(|bit| 1_u64 << bit).flat_map(|power| [power - 1, power, power.saturating_add(1)]);
        for by in powers().chain([3, 7, 10, 1_000_000_000, 31_536_000_000_000_000, u64::MAX]).filter(|by| *by > 0) {
            let multiples = [1, 2, 3, u64::MAX / by].map(|times| by.saturating_mul(times));
            for number in powers().chain(multiples.into_iter().flat_map(|n| [n - 1, n, n.saturating_add(1)])).chain([u64::MAX]) {
                check(number, by);
            }
        }
    }

    proptest! {
        #[test]
        fn any_number_is_divided_as_by_the_processor(number: u64, by in 1..u64::MAX, shift in 0..64u32) {
            check(number, (by >> shift).max(1));
            check(number >> shift, by);
        }
    }
}
