//! Entries parted by host: plain ones by name, wildcards by the part that is not the star, and by port within.

use std::collections::HashMap;

use super::choice::{Choice, Search};
use super::entry::{Entry, Host, HostName};
use super::names::Names;
use super::prefixes::{Backwards, Prefixes};
use super::split::look;

/// Entries by their hosts.
pub(super) struct Hosts {
    plain: Names<Ports>,
    /// By the ends of hosts, written backwards.
    ends: Prefixes<Ports>,
    beginnings: Prefixes<Ports>,
}

/// Entries of one host.
#[derive(Default)]
struct Ports {
    any: Option<Choice>,
    /// By port, in order.
    of: Vec<(u16, Choice)>,
}

impl Hosts {
    pub fn new(entries: &[Entry], list: &[u32], build: impl Fn(Vec<u32>) -> Choice) -> Self {
        let mut parts: HashMap<&Host, Vec<u32>> = HashMap::new();
        for at in list {
            for host in &entries[*at as usize].hosts {
                let part = parts.entry(host).or_default();
                if part.last() != Some(at) {
                    part.push(*at);
                }
            }
        }
        let mut hosts: HashMap<&HostName, Ports> = HashMap::new();
        for (host, part) in parts {
            let ports = hosts.entry(&host.name).or_default();
            match host.port {
                Some(port) => ports.of.push((port, build(part))),
                None => ports.any = Some(build(part)),
            }
        }
        let (mut plain, mut ends, mut beginnings) = (Vec::new(), Vec::new(), Vec::new());
        for (name, mut ports) in hosts {
            ports.of.sort_by_key(|(port, _)| *port);
            match name {
                HostName::Plain(name) => plain.push((name.clone().into_bytes(), ports)),
                HostName::EndsWith(end) => ends.push((end.bytes().rev().collect(), ports)),
                HostName::BeginsWith(start) => beginnings.push((start.clone().into_bytes(), ports)),
            }
        }
        Self { plain: Names::new(plain), ends: Prefixes::new(ends), beginnings: Prefixes::new(beginnings) }
    }

    /// Looks among entries of the request's host.
    pub fn search(&self, search: &mut Search<'_>) {
        let host = search.target.host.as_bytes();
        if !self.plain.is_empty()
            && let Some(ports) = self.plain.get(host)
        {
            ports.search(search);
        }
        // The star stands for something: the part beside it does not make up the whole host.
        if !self.ends.is_empty() && !host.is_empty() {
            self.ends.of(Backwards(&host[1..])).for_each(|ports| ports.search(search));
        }
        if !self.beginnings.is_empty() && !host.is_empty() {
            self.beginnings.of(&host[..host.len() - 1]).for_each(|ports| ports.search(search));
        }
    }
}

impl Ports {
    fn search(&self, search: &mut Search<'_>) {
        if let Ok(at) = self.of.binary_search_by_key(&search.target.port, |(port, _)| *port) {
            self.of[at].1.search(search);
        }
        look(self.any.as_ref(), search);
    }
}
