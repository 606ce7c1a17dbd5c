//! Heads of HTTP/1: however they come the same is seen, and what is believed can be read in one way only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_proxy::fuzzed::{Seen, head};

/// How long a head may be.
const MOST: usize = 512;

fuzz_target!(|said: &[u8]| {
    let seen = head(said, said.len(), MOST);
    for piece in [1, 3, 17] {
        match (&seen, head(said, piece, MOST)) {
            // Of two faults, the one that comes first is told.
            (Seen::Refused(_), Seen::Refused(_)) => {}
            (whole, pieces) => assert_eq!(*whole, pieces, "in pieces of {piece}"),
        }
    }
    match seen {
        Seen::Refused(status) => assert!((400..=505).contains(&status)),
        Seen::Plain(_) | Seen::Other(_) => check(said, &seen),
        Seen::Partial => assert!(said.len() <= MOST + 2),
        Seen::Streams => assert!(said.strip_prefix(b"\r\n").unwrap_or(said).starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    }
});

/// Reads it again, in the simplest way that there is.
fn check(said: &[u8], seen: &Seen) {
    let said = said.strip_prefix(b"\r\n").unwrap_or(said);
    let end = said.windows(4).position(|four| four == b"\r\n\r\n").expect("an end") + 4;
    let head = &said[..end];
    assert!(end <= MOST && !head.contains(&0));
    assert!(head.split(|byte| *byte == b'\n').all(|line| !line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r')));
    assert_eq!(head.iter().filter(|byte| **byte == b'\n').count(), head.windows(2).filter(|two| two == b"\r\n").count());
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first: Vec<&str> = lines.next().expect("a line").split(' ').collect();
    assert_eq!(first.len(), 3, "{first:?}");
    let headers: Vec<(String, &str)> = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])))
        .collect();
    assert!(headers.iter().all(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace)), "{headers:?}");
    let of = |name: &str| headers.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect::<Vec<_>>();
    let [hosts, lengths, codings] = ["host", "content-length", "transfer-encoding"].map(of);
    assert!(hosts.len() == 1 || hosts.is_empty() && first[2] == "HTTP/1.0", "{hosts:?}");
    assert!(lengths.len() + codings.len() <= 1, "{lengths:?} {codings:?}");
    assert!(codings.iter().all(|coding| coding.eq_ignore_ascii_case("chunked") && first[2] == "HTTP/1.1"), "{codings:?}");
    let length = lengths.first().map_or(0, |length| length.parse::<u64>().expect("a length"));
    match seen {
        Seen::Plain(head) => assert_eq!((*head, length, codings.len()), (end, 0, 0)),
        Seen::Other(Some(body)) => assert_eq!((*body, codings.len()), (end as u64 + length, 0)),
        _ => assert!(!codings.is_empty() || headers.iter().any(|(name, _)| name == "upgrade")),
    }
}
