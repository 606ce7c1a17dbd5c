//! The PROXY protocol: an introduction is over at one place, whatever comes behind it, and nothing shorter is one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_proxy::fuzzed::introduction;

fuzz_target!(|said: &[u8]| {
    let Some(Ok((length, ends))) = introduction(said) else {
        // What is wrong does not become right by what comes behind it; what has no end yet is bounded.
        match introduction(said) {
            Some(_) => assert!(introduction(&[said, b"\r\n"].concat()).is_some_and(|more| more.is_err())),
            None => assert!(said.len() < 16 + 4096),
        }
        return;
    };
    assert!(0 < length && length <= said.len());
    assert_eq!(introduction(&said[..length]), Some(Ok((length, ends))));
    assert_eq!(introduction(&[&said[..length], b"GET / HTTP/1.1\r\n\r\n"].concat()), Some(Ok((length, ends))));
    for shorter in 0..length {
        assert_eq!(introduction(&said[..shorter]), None, "{shorter} of {length}");
    }
    if let Some([from, to]) = ends {
        assert_eq!(from.is_ipv4(), to.is_ipv4());
        // Said in the words of version 1 it is the same.
        let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port());
        assert_eq!(introduction(line.as_bytes()), Some(Ok((line.len(), ends))));
    }
});
