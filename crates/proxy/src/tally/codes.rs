//! Answers by status: a counter for each that is common, and one for each class of the others.

use std::sync::atomic::AtomicU64;

use super::{add, get};

/// What is counted apart, as it is shown; the classes stand at the end.
const SHOWN: [&str; 48] = [
    "101", "200", "201", "202", "203", "204", "205", "206", "300", "301", "302", "303", "304", "307", "308", "400", "401", "402",
    "403", "404", "405", "406", "408", "409", "410", "411", "412", "413", "414", "415", "416", "417", "421", "422", "426", "429",
    "431", "499", "500", "501", "502", "503", "504", "1xx", "2xx", "3xx", "4xx", "5xx",
];

/// The place of each status. What is no status of HTTP counts as one of the last class.
static PLACES: [u8; 600] = places();

const fn places() -> [u8; 600] {
    let mut places = [(SHOWN.len() - 1) as u8; 600];
    let mut code = 100;
    while code < 600 {
        places[code] = (SHOWN.len() - 6 + code / 100) as u8;
        code += 1;
    }
    let mut at = 0;
    while at < SHOWN.len() - 5 {
        let digits = SHOWN[at].as_bytes();
        let code = (digits[0] - b'0') as usize * 100 + (digits[1] - b'0') as usize * 10 + (digits[2] - b'0') as usize;
        places[code] = at as u8;
        at += 1;
    }
    places
}

pub(super) struct Codes([AtomicU64; SHOWN.len()]);

impl Default for Codes {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; SHOWN.len()])
    }
}

impl Codes {
    pub fn count(&self, status: u16) {
        let place = PLACES.get(usize::from(status)).map_or(SHOWN.len() - 1, |place| usize::from(*place));
        add(&self.0[place], 1);
    }
}

pub(super) struct Sums([u64; SHOWN.len()]);

impl Default for Sums {
    fn default() -> Self {
        Self([0; SHOWN.len()])
    }
}

impl Sums {
    pub fn add(&mut self, codes: &Codes) {
        self.0.iter_mut().zip(&codes.0).for_each(|(sum, counter)| *sum += get(counter));
    }

    /// Those that there were.
    pub fn seen(&self) -> Vec<(&'static str, u64)> {
        SHOWN.into_iter().zip(self.0).filter(|(_, sum)| *sum > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_counts_as_itself_or_as_its_class() {
        for (status, shown) in [
            (101, "101"),
            (103, "1xx"),
            (200, "200"),
            (299, "2xx"),
            (304, "304"),
            (418, "4xx"),
            (429, "429"),
            (499, "499"),
            (504, "504"),
            (599, "5xx"),
            (0, "5xx"),
            (999, "5xx"),
        ] {
            let (codes, mut sums) = (Codes::default(), Sums::default());
            codes.count(status);
            sums.add(&codes);
            assert_eq!(sums.seen(), [(shown, 1)], "{status}");
        }
    }
}
