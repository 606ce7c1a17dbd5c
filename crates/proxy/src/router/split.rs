//! Entries parted by a condition that they have, so that a request meets only those that it may fulfil.

use std::collections::{BTreeSet, HashMap};

use http::Method;
use http::header::HeaderName;
use ipnet::IpNet;
use sluice_config::AnyOf;

use super::choice::{Choice, Search};
use super::hosts::Hosts;
use super::names::Names;
use super::parts::{Kind, Parts, Used};
use super::prefixes::Prefixes;

/// Parted entries.
pub(super) enum Split {
    Host(Hosts),
    Path(Prefixes<Choice>),
    Method(HashMap<Method, Choice>),
    /// By the values of headers.
    Header(HashMap<HeaderName, Names<Choice>>),
    /// By the name that was asked for; without TLS all of them are left.
    Sni(Names<Choice>, Choice),
    /// By networks, and how long those are.
    Source(Vec<u8>, HashMap<IpNet, Choice>),
    /// All or none of them.
    Gate(AnyOf, Choice),
}

/// With so many names or fewer, a request's headers are asked for by name.
const FEW_NAMES: usize = 8;

impl Split {
    /// Builds what `parts` found, each part by `narrow`.
    pub fn new(parts: Parts, narrow: impl Fn(Vec<u32>, Used) -> Choice) -> Self {
        let Parts { kind, keyed, used, .. } = parts;
        let with = |kind: Kind| Used { kinds: used.kinds.iter().copied().chain([kind]).collect(), ..used.clone() };
        match kind {
            Kind::Method => {
                let built = keyed.into_iter().map(|(key, part)| (key.parse().ok(), narrow(part, with(kind))));
                Self::Method(built.filter_map(|(method, part)| Some((method?, part))).collect())
            }
            Kind::Header => Self::Header(by_header(keyed, &used, narrow)),
            Kind::Sni => {
                let all: BTreeSet<u32> = keyed.values().flatten().copied().collect();
                let names = keyed.into_iter().map(|(key, part)| (key.into_bytes(), narrow(part, with(kind))));
                Self::Sni(Names::new(names), narrow(all.into_iter().collect(), with(kind)))
            }
            Kind::Source => {
                let built = keyed.into_iter().map(|(key, part)| (key.parse().ok(), narrow(part, with(kind))));
                let networks: HashMap<IpNet, Choice> = built.filter_map(|(net, part)| Some((net?, part))).collect();
                let lengths: BTreeSet<u8> = networks.keys().map(IpNet::prefix_len).collect();
                Self::Source(lengths.into_iter().collect(), networks)
            }
        }
    }

    /// Looks among what the request leaves.
    pub fn search(&self, search: &mut Search<'_>) {
        let target = search.target;
        match self {
            Self::Host(hosts) => hosts.search(search),
            Self::Path(paths) => paths.of(target.path.as_bytes()).for_each(|choice| choice.search(search)),
            Self::Method(methods) => look(methods.get(target.method), search),
            Self::Header(names) if names.len() <= FEW_NAMES => names.iter().for_each(|(name, values)| {
                let said = target.headers.get_all(name).iter();
                said.for_each(|value| look(values.get(value.as_bytes()), search));
            }),
            Self::Header(names) => target.headers.iter().for_each(|(name, value)| {
                look(names.get(name).and_then(|values| values.get(value.as_bytes())), search);
            }),
            Self::Sni(_, all) if !target.secure => all.search(search),
            Self::Sni(names, _) => look(target.sni.and_then(|sni| names.get(sni.as_bytes())), search),
            Self::Source(lengths, networks) => lengths.iter().for_each(|length| {
                let net = IpNet::new(target.peer.0, *length).ok();
                look(net.and_then(|net| networks.get(&net.trunc())), search);
            }),
            Self::Gate(gate, choice) if gate.begins(target.path) => choice.search(search),
            Self::Gate(..) => {}
        }
    }
}

pub(super) fn look(choice: Option<&Choice>, search: &mut Search<'_>) {
    if let Some(choice) = choice {
        choice.search(search);
    }
}

fn by_header(
    keyed: HashMap<String, Vec<u32>>,
    used: &Used,
    narrow: impl Fn(Vec<u32>, Used) -> Choice,
) -> HashMap<HeaderName, Names<Choice>> {
    let mut names: HashMap<HeaderName, Vec<(Vec<u8>, Choice)>> = HashMap::new();
    for (key, part) in keyed {
        let Some((name, value)) = key.split_once(' ') else { continue };
        let Ok(name) = name.parse::<HeaderName>() else { continue };
        let headers = used.headers.iter().cloned().chain([name.clone()]).collect();
        let choice = narrow(part, Used { headers, ..used.clone() });
        names.entry(name).or_default().push((value.as_bytes().to_vec(), choice));
    }
    names.into_iter().map(|(name, values)| (name, Names::new(values))).collect()
}
