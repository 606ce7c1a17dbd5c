//! Who is at the other end. A header counts only if a trusted proxy sent it, and is read from the right: the first address
//! that is not a trusted proxy's is the client, and nothing to its left is believed.
//!
//! Which header that is, `client_ip_header` says: a proxy that sets one of them passes the other on as it came.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use sluice_config::ClientIpHeader;

use crate::forwarded::{Element, Elements};

/// Who is believed about who asks, and in which header he says it.
#[derive(Clone, Copy)]
pub struct Trust<'a> {
    /// The proxies that are believed.
    pub proxies: &'a [IpNet],
    /// The header.
    pub header: ClientIpHeader,
}

impl Trust<'_> {
    /// The client's address, seen from `peer`.
    pub fn client_ip(self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !is_trusted(peer, self.proxies) {
            return peer;
        }
        match self.header {
            ClientIpHeader::XForwardedFor => self.by_x_forwarded_for(peer, headers),
            ClientIpHeader::Forwarded => self.by_forwarded(peer, headers).0,
        }
    }

    /// What the client spoke and the host that he asked for, by the words of `peer`, if he is believed.
    pub(crate) fn said(self, peer: IpAddr, headers: &HeaderMap) -> (Option<&str>, Option<&str>) {
        let line = |name| headers.get(name).and_then(|line: &HeaderValue| line.to_str().ok());
        match self.header {
            _ if !is_trusted(peer, self.proxies) => (None, None),
            ClientIpHeader::XForwardedFor => (line("x-forwarded-proto"), line("x-forwarded-host")),
            ClientIpHeader::Forwarded => {
                let element = self.by_forwarded(peer, headers).1.unwrap_or_default();
                (element.proto, element.host)
            }
        }
    }

    fn by_x_forwarded_for(self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        for hop in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            // What is no address is nobody's: the last hop that was understood counts.
            let Some(hop) = std::str::from_utf8(hop).ok().and_then(|hop| address(hop.trim())) else { break };
            client = hop;
            if !is_trusted(client, self.proxies) {
                break;
            }
        }
        client
    }

    /// The client by Forwarded, and what the first of the trusted proxies says of him.
    fn by_forwarded(self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, Option<Element<'_>>) {
        let (mut client, mut said) = (peer, None);
        for element in Elements::of(headers) {
            let hop = element.node.and_then(address);
            said = Some(element);
            // Who is `unknown` or goes by a made-up name is nobody.
            let Some(hop) = hop else { break };
            client = hop;
            if !is_trusted(client, self.proxies) {
                break;
            }
        }
        (client, said)
    }
}

/// An address as proxies write it: by itself, or with the port that the client had.
fn address(hop: &str) -> Option<IpAddr> {
    let (ip, port) = match hop.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        // Several colons are an IPv6 address by itself.
        None => hop.split_once(':').filter(|(_, port)| !port.contains(':')).map_or((hop, ""), |(ip, _)| hop.split_at(ip.len())),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() || port.starts_with('_');
    let sound = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    ip.parse::<IpAddr>().ok().filter(|_| sound).map(|ip| ip.to_canonical())
}

