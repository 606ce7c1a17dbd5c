//! A route as the router sees it: once for each of its paths and each kind of its hosts, since these rank differently.

use std::cmp::Reverse;
use std::sync::Arc;

use sluice_config::{Pattern, Route, split_host};

use super::Target;
use super::conditions::Conditions;

/// One path of a route, with one kind of its hosts.
pub(super) struct Entry {
    /// The position of the route.
    pub route: usize,
    pub beginning: Beginning,
    pub hosts: Vec<Host>,
    pub conditions: Arc<Conditions>,
    pub rank: Rank,
    /// What the route says of its conditions: of two that say the same, the second never has its turn.
    pub says: Arc<str>,
}

/// What the path must begin with.
pub(super) enum Beginning {
    Anything,
    Plain(String),
    Regex(String, Pattern),
}

/// A host, or a part of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Host {
    pub name: HostName,
    pub port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum HostName {
    Plain(String),
    /// The end of a host whose first label may be any.
    EndsWith(String),
    /// The beginning of a host whose last label may be any.
    BeginsWith(String),
}

/// The order in which Kong tries routes: the smallest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    fewer_kinds: Reverse<u32>,
    less_plain_hosts: Reverse<u8>,
    fewer_headers: Reverse<usize>,
    no_regex: bool,
    lower_regex_priority: Reverse<i64>,
    shorter_path: Reverse<usize>,
    /// Hosts before headers, paths, methods, names of TLS and sources.
    lesser_kinds: Reverse<u8>,
    any_port: bool,
    position: usize,
    path: usize,
}

impl Entry {
    /// How much of the path the route takes, if it takes the request. Its host is known to be right, and so is what a
    /// plain path begins with.
    pub fn takes(&self, target: &Target<'_>) -> Option<Option<usize>> {
        if !self.conditions.hold(target) {
            return None;
        }
        match &self.beginning {
            Beginning::Anything => Some(None),
            Beginning::Plain(prefix) => Some(Some(prefix.len())),
            Beginning::Regex(_, pattern) => pattern.length_at_start(target.path).map(Some),
        }
    }
}

/// The entries of a route.
pub(super) fn entries_of(position: usize, route: &Route) -> Vec<Entry> {
    let conditions = Arc::new(Conditions::of(route));
    let says: Arc<str> = format!("{:?} {:?} {:?} {:?}", route.methods, route.headers, route.snis, route.sources).as_str().into();
    let beginnings: Vec<&str> = if route.paths.is_empty() { vec![""] } else { route.paths.iter().map(String::as_str).collect() };
    let mut entries = Vec::new();
    for hosts in kinds_of_hosts(route) {
        for (at, path) in beginnings.iter().enumerate() {
            // What does not compile was refused when the configuration was read.
            let Some(beginning) = Beginning::of(path) else { continue };
            let rank = Rank::new((position, at), route, &beginning, &hosts);
            let (conditions, says) = (conditions.clone(), says.clone());
            entries.push(Entry { route: position, beginning, hosts: hosts.clone(), conditions, rank, says });
        }
    }
    entries
}

/// The hosts of a route by what they rank as: plain or not, with a port or for any.
fn kinds_of_hosts(route: &Route) -> Vec<Vec<Host>> {
    let all: Vec<Host> = route.hosts.iter().map(|host| Host::of(host)).collect();
    if all.is_empty() {
        return vec![Vec::new()];
    }
    let kinds = [(true, true), (true, false), (false, true), (false, false)];
    let of = |(plain, port)| {
        let fits = |host: &&Host| host.is_plain() == plain && host.port.is_some() == port;
        all.iter().filter(fits).cloned().collect::<Vec<Host>>()
    };
    kinds.into_iter().map(of).filter(|hosts| !hosts.is_empty()).collect()
}

impl Beginning {
    fn of(path: &str) -> Option<Self> {
        match path.strip_prefix('~') {
            Some(regex) => Some(Self::Regex(regex.to_owned(), Pattern::of_path(regex).ok()?)),
            None if path.is_empty() => Some(Self::Anything),
            None => Some(Self::Plain(path.to_owned())),
        }
    }
}

impl Host {
    fn of(text: &str) -> Self {
        let (name, port) = split_host(text);
        let name = match (name.strip_prefix('*'), name.strip_suffix('*')) {
            (Some(end), _) => HostName::EndsWith(end.to_owned()),
            (None, Some(start)) => HostName::BeginsWith(start.to_owned()),
            (None, None) => HostName::Plain(name.to_owned()),
        };
        Self { name, port }
    }

    fn is_plain(&self) -> bool {
        matches!(self.name, HostName::Plain(_))
    }
}

impl Rank {
    fn new((position, path): (usize, usize), route: &Route, beginning: &Beginning, hosts: &[Host]) -> Self {
        let Route { hosts: all, headers, paths, methods, snis, sources, .. } = route;
        let used =
            [!all.is_empty(), !headers.is_empty(), !paths.is_empty(), !methods.is_empty(), !snis.is_empty(), !sources.is_empty()];
        let kinds = used.iter().fold(0, |bits, used| bits << 1 | u8::from(*used));
        let plain = hosts.iter().any(Host::is_plain);
        let (regex, length) = match beginning {
            Beginning::Anything => (false, 0),
            Beginning::Plain(prefix) => (false, prefix.len()),
            Beginning::Regex(..) => (true, 0),
        };
        Self {
            fewer_kinds: Reverse(kinds.count_ones()),
            // A route that has wildcards as well comes after one that has none.
            less_plain_hosts: Reverse(u8::from(plain) + u8::from(plain && !all.iter().any(|host| host.contains('*')))),
            fewer_headers: Reverse(headers.len()),
            no_regex: !regex,
            lower_regex_priority: Reverse(if regex { route.regex_priority } else { 0 }),
            shorter_path: Reverse(length),
            lesser_kinds: Reverse(kinds),
            any_port: !hosts.iter().any(|host| host.port.is_some()),
            position,
            path,
        }
    }
}
