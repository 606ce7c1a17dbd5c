//! Who is not limited at all: addresses, networks and consumers by name.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sluice_config::{Problem, network, one_of};
use uuid::Uuid;

use crate::cx::Cx;
use crate::plugin::BuildCx;

/// Who is not limited: not counted, and told nothing.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exempt {
    /// Addresses and networks, such as "10.0.0.0/8".
    #[schemars(with = "Vec<String>")]
    ips: Vec<Network>,
    /// Names of consumers.
    consumers: Vec<String>,
}

/// A network, or an address as the network of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Network(IpNet);

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        network(&text).map(|net| Self(canonical(net)))
    }
}

/// A network of IPv4 addresses that are written as IPv6 is that of IPv4.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let Some(v4) = v6.addr().to_ipv4_mapped() else { return net };
    let prefix = v6.prefix_len().checked_sub(96);
    prefix.and_then(|prefix| IpNet::new(v4.into(), prefix).ok()).unwrap_or(net)
}

impl Exempt {
    /// The same, ready for requests. A consumer that nobody knows is a mistake.
    pub fn check(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Exemptions {
        let mut consumers = Vec::new();
        for (index, name) in self.consumers.iter().enumerate() {
            match cx.consumers.iter().find(|consumer| consumer.username == *name) {
                Some(consumer) => consumers.push(consumer.id),
                None => {
                    let mut known: Vec<&str> = cx.consumers.iter().map(|consumer| consumer.username.as_str()).collect();
                    known.sort_unstable();
                    let path = cx.block.path().key("exempt").key("consumers").index(index);
                    problems.push(Problem::at(path, format!("there is no consumer \"{name}\"")).help(one_of(name, known)));
                }
            }
        }
        Exemptions { networks: self.ips.iter().map(|network| network.0).collect(), consumers }
    }
}

/// Who is not limited.
pub(crate) struct Exemptions {
    networks: Vec<IpNet>,
    consumers: Vec<Uuid>,
}

impl Exemptions {
    /// Whether this request is not limited.
    pub fn hold(&self, cx: &Cx<'_>) -> bool {
        let by_address = || {
            let ip = cx.client_ip.to_canonical();
            self.networks.iter().any(|network| network.contains(&ip))
        };
        let by_name = || cx.memory.consumer.as_ref().is_some_and(|consumer| self.consumers.contains(&consumer.id));
        !self.networks.is_empty() && by_address() || !self.consumers.is_empty() && by_name()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::net::IpAddr;

    use super::*;

    fn exempt(network: &str, ip: &str) -> bool {
        let network = Network::try_from(network.to_owned()).expect("a network").0;
        network.contains(&ip.parse::<IpAddr>().expect("an address").to_canonical())
    }

    proptest! {
        /// Few bits differ, so that both cases come up.
        #[test]
        fn an_address_is_in_a_network_exactly_if_its_first_bits_are(base: u32, flip in 0..33u32, length in 0..=32u32) {
            let address = std::net::Ipv4Addr::from_bits(base);
            let other = std::net::Ipv4Addr::from_bits(base ^ 1u32.checked_shl(flip).unwrap_or(0));
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            let inside = (address.to_bits() ^ other.to_bits()) & mask == 0;
            for network in [format!("{address}/{length}"), format!("::ffff:{address}/{}", length + 96)] {
                prop_assert_eq!(exempt(&network, &other.to_string()), inside);
                prop_assert_eq!(exempt(&network, &format!("::ffff:{other}")), inside);
            }
        }
    }

    #[test]
    fn an_address_is_in_its_network_however_both_are_written() {
        let check = |network: &str, ip: &str, expected: bool| {
            assert_eq!(exempt(network, ip), expected, "{ip} in {network}");
        };
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "::ffff:10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("::ffff:10.0.0.0/104", "10.1.2.3", true);
        check("::ffff:10.0.0.0/104", "11.1.2.3", false);
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("::/0", "2001:db8::1", true);
        check("::/0", "192.0.2.1", false);
    }
}
