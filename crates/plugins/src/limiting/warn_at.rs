//! How much of a limit may be used up before that is an event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a limit: above 0, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(with = "f64")]
pub struct WarnAt(f64);

impl TryFrom<f64> for WarnAt {
    type Error = String;
    fn try_from(part: f64) -> Result<Self, String> {
        if part > 0.0 && part <= 1.0 {
            Ok(Self(part))
        } else {
            Err(format!("must be above 0 and at most 1, not {part}; 0.8 warns when four fifths of a limit are used up"))
        }
    }
}

impl WarnAt {
    /// The rate of this limit at which it is time to warn, at least 1.
    pub fn rate(self, limit: u64) -> u64 {
        // A product such as 0.07 * 100 may come out a hair above the number that is meant.
        ((self.0 * limit as f64 - 1e-9).ceil() as u64).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_limit_is_a_rate() {
        let check = |part: f64, limit, expected| {
            assert_eq!(WarnAt::try_from(part).expect("a part").rate(limit), expected, "{part} of {limit}");
        };
        check(0.8, 10, 8);
        check(0.8, 3, 3);
        check(0.07, 100, 7);
        check(0.001, 3, 1);
        check(1.0, 1_000_000_000, 1_000_000_000);
        for bad in [0.0, -0.5, 1.01, 80.0, f64::NAN, f64::INFINITY] {
            assert!(WarnAt::try_from(bad).is_err(), "{bad}");
        }
    }
}
