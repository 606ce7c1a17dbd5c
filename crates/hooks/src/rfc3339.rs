//! A time as RFC 3339 writes it.

const DAY: u64 = 86_400;

/// Unix milliseconds as a time in UTC, such as `2026-02-28T23:59:59.007Z`.
pub fn utc(unix_ms: u64) -> String {
    let (seconds, millis) = (unix_ms / 1000, unix_ms % 1000);
    let (year, month, day) = date(seconds / DAY);
    let of_day = seconds % DAY;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date so many days after 1970-01-01. Years begin in March here, so that a leap day is the last day of its year.
fn date(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; the calendar repeats after 400 years, which have 146,097 days.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn known_times() {
        let check = |unix_ms, expected: &str| assert_eq!(utc(unix_ms), expected);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_700_000_000_007, "2023-11-14T22:13:20.007Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    }

    proptest::proptest! {
        /// An independent implementation says the same: HTTP writes times in another form.
        #[test]
        fn it_is_the_time_that_http_writes(seconds in 0_u64..253_402_300_799) {
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let [_, day, month, year, time, _] = http.split(' ').collect::<Vec<_>>()[..] else { panic!("{http}") };
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = months.iter().position(|name| *name == month).expect("a month") + 1;
            proptest::prop_assert_eq!(utc(seconds * 1000), format!("{}-{:02}-{}T{}.000Z", year, month, day, time));
        }
    }
}