/// Whether the peer is one of the proxies whose headers count.
pub(crate) fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    !trusted.is_empty() && trusted.iter().any(|net| net.contains(&ip.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADERS: [(&str, ClientIpHeader); 2] =
        [("x-forwarded-for", ClientIpHeader::XForwardedFor), ("forwarded", ClientIpHeader::Forwarded)];

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn found(peer: &str, lines: &[&[u8]], (name, by): (&'static str, ClientIpHeader)) -> IpAddr {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line).expect("a header value"));
        }
        let trusted = ["10.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")];
        Trust { proxies: &trusted, header: by }.client_ip(ip(peer), &headers)
    }

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let lines: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(found(peer, &lines, HEADERS[0]), ip(expected), "{peer} {forwarded:?}");
    }

    fn check_forwarded(peer: &str, forwarded: &[&str], expected: &str) {
        let lines: Vec<&[u8]> = forwarded.iter().map(|line| line.as_bytes()).collect();
        assert_eq!(found(peer, &lines, HEADERS[1]), ip(expected), "{peer} {forwarded:?}");
    }

    #[test]
    fn forwarded_addresses_are_believed_from_the_right_and_from_trusted_proxies_only() {
        check("192.0.2.9", &["1.1.1.1"], "192.0.2.9");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6", "1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, junk, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["6.6.6.6", "junk", "10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3"], "10.0.0.3");
        check("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1");
        check("::1", &["2001:db8::1"], "2001:db8::1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["1.1.1.1:55"], "1.1.1.1");
        check("10.0.0.1", &["[2001:db8::1]:55"], "2001:db8::1");
        check("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        for wrong in ["1.1.1.1:", "1.1.1.1:x", "1.1.1.1:70000", "[2001:db8::1", "[2001:db8::1]x", "[]", ":80", "1.1.1"] {
            check("10.0.0.1", &[wrong], "10.0.0.1");
        }
    }

    #[test]
    fn rfc_7239_is_read_as_it_is_written_and_as_it_is_met() {
        check_forwarded("192.0.2.9", &["for=1.1.1.1"], "192.0.2.9");
        check_forwarded("10.0.0.1", &["for=6.6.6.6, for=1.1.1.1;proto=https;by=10.0.0.2, for=10.0.0.2"], "1.1.1.1");
        check_forwarded("10.0.0.1", &["for=6.6.6.6", "for=1.1.1.1"], "1.1.1.1");
        check_forwarded("10.0.0.1", &["FOR=\"[2001:DB8::1]:4711\""], "2001:db8::1");
        check_forwarded("10.0.0.1", &["for=\"1.1.1.1:_port\" ; Proto=\"http\";"], "1.1.1.1");
        check_forwarded("10.0.0.1", &["for=\"2001:db8::1\""], "2001:db8::1");
        check_forwarded("10.0.0.1", &["for=1.1.1.1:80"], "1.1.1.1");
        check_forwarded("10.0.0.1", &[r#"for=6.6.6.6;host="a\", for=\"7.7.7.7", for=1.1.1.1"#], "1.1.1.1");
        check_forwarded("10.0.0.1", &[r#"for=1.1.1.1;host="a\", for=7.7.7.7\\""#], "1.1.1.1");
        // Who hides is counted as the proxy that hides him.
        for hidden in ["for=unknown", "for=_x1", "for=6.6.6.6, for=\"_gazonk\"", "proto=https", ""] {
            check_forwarded("10.0.0.1", &["for=6.6.6.6", hidden], "10.0.0.1");
            check_forwarded("10.0.0.1", &["for=6.6.6.6", hidden, "for=10.0.0.3"], "10.0.0.3");
        }
        let malformed = [
            "for",
            "for=",
            "=1.1.1.1",
            "for =1.1.1.1",
            "for=1.1.1.1=",
            "for=1.1.1.1;for=1.1.1.2",
            "for=1.1.1.1 for=1.1.1.2",
            "for=\"1.1.1.1",
            "for=1.1.1.1\"",
            "for=\"1.1.1.1\\\"",
            "1.1.1.1",
            ",",
            "for=1.1.1.1,",
            "fo\"r=1.1.1.1",
        ];
        for line in malformed {
            check_forwarded("10.0.0.1", &["for=6.6.6.6", line], "10.0.0.1");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_who_sent_them() {
        assert_eq!(found("10.0.0.1", &[b"\xff, 1.1.1.1"], HEADERS[0]), ip("1.1.1.1"));
        assert_eq!(found("10.0.0.1", &[b"for=\"\xff, for=1.1.1.1"], HEADERS[1]), ip("1.1.1.1"));
    }

    fn header() -> impl Strategy<Value = (&'static str, ClientIpHeader)> {
        proptest::sample::select(&HEADERS[..])
    }

    /// What somebody may have sent before a proxy added its own: near to what is right, or anything.
    fn forged() -> impl Strategy<Value = Vec<u8>> {
        let near = "((for|FOR|by|host)=)?(\"|\\\\\"|\\[|10\\.0\\.0\\.7|6\\.6\\.6\\.6|::1|[;,=_ a]){0,8}";
        prop_oneof![near.prop_map(String::into_bytes), proptest::collection::vec(prop_oneof![32..127_u8, 128..=255_u8], 0..40)]
    }

    proptest! {
        #[test]
        fn a_forged_header_of_a_stranger_changes_nothing(forged in forged(), header in header()) {
            prop_assert_eq!(found("192.0.2.9", &[&forged], header), ip("192.0.2.9"));
        }

        #[test]
        fn whatever_stands_before_what_a_trusted_proxy_added_changes_nothing(
            forged in forged(), header in header(), client: IpAddr, own_line: bool, host in "[ -~]{0,20}",
        ) {
            let client = client.to_canonical();
            prop_assume!(!is_trusted(client, &["10.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")]));
            let added = match header.1 {
                ClientIpHeader::XForwardedFor => client.to_string(),
                ClientIpHeader::Forwarded => {
                    let host = host.replace('\\', "\\\\").replace('"', "\\\"");
                    format!("for=\"{}\";host=\"{host}\"", if client.is_ipv6() { format!("[{client}]") } else { client.to_string() })
                }
            };
            let lines = if own_line {
                vec![forged, added.into_bytes()]
            } else {
                vec![[&forged[..], b", ", added.as_bytes()].concat()]
            };
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(found("10.0.0.1", &lines, header), client);
        }
    }
}
