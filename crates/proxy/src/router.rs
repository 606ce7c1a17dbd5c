//! Finds the route of a request: by host, path and method, with the priorities of Kong's traditional router.
//!
//! A route matches if all its conditions hold. Of those that match, first comes the one with more kinds of conditions,
//! then a plain host before a wildcard, then the longer path, then the one that stands earlier in the file.

use std::collections::HashMap;

use http::Method;
use sluice_config::Route;

/// What a request is matched by.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The host in lower case, without port.
    pub host: &'a str,
    /// The normalised path.
    pub path: &'a str,
    pub method: &'a Method,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// The position of the route in the list that the router was built from.
    pub route: usize,
    /// How long the prefix is that the path matched; 0 if the route has no paths.
    pub prefix: usize,
}

/// All routes, in the order in which they are tried.
pub(crate) struct Router {
    /// For every plain host of some route: what may match it, in order.
    by_host: HashMap<String, Vec<Entry>>,
    /// What may match any other host, in order.
    other: Vec<Entry>,
}

/// One path of a route, with one kind of its hosts.
#[derive(Clone)]
struct Entry {
    route: usize,
    prefix: Option<String>,
    hosts: Hosts,
    methods: Vec<Method>,
    rank: Rank,
}

#[derive(Clone)]
enum Hosts {
    Any,
    Plain(Vec<String>),
    Wildcard(Vec<String>),
}

/// The smallest is tried first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    fewer_conditions: std::cmp::Reverse<usize>,
    not_plain_host: bool,
    longest_path: std::cmp::Reverse<usize>,
    position: usize,
}

impl Router {
    /// A router over the routes that are served, given with their positions.
    pub fn new<'a>(routes: impl Iterator<Item = (usize, &'a Route)>) -> Self {
        let mut entries: Vec<Entry> = routes.flat_map(|(position, route)| entries_of(position, route)).collect();
        entries.sort_by_key(|entry| entry.rank);
        let plain = entries.iter().flat_map(|entry| match &entry.hosts {
            Hosts::Plain(hosts) => hosts.clone(),
            Hosts::Any | Hosts::Wildcard(_) => Vec::new(),
        });
        let by_host = plain.collect::<std::collections::HashSet<String>>().into_iter().map(|host| {
            let may_match = entries.iter().filter(|entry| entry.takes_host(&host)).cloned().collect();
            (host, may_match)
        });
        Self {
            by_host: by_host.collect(),
            other: entries.iter().filter(|entry| !matches!(entry.hosts, Hosts::Plain(_))).cloned().collect(),
        }
    }

    /// The route of this request.
    pub fn find(&self, target: Target<'_>) -> Option<Match> {
        let known = if self.by_host.is_empty() { None } else { self.by_host.get(target.host) };
        let (candidates, host_is_known) = known.map_or((&self.other, false), |entries| (entries, true));
        let entry = candidates.iter().find(|entry| {
            let host = host_is_known || matches!(entry.hosts, Hosts::Any) || entry.takes_host(target.host);
            host && entry.takes_path(target.path) && entry.takes_method(target.method)
        })?;
        Some(Match { route: entry.route, prefix: entry.prefix.as_ref().map_or(0, String::len) })
    }
}

impl Entry {
    fn takes_host(&self, host: &str) -> bool {
        match &self.hosts {
            Hosts::Any => true,
            Hosts::Plain(hosts) => hosts.iter().any(|plain| plain == host),
            Hosts::Wildcard(patterns) => patterns.iter().any(|pattern| matches_wildcard(pattern, host)),
        }
    }

    fn takes_path(&self, path: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| path.as_bytes().starts_with(prefix.as_bytes()))
    }

    fn takes_method(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }
}

fn entries_of(position: usize, route: &Route) -> Vec<Entry> {
    let (wild, plain): (Vec<String>, Vec<String>) = route.hosts.iter().cloned().partition(|host| host.contains('*'));
    let mut hosts = Vec::new();
    if !plain.is_empty() {
        hosts.push(Hosts::Plain(plain));
    }
    if !wild.is_empty() {
        hosts.push(Hosts::Wildcard(wild));
    }
    if route.hosts.is_empty() {
        hosts.push(Hosts::Any);
    }
    let prefixes: Vec<Option<String>> =
        if route.paths.is_empty() { vec![None] } else { route.paths.iter().cloned().map(Some).collect() };
    let methods: Vec<Method> = route.methods.iter().filter_map(|method| method.parse().ok()).collect();
    let conditions =
        usize::from(!route.hosts.is_empty()) + usize::from(!route.paths.is_empty()) + usize::from(!methods.is_empty());
    let entry = |hosts: &Hosts, prefix: &Option<String>| Entry {
        route: position,
        prefix: prefix.clone(),
        hosts: hosts.clone(),
        methods: methods.clone(),
        rank: Rank {
            fewer_conditions: std::cmp::Reverse(conditions),
            not_plain_host: !matches!(hosts, Hosts::Plain(_)),
            longest_path: std::cmp::Reverse(prefix.as_ref().map_or(0, String::len)),
            position,
        },
    };
    hosts.iter().flat_map(|hosts| prefixes.iter().map(move |prefix| entry(hosts, prefix))).collect()
}

