//! Numbers, addresses and times, written by hand: the machinery of formatting would cost more than the rest of a line.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

const MONTHS: [&[u8; 3]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            number(out, u64::from(a));
            for part in [b, c, d] {
                out.push(b'.');
                number(out, u64::from(part));
            }
        }
        // Writing to memory does not fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

pub(super) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(_) => {
            ip(out, address.ip());
            out.push(b':');
            number(out, u64::from(address.port()));
        }
        SocketAddr::V6(_) => drop(write!(out, "{address}")),
    }
}

/// Milliseconds, with the microseconds behind the point.
pub(super) fn millis(out: &mut Vec<u8>, time: Duration) {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    out.push(b'.');
    digits::<3>(out, micros % 1000);
}

/// The time of day as nginx writes it: `28/Nov/2026:12:04:28 +0000`.
pub(super) fn nginx_time(out: &mut Vec<u8>, since_1970: Duration) {
    let (year, month, day) = date(since_1970);
    digits::<2>(out, day);
    out.push(b'/');
    out.extend_from_slice(MONTHS[(month - 1) as usize % 12]);
    out.push(b'/');
    digits::<4>(out, year);
    out.push(b':');
    time(out, since_1970);
    out.extend_from_slice(b" +0000");
}

/// The time of day by RFC 3339: `2026-11-28T12:04:28.123Z`.
pub(super) fn rfc3339(out: &mut Vec<u8>, since_1970: Duration) {
    let (year, month, day) = date(since_1970);
    digits::<4>(out, year);
    out.push(b'-');
    digits::<2>(out, month);
    out.push(b'-');
    digits::<2>(out, day);
    out.push(b'T');
    time(out, since_1970);
    out.push(b'.');
    digits::<3>(out, u64::from(since_1970.subsec_millis()));
    out.push(b'Z');
}

fn time(out: &mut Vec<u8>, since_1970: Duration) {
    let seconds = since_1970.as_secs() % 86_400;
    digits::<2>(out, seconds / 3600);
    out.push(b':');
    digits::<2>(out, seconds / 60 % 60);
    out.push(b':');
    digits::<2>(out, seconds % 60);
}

/// Year, month and day, counted in eras of 400 years that begin in March.
fn date(since_1970: Duration) -> (u64, u64, u64) {
    let days = since_1970.as_secs() / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn digits<const N: usize>(out: &mut Vec<u8>, mut number: u64) {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        let check = |millis: u64, nginx: &str, rfc: &str| {
            let at = Duration::from_millis(millis);
            assert_eq!(written(|out| nginx_time(out, at)), nginx);
            assert_eq!(written(|out| rfc3339(out, at)), rfc);
        };
        check(0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z");
        check(951_827_696_007, "29/Feb/2000:12:34:56 +0000", "2000-02-29T12:34:56.007Z");
        check(1_795_867_468_123, "28/Nov/2026:12:04:28 +0000", "2026-11-28T12:04:28.123Z");
        check(4_107_542_399_999, "28/Feb/2100:23:59:59 +0000", "2100-02-28T23:59:59.999Z");
        check(4_107_542_400_000, "01/Mar/2100:00:00:00 +0000", "2100-03-01T00:00:00.000Z");
        assert_eq!(written(|out| millis(out, Duration::from_micros(12_045))), "12.045");
    }

    proptest! {
        #[test]
        fn days_follow_one_another(day in 0_u64..1_000_000) {
            let at = |day: u64| date(Duration::from_secs(day * 86_400));
            let ((y, m, d), next) = (at(day), at(day + 1));
            let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
            let length = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][(m - 1) as usize];
            let expected = if d < length { (y, m, d + 1) } else if m < 12 { (y, m + 1, 1) } else { (y + 1, 1, 1) };
            prop_assert_eq!(next, expected);
        }

        #[test]
        fn addresses_are_written_as_they_are_read(address in any::<SocketAddr>()) {
            prop_assert_eq!(written(|out| super::address(out, address)), address.to_string());
            prop_assert_eq!(written(|out| ip(out, address.ip())), address.ip().to_string());
        }
    }
}
