//! Where a webhook may call: the guard against requests that somebody makes the gateway send into its own network (SSRF).
//!
//! The address is judged where it is dialled: [`Checked`] is the resolver that the HTTP client connects by, so a name that
//! resolves to something else the next moment finds no gap. Addresses in a url do not pass the resolver; those are judged
//! when the hook is built, and again before each request. Odd notations (`0x7f.1`, `2130706433`) are addresses by then:
//! the url parser reads them as browsers do.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sluice_config::{Egress as Rule, Hooks, KeyPath, Problem};
use url::{Host, Url};

/// Nothing of these is called, whatever the configuration says: who answers there hands out the machine's credentials.
const NEVER: &[(&str, &str)] = &[
    ("169.254.0.0/16", "a link-local address, where clouds keep their metadata"),
    ("fe80::/10", "a link-local address"),
    ("fd00:ec2::254/128", "the metadata service of AWS"),
    ("fd20:ce::254/128", "the metadata service of Google Cloud"),
    ("100.100.100.200/32", "the metadata service of Alibaba Cloud"),
    ("168.63.129.16/32", "the metadata service of Azure"),
    ("192.0.0.192/32", "the metadata service of Oracle Cloud"),
];

/// Nothing of these is public: the special-purpose registries of IANA (RFC 6890 and what came after it).
const NOT_PUBLIC: &[(&str, &str)] = &[
    ("0.0.0.0/8", "an address of this network"),
    ("10.0.0.0/8", "a private address"),
    ("100.64.0.0/10", "an address of a carrier's network"),
    ("127.0.0.0/8", "a loopback address"),
    ("172.16.0.0/12", "a private address"),
    ("192.0.0.0/24", "a reserved address"),
    ("192.0.2.0/24", "an address for documentation"),
    ("192.88.99.0/24", "a 6to4 relay"),
    ("192.168.0.0/16", "a private address"),
    ("198.18.0.0/15", "an address for benchmarks"),
    ("198.51.100.0/24", "an address for documentation"),
    ("203.0.113.0/24", "an address for documentation"),
    ("224.0.0.0/4", "a multicast address"),
    ("240.0.0.0/4", "a reserved address"),
    ("::/96", "a loopback or IPv4-compatible address"),
    ("64:ff9b:1::/48", "an address of a local translator"),
    ("100::/64", "a discard address"),
    ("2001::/23", "a reserved or Teredo address"),
    ("2001:db8::/32", "an address for documentation"),
    ("3fff::/20", "an address for documentation"),
    ("5f00::/16", "a segment identifier"),
    ("fc00::/7", "a private address"),
    ("fec0::/10", "a site-local address"),
    ("ff00::/8", "a multicast address"),
];

/// Where webhooks may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    public_only: bool,
    networks: Vec<IpNet>,
    names: Vec<String>,
}

/// Why an address is not called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    address: IpAddr,
    what: &'static str,
    /// Whether the configuration could allow it.
    opens: bool,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, and hooks may not call it", self.address, self.what)
    }
}

