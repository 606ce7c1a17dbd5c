//! Smooth weighted round-robin, worked out beforehand: in which order peers come until each has had its share.

/// The longest sequence; weights that need a longer one are rounded.
const LONGEST: u64 = 65_536;

/// The positions of peers in their order. Each comes as often as its weight says, as evenly spread as that can be.
pub(crate) fn sequence(weights: &[u16]) -> Box<[u32]> {
    let whole = weights.iter().fold(0, |common, weight| gcd(common, u64::from(*weight))).max(1);
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight) / whole).sum();
    let share = |weight: u16| {
        let share = u64::from(weight) / whole;
        if sum > LONGEST && share > 0 { (share * LONGEST / sum).max(1) } else { share }
    };
    // The n-th turn of a peer is due in the middle of the n-th of its equal parts of the whole.
    let turns = weights.iter().enumerate().flat_map(|(at, weight)| {
        let share = share(*weight);
        (0..share).map(move |turn| ((2 * turn + 1) as f64 / (2 * share) as f64, at as u32))
    });
    let mut turns: Vec<(f64, u32)> = turns.collect();
    turns.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    turns.into_iter().map(|(_, at)| at).collect()
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn turns_are_spread() {
        let check = |weights: &[u16], expected: &[u32]| assert_eq!(&*sequence(weights), expected, "{weights:?}");
        check(&[100, 100, 100], &[0, 1, 2]);
        check(&[2, 1], &[0, 1, 0]);
        check(&[4, 2, 0], &[0, 1, 0]);
        check(&[], &[]);
        check(&[0], &[]);
        assert_eq!(sequence(&[65_535, 65_534, 1]).iter().filter(|at| **at == 2).count(), 1);
    }

    proptest! {
        #[test]
        fn each_has_its_share_exactly(weights in prop::collection::vec(0_u16..300, 0..8)) {
            let sequence = sequence(&weights);
            let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            for (at, weight) in weights.iter().enumerate() {
                let turns = sequence.iter().filter(|turn| **turn == at as u32).count() as u64;
                prop_assert_eq!(turns * sum, u64::from(*weight) * sequence.len() as u64);
            }
        }

        #[test]
        fn nobody_is_ahead_of_his_share_by_more_than_a_turn(weights in prop::collection::vec(1_u16..50, 1..6)) {
            let sequence = sequence(&weights);
            for (at, _) in weights.iter().enumerate() {
                let all = sequence.iter().filter(|turn| **turn == at as u32).count() as f64;
                let mut had = 0.0;
                for (n, turn) in sequence.iter().enumerate() {
                    had += f64::from(u8::from(*turn == at as u32));
                    let due = all * (n + 1) as f64 / sequence.len() as f64;
                    prop_assert!((had - due).abs() <= weights.len() as f64, "{weights:?} {at} {n}");
                }
            }
        }
    }
}