/// `*.example.com` or `example.*`; the star stands for one label or more.
fn matches_wildcard(pattern: &str, host: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => host.len() > end.len() && host.ends_with(end),
        (None, Some(start)) => host.len() > start.len() && host.starts_with(start),
        (None, None) => pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(hosts: &[&str], paths: &[&str], methods: &[&str]) -> Route {
        let list = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Route {
            id: Default::default(),
            name: String::new(),
            service: None,
            hosts: list(hosts),
            paths: list(paths),
            methods: list(methods),
            strip_path: true,
            preserve_host: false,
            tags: Vec::new(),
            stamps: Default::default(),
        }
    }

    fn check(routes: &[Route], (method, host, path): (&str, &str, &str), expected: Option<(usize, usize)>) {
        let router = Router::new(routes.iter().enumerate());
        let method = method.parse().expect("a method");
        let found = router.find(Target { host, path, method: &method });
        assert_eq!(found, expected.map(|(route, prefix)| Match { route, prefix }), "{method} {host} {path}");
    }

    #[test]
    fn all_conditions_must_hold() {
        let routes = [route(&["a.com"], &["/x"], &["GET"])];
        check(&routes, ("GET", "a.com", "/x/y"), Some((0, 2)));
        check(&routes, ("POST", "a.com", "/x/y"), None);
        check(&routes, ("GET", "b.com", "/x/y"), None);
        check(&routes, ("GET", "a.com", "/y"), None);
        check(&routes, ("GET", "a.com", "/xy"), Some((0, 2)));
    }

    #[test]
    fn the_more_special_route_comes_first() {
        let routes = [
            route(&[], &["/"], &[]),
            route(&[], &["/demo", "/demo/long"], &[]),
            route(&["*.a.com"], &["/demo"], &[]),
            route(&["x.a.com"], &["/demo"], &[]),
            route(&[], &[], &["GET"]),
            route(&["a.*"], &[], &[]),
        ];
        check(&routes, ("POST", "b.com", "/demo/long/er"), Some((1, 10)));
        check(&routes, ("POST", "b.com", "/other"), Some((0, 1)));
        check(&routes, ("POST", "x.a.com", "/demo"), Some((3, 5)));
        check(&routes, ("POST", "y.a.com", "/demo"), Some((2, 5)));
        check(&routes, ("POST", ".a.com", "/demo"), Some((1, 5)));
        check(&routes, ("GET", "a.org", "/demo"), Some((1, 5)));
    }

    /// The slow, obvious matcher: every (route, path, host kind) that fits, then the one of the highest rank.
    fn reference(routes: &[Route], host: &str, path: &str, method: &Method) -> Option<(usize, usize)> {
        let mut fitting = Vec::new();
        for (position, route) in routes.iter().enumerate() {
            let empty = [route.hosts.is_empty(), route.paths.is_empty(), route.methods.is_empty()];
            let kinds = empty.iter().filter(|empty| !**empty).count();
            let plain = route.hosts.iter().any(|pattern| pattern == host);
            let wild = route.hosts.iter().any(|pattern| pattern.contains('*') && matches_wildcard(pattern, host));
            let named = route.methods.iter().any(|named| named == method.as_str());
            if (route.hosts.is_empty() || plain || wild) && (route.methods.is_empty() || named) {
                let prefixes = if route.paths.is_empty() { vec![String::new()] } else { route.paths.clone() };
                let lengths = prefixes.iter().filter(|prefix| path.starts_with(prefix.as_str())).map(String::len);
                fitting.extend(lengths.map(|length| (kinds, plain, length, std::cmp::Reverse(position))));
            }
        }
        fitting.into_iter().max().map(|(_, _, length, std::cmp::Reverse(position))| (position, length))
    }

    proptest! {
        #[test]
        fn the_router_agrees_with_the_reference(
            specs in prop::collection::vec((
                prop::collection::vec(prop::sample::select(vec!["a.com", "b.com", "*.com", "a.*", "x.a.com", "*.a.com"]), 0..3),
                prop::collection::vec(prop::sample::select(vec!["/", "/a", "/a/b", "/ab", "/b"]), 0..3),
                prop::collection::vec(prop::sample::select(vec!["GET", "POST"]), 0..2),
            ), 0..8),
            host in prop::sample::select(vec!["a.com", "b.com", "x.a.com", "a.org", "c.net"]),
            path in prop::sample::select(vec!["/", "/a", "/a/b/c", "/abc", "/c"]),
            method in prop::sample::select(vec!["GET", "POST", "PUT"]),
        ) {
            let routes: Vec<Route> = specs.iter().map(|(hosts, paths, methods)| route(hosts, paths, methods)).collect();
            let method: Method = method.parse().expect("a method");
            let found = Router::new(routes.iter().enumerate()).find(Target { host, path, method: &method });
            prop_assert_eq!(found.map(|found| (found.route, found.prefix)), reference(&routes, host, path, &method));
        }
    }
}
