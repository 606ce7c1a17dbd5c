//! Who is at the other end. X-Forwarded-For counts only if a trusted proxy sent it, and is read from the right: the first
//! address that is not a trusted proxy's is the client, and nothing to its left is believed.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The client's address, seen from `peer`.
pub(crate) fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let lines = headers.get_all("x-forwarded-for").iter().collect::<smallvec::SmallVec<[_; 2]>>();
    for line in lines.iter().rev() {
        for hop in line.to_str().unwrap_or_default().rsplit(',') {
            // What is no address is nobody's: the last hop that was understood counts.
            let Some(hop) = address(hop.trim()) else { return client };
            client = hop.to_canonical();
            if !is_trusted(client, trusted) {
                return client;
            }
        }
    }
    client
}

/// An address as proxies write it: by itself, or with the port that the client had.
fn address(hop: &str) -> Option<IpAddr> {
    let alone = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    alone.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Whether the peer is one of the proxies whose headers count.
pub(crate) fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    !trusted.is_empty() && trusted.iter().any(|net| net.contains(&ip.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().expect("a header value"));
        }
        let trusted = ["10.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")];
        let found = client_ip(peer.parse().expect("an address"), &headers, &trusted);
        assert_eq!(found, expected.parse::<IpAddr>().expect("an address"), "{peer} {forwarded:?}");
    }

    #[test]
    fn forwarded_addresses_are_believed_from_the_right_and_from_trusted_proxies_only() {
        check("192.0.2.9", &["1.1.1.1"], "192.0.2.9");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6", "1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, junk, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3"], "10.0.0.3");
        check("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1");
        check("::1", &["2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1:55"], "1.1.1.1");
        check("10.0.0.1", &["[2001:db8::1]:55"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
    }

    proptest! {
        #[test]
        fn a_forged_header_of_a_stranger_changes_nothing(forged in "[ -~]{0,60}") {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forged.parse().expect("printable ASCII"));
            let peer = "192.0.2.9".parse().expect("an address");
            prop_assert_eq!(client_ip(peer, &headers, &["10.0.0.0/8".parse().expect("a network")]), peer);
        }
    }
}
