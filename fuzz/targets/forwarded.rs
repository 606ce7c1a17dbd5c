//! X-Forwarded-For and Forwarded: whatever somebody sent before a trusted proxy added who he is, he is who he is.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use sluice_config::ClientIpHeader;
use sluice_proxy::Trust;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fuzz_target!(|said: &[u8]| {
    let proxies = [IpNet::from(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))];
    let both = [
        ("x-forwarded-for", ClientIpHeader::XForwardedFor, "203.0.113.7"),
        ("forwarded", ClientIpHeader::Forwarded, "for=203.0.113.7;host=\"a\\\", for=\\\"6.6.6.6\";proto=http"),
    ];
    for (name, header, added) in both {
        let trust = Trust { proxies: &proxies, header };
        let mut headers = HeaderMap::new();
        for line in said.split(|byte| *byte == b'\n') {
            let Ok(line) = HeaderValue::from_bytes(line) else { return };
            headers.append(name, line);
        }
        assert_eq!(trust.client_ip(STRANGER, &headers), STRANGER);
        trust.client_ip(PROXY, &headers);
        // In the last line, and then in one of its own.
        let last = said.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = HeaderValue::from_bytes(&[last, b", ", added.as_bytes()].concat()).expect("a header value");
        for (line, alone) in [(line, false), (HeaderValue::from_static(added), true)] {
            let mut headers = headers.clone();
            if !alone {
                headers.clear();
            }
            headers.append(name, line);
            assert_eq!(trust.client_ip(PROXY, &headers), CLIENT);
        }
    }
});