impl Egress {
    /// What `[hooks]` says, and what is wrong with it.
    pub fn new(hooks: &Hooks) -> (Self, Vec<Problem>) {
        let mut egress = Self { public_only: hooks.egress == Rule::Public, ..Self::default() };
        let mut problems = Vec::new();
        for (index, text) in hooks.egress_allow.iter().enumerate() {
            if let Some(network) = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
                egress.networks.push(canonical(network));
            } else if is_name(text) {
                egress.names.push(text.trim_end_matches('.').to_ascii_lowercase());
            } else {
                let path = KeyPath::of(["hooks", "egress_allow"]).index(index);
                let problem = Problem::at(path, format!("`{text}` is no network, no address and no name of a host"));
                problems.push(problem.help("write one such as \"10.1.0.0/16\", \"10.1.2.3\" or \"hooks.internal\""));
            }
        }
        (egress, problems)
    }

    /// Whether this address may be called, under the name that it was found by.
    pub(crate) fn judge(&self, name: Option<&str>, address: IpAddr) -> Result<(), Refused> {
        let canonical = address.to_canonical();
        // What leads to another address is no better than either.
        let all = || std::iter::once(canonical).chain(behind(canonical));
        if let Some(what) = all().find_map(|address| within(NEVER, address)) {
            return Err(Refused { address, what, opens: false });
        }
        if !self.public_only || self.allows(name, canonical) {
            return Ok(());
        }
        all().find_map(|address| within(NOT_PUBLIC, address)).map_or(Ok(()), |what| Err(Refused { address, what, opens: true }))
    }

    fn allows(&self, name: Option<&str>, address: IpAddr) -> bool {
        let named = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        named.is_some_and(|name| self.names.contains(&name)) || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether the address that stands in the url may be called; names are judged when they are resolved.
    pub(crate) fn judge_url(&self, url: &Url) -> Result<(), Refused> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.judge(None, address.into()),
            Some(Host::Ipv6(address)) => self.judge(None, address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// The same for a url of the configuration, as a problem.
    pub(crate) fn check(&self, url: &Url, path: KeyPath) -> Option<Problem> {
        let refused = self.judge_url(url).err()?;
        let help = if refused.opens {
            format!("call a public address, or add \"{}\" to `egress_allow` of [hooks]", refused.address.to_canonical())
        } else {
            "call another address; no setting opens this one".to_owned()
        };
        Some(Problem::at(path, refused.to_string()).help(help))
    }
}

/// Addresses are judged in their canonical form, so a network of IPv4-mapped ones is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let v4 = network.addr().to_canonical();
    let length = network.prefix_len().checked_sub(96).filter(|_| v4.is_ipv4() && network.addr().is_ipv6());
    length.and_then(|length| IpNet::new(v4, length).ok()).unwrap_or(network)
}

fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.len() < 64 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let text = text.trim_end_matches('.');
    text.len() < 254
        && text.split('.').all(label)
        && !text.split('.').next_back().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

fn within(table: &[(&str, &'static str)], address: IpAddr) -> Option<&'static str> {
    let holds = |network: &str| network.parse::<IpNet>().expect("the tables hold networks").contains(&address);
    table.iter().find(|(network, _)| holds(network)).map(|(_, what)| *what)
}

/// The IPv4 addresses that this one may lead to: IPv4-compatible, NAT64 (RFC 6052, RFC 8215), 6to4, ISATAP.
fn behind(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let IpAddr::V6(v6) = address else { return [None, None].into_iter().flatten() };
    let found = match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => [Some(v4(high, low)), None],
        // The prefix of a local translator is 48 bits long, or longer: the address stands behind it, or at the end.
        [0x64, 0xff9b, 1, high, middle, low, end_high, end_low] => {
            [Some(v4(high, middle << 8 | low >> 8)), Some(v4(end_high, end_low))]
        }
        [0x2002, high, low, ..] => [Some(v4(high, low)), None],
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => [Some(v4(high, low)), None],
        _ => [None, None],
    };
    found.map(|address| address.map(IpAddr::from)).into_iter().flatten()
}

/// How names become addresses; tests have a liar for it.
pub(crate) trait Lookup: Send + Sync {
    fn lookup(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
}

/// As the system does it.
pub(crate) struct System;

impl Lookup for System {
    fn lookup(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// The resolver that connections are made by: what it gives has been judged, and nothing else is dialled.
pub(crate) struct Checked {
    pub egress: Arc<Egress>,
    pub lookup: Arc<dyn Lookup>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, lookup) = (self.egress.clone(), self.lookup.clone());
        Box::pin(async move {
            let name = name.as_str();
            let mut refused = None;
            let all = lookup.lookup(name.to_owned()).await?;
            let allowed: Vec<SocketAddr> = all
                .into_iter()
                .filter(|address| egress.judge(Some(name), address.ip()).map_err(|why| refused = Some(why)).is_ok())
                .collect();
            match refused {
                Some(why) if allowed.is_empty() => Err(why.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests;
