//! The router against a slow, obvious matcher that computes everything for each request, by the definitions alone.

use std::cmp::Reverse;
use std::net::IpAddr;

use http::{HeaderMap, Method};
use proptest::prelude::*;
use proptest::sample::select;
use sluice_config::{PathHandling, Pattern, Route, RouteProtocol, RouteSource, split_host};

use super::*;

/// A route that takes nothing yet.
fn route() -> Route {
    Route {
        id: Default::default(),
        name: String::new(),
        service: None,
        protocols: vec![RouteProtocol::Http, RouteProtocol::Https],
        https_redirect_status_code: 426,
        hosts: Vec::new(),
        paths: Vec::new(),
        regex_priority: 0,
        methods: Vec::new(),
        headers: Default::default(),
        snis: Vec::new(),
        sources: Vec::new(),
        strip_path: true,
        path_handling: PathHandling::V0,
        preserve_host: false,
        request_buffering: true,
        response_buffering: true,
        tags: Vec::new(),
        stamps: Default::default(),
    }
}

fn list(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

fn of(hosts: &[&str], paths: &[&str], methods: &[&str]) -> Route {
    Route { hosts: list(hosts), paths: list(paths), methods: list(methods), ..route() }
}

/// A request, with all that a route may look at.
#[derive(Clone, Debug)]
struct Asked {
    host: &'static str,
    port: u16,
    path: String,
    method: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    sni: Option<Option<&'static str>>,
    peer: (&'static str, u16),
}

impl Asked {
    fn get(host: &'static str, path: &str) -> Self {
        Self { host, port: 80, path: path.to_owned(), method: "GET", headers: Vec::new(), sni: None, peer: ("10.0.0.1", 1) }
    }

    fn found_by(&self, router: &Router) -> Option<(usize, Option<usize>)> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(*name, value.parse().expect("a value"));
        }
        let found = router.find(&Target {
            host: self.host,
            port: self.port,
            path: &self.path,
            method: &self.method.parse::<Method>().expect("a method"),
            headers: &headers,
            secure: self.sni.is_some(),
            sni: self.sni.flatten(),
            peer: (self.peer.0.parse::<IpAddr>().expect("an address"), self.peer.1),
        });
        found.map(|found| (found.route, found.prefix))
    }
}

fn check(routes: &[Route], asked: &Asked, expected: Option<(usize, Option<usize>)>) {
    assert_eq!(asked.found_by(&Router::new(routes.iter().enumerate())), expected, "{asked:?}");
    assert_eq!(reference(routes, asked), expected, "the reference: {asked:?}");
}

#[test]
fn all_conditions_must_hold() {
    let routes = [of(&["a.com"], &["/x"], &["GET"])];
    check(&routes, &Asked::get("a.com", "/x/y"), Some((0, Some(2))));
    check(&routes, &Asked { method: "POST", ..Asked::get("a.com", "/x/y") }, None);
    check(&routes, &Asked::get("b.com", "/x/y"), None);
    check(&routes, &Asked::get("a.com", "/y"), None);
    check(&routes, &Asked::get("a.com", "/xy"), Some((0, Some(2))));
}

#[test]
fn the_more_special_route_comes_first() {
    let routes = [
        of(&[], &["/"], &[]),
        of(&[], &["/demo", "/demo/long"], &[]),
        of(&["*.a.com"], &["/demo"], &[]),
        of(&["x.a.com"], &["/demo"], &[]),
        of(&[], &[], &["GET"]),
        of(&["a.*"], &[], &[]),
        of(&["b.*"], &[], &[]),
    ];
    check(&routes, &Asked::get("b.com", "/demo/long/er"), Some((1, Some(10))));
    check(&routes, &Asked::get("b.com", "/other"), Some((0, Some(1))));
    check(&routes, &Asked::get("x.a.com", "/demo"), Some((3, Some(5))));
    check(&routes, &Asked::get("y.a.com", "/demo"), Some((2, Some(5))));
    check(&routes, &Asked::get(".a.com", "/demo"), Some((1, Some(5))));
    check(&routes, &Asked::get("a.org", "/demo"), Some((1, Some(5))));
    // A method does not come before a wildcard, wherever they stand.
    check(&routes[4..], &Asked::get("b.com", "/"), Some((2, None)));
    check(&routes[4..], &Asked::get("c.com", "/"), Some((0, None)));
}

#[test]
fn hosts_may_have_ports() {
    let routes = [
        of(&["a.com"], &[], &[]),
        of(&["a.com:8000"], &[], &[]),
        of(&["*.b.com"], &[], &[]),
        of(&["*.b.com:80"], &[], &[]),
        of(&["c.com:443"], &[], &[]),
        of(&["[::1]:8000"], &[], &[]),
    ];
    check(&routes, &Asked::get("a.com", "/"), Some((0, None)));
    check(&routes, &Asked { port: 8000, ..Asked::get("a.com", "/") }, Some((1, None)));
    check(&routes, &Asked { port: 9, ..Asked::get("x.b.com", "/") }, Some((2, None)));
    check(&routes, &Asked::get("x.b.com", "/"), Some((3, None)));
    check(&routes, &Asked::get("c.com", "/"), None);
    check(&routes, &Asked { port: 443, ..Asked::get("c.com", "/") }, Some((4, None)));
    check(&routes, &Asked { port: 8000, ..Asked::get("::1", "/") }, Some((5, None)));
}

#[test]
fn a_regular_expression_comes_before_a_plain_path_and_by_its_priority() {
    let routes = [
        of(&[], &["/users/1/profile"], &[]),
        of(&[], &[r"~/users/\d+"], &[]),
        Route { regex_priority: 5, ..of(&[], &[r"~/users/\d+/p"], &[]) },
        of(&["a.com"], &["/users"], &[]),
        Route { regex_priority: 99, ..of(&[], &["/users/1/profile/x"], &[]) },
    ];
    check(&routes, &Asked::get("b.com", "/users/1/profile/x"), Some((2, Some(10))));
    check(&routes, &Asked::get("b.com", "/users/123"), Some((1, Some(10))));
    check(&routes, &Asked::get("a.com", "/users/123"), Some((3, Some(6))));
    check(&routes, &Asked::get("b.com", "/x/users/123"), None);
}

#[test]
fn many_regular_expressions_are_told_apart() {
    let routes: Vec<Route> = (0..300).map(|n| of(&[], &[&format!("~/[a-z]+/{n}$")], &[])).chain([of(&[], &["/"], &[])]).collect();
    check(&routes, &Asked::get("a.com", "/x/7"), Some((7, Some(4))));
    check(&routes, &Asked::get("a.com", "/x/299"), Some((299, Some(6))));
    check(&routes, &Asked::get("a.com", "/x/300"), Some((300, Some(1))));
}

#[test]
fn more_headers_come_first_and_a_value_may_be_a_regular_expression() {
    let with = |headers: &[(&str, &[&str])]| Route {
        headers: headers.iter().map(|(name, values)| ((*name).to_owned(), list(values))).collect(),
        ..of(&[], &["/"], &[])
    };
    let routes = [
        with(&[("x-version", &["v1", "v2"])]),
        with(&[("X-Version", &["v1"]), ("x-tenant", &["T"])]),
        with(&[("x-agent", &["~*^curl/\\d"])]),
        of(&[], &["/long"], &[]),
    ];
    let ask = |headers: &[(&'static str, &'static str)]| Asked { headers: headers.to_vec(), ..Asked::get("a.com", "/long") };
    check(&routes, &ask(&[("x-version", "V1")]), Some((0, Some(1))));
    check(&routes, &ask(&[("x-version", "v1"), ("x-tenant", "t")]), Some((1, Some(1))));
    check(&routes, &ask(&[("x-version", "v3"), ("x-version", "v2")]), Some((0, Some(1))));
    check(&routes, &ask(&[("x-agent", "CURL/8")]), Some((2, Some(1))));
    check(&routes, &ask(&[("x-agent", "a curl/8")]), Some((3, Some(5))));
}

#[test]
fn names_of_tls_count_with_tls_only() {
    let routes = [
        Route { snis: list(&["a.com."]), ..of(&[], &["/"], &[]) },
        Route { snis: list(&["*.b.com"]), ..of(&[], &["/"], &[]) },
        of(&[], &["/"], &[]),
    ];
    let ask = |sni| Asked { sni, ..Asked::get("h", "/") };
    check(&routes, &ask(Some(Some("A.com"))), Some((0, Some(1))));
    check(&routes, &ask(Some(Some("x.b.com"))), Some((1, Some(1))));
    check(&routes, &ask(Some(Some("c.com"))), Some((2, Some(1))));
    check(&routes, &ask(Some(None)), Some((2, Some(1))));
    check(&routes, &ask(None), Some((0, Some(1))));
}

#[test]
fn sources_are_addresses_networks_and_ports_of_the_connection() {
    let from = |ip: Option<&str>, port| RouteSource { ip: ip.map(|ip| ip.parse().expect("a network")), port };
    let with = |sources: Vec<RouteSource>| Route { sources, ..of(&[], &["/"], &[]) };
    let routes =
        [with(vec![from(Some("10.0.0.0/8"), Some(7))]), with(vec![from(Some("10.0.0.9/32"), None), from(None, Some(9))])];
    let ask = |ip, port| Asked { peer: (ip, port), ..Asked::get("h", "/") };
    check(&routes, &ask("10.1.2.3", 7), Some((0, Some(1))));
    check(&routes, &ask("10.0.0.9", 1), Some((1, Some(1))));
    check(&routes, &ask("192.0.2.1", 9), Some((1, Some(1))));
    check(&routes, &ask("::1", 9), Some((1, Some(1))));
    check(&routes, &ask("10.1.2.3", 1), None);
}

#[test]
fn what_a_regular_expression_captured_is_known() {
    let routes = [of(&[], &[r"~/(\w+)/(?<id>\d+)"], &[]), of(&[], &["/plain"], &[])];
    let router = Router::new(routes.iter().enumerate());
    let captures = |path: &str| {
        let headers = HeaderMap::new();
        let peer = (IpAddr::from([10, 0, 0, 1]), 1);
        let target = Target { host: "", port: 80, path, method: &Method::GET, headers: &headers, secure: false, sni: None, peer };
        router.captures(router.find(&target).expect("a route"), path)
    };
    assert_eq!(captures("/users/12/x"), [(None, Some(1..6)), (Some("id"), Some(7..9))]);
    assert_eq!(captures("/plain"), []);
}

/// Every route and path that fits, and of those the one that Kong's order puts first.
fn reference(routes: &[Route], asked: &Asked) -> Option<(usize, Option<usize>)> {
    let mut fitting = Vec::new();
    for (position, route) in routes.iter().enumerate() {
        let hosts: Vec<&String> = route.hosts.iter().filter(|host| host_fits(host, asked)).collect();
        let others = (route.methods.is_empty() || route.methods.iter().any(|method| method == asked.method))
            && headers_fit(route, asked)
            && (route.snis.is_empty() || route.snis.iter().any(|sni| sni_fits(sni, asked)))
            && (route.sources.is_empty() || route.sources.iter().any(|source| source_fits(source, asked)));
        if !others || (!route.hosts.is_empty() && hosts.is_empty()) {
            continue;
        }
        let Route { headers, paths, methods, snis, sources, .. } = route;
        let used = [
            !route.hosts.is_empty(),
            !headers.is_empty(),
            !paths.is_empty(),
            !methods.is_empty(),
            !snis.is_empty(),
            !sources.is_empty(),
        ];
        let kinds = used.iter().filter(|used| **used).count();
        let by_plain = hosts.iter().any(|host| !host.contains('*'));
        let plain = if !by_plain {
            0
        } else if route.hosts.iter().any(|host| host.contains('*')) {
            1
        } else {
            2
        };
        let port = hosts.iter().any(|host| host.contains('*') != by_plain && split_host(host).1.is_some());
        for (at, length, regex) in path_fits(route, asked) {
            let priority = if regex { route.regex_priority } else { 0 };
            let shown = if regex { 0 } else { length.unwrap_or(0) };
            let rank = (kinds, plain, headers.len(), regex, priority, shown, used, port, Reverse((position, at)));
            fitting.push((rank, (position, length)));
        }
    }
    fitting.into_iter().max().map(|(_, found)| found)
}

fn host_fits(host: &str, asked: &Asked) -> bool {
    let (name, port) = split_host(host);
    let name_fits = match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(end), _) => asked.host.len() > end.len() && asked.host.ends_with(end),
        (None, Some(start)) => asked.host.len() > start.len() && asked.host.starts_with(start),
        (None, None) => name == asked.host,
    };
    name_fits && port.is_none_or(|port| port == asked.port)
}

fn headers_fit(route: &Route, asked: &Asked) -> bool {
    route.headers.iter().all(|(name, values)| {
        let mut said = asked.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        said.any(|(_, said)| {
            values.iter().any(|value| match value.strip_prefix("~*") {
                Some(regex) => Pattern::of_value(regex).expect("it compiles").is_in(said.as_bytes()),
                None => value.eq_ignore_ascii_case(said),
            })
        })
    })
}

fn sni_fits(sni: &str, asked: &Asked) -> bool {
    let Some(name) = asked.sni else { return true };
    let name = name.unwrap_or_default().to_ascii_lowercase();
    match sni.strip_prefix('*') {
        Some(end) => name.len() > end.len() && name.ends_with(end),
        None => sni.trim_end_matches('.') == name,
    }
}

fn source_fits(source: &RouteSource, asked: &Asked) -> bool {
    let ip = asked.peer.0.parse::<IpAddr>().expect("an address");
    source.ip.is_none_or(|net| net.contains(&ip)) && source.port.is_none_or(|port| port == asked.peer.1)
}

/// The paths of a route that fit: which it is, how much it takes, and whether it is a regular expression.
fn path_fits(route: &Route, asked: &Asked) -> Vec<(usize, Option<usize>, bool)> {
    if route.paths.is_empty() {
        return vec![(0, None, false)];
    }
    let fits = route.paths.iter().enumerate().filter_map(|(at, path)| match path.strip_prefix('~') {
        Some(regex) => {
            let length = Pattern::of_path(regex).expect("it compiles").length_at_start(&asked.path)?;
            Some((at, Some(length), true))
        }
        None => asked.path.starts_with(path.as_str()).then_some((at, Some(path.len()), false)),
    });
    fits.collect()
}

fn some<T: Clone + std::fmt::Debug + 'static>(all: &'static [T], most: usize) -> impl Strategy<Value = Vec<T>> {
    // Nothing is as likely as something, so that all combinations of conditions occur.
    prop_oneof![Just(Vec::new()), prop::collection::vec(select(all), 1..=most)]
}

const HOSTS: &[&str] = &["a.com", "b.com", "*.com", "a.*", "x.a.com", "*.a.com", "a.com:80", "*.com:8000", "x.*:80"];
const PATHS: &[&str] = &["/", "/a", "/a/b", "/ab", "/b", r"~/a/\w", "~/(a|b)b?", "~/.*c", r"~/a$", "~/[ab]+/(?<x>b)"];
const HEADERS: &[(&str, &[&str])] =
    &[("x-a", &["1"]), ("x-a", &["2", "1"]), ("x-b", &["One"]), ("x-c", &["~*^t", "z"]), ("x-b", &["two"])];
const SNIS: &[&str] = &["a.com", "b.com", "*.com"];
const SOURCES: &[(Option<&str>, Option<u16>)] =
    &[(Some("10.0.0.1/32"), None), (Some("10.0.0.0/8"), None), (Some("10.0.0.0/24"), Some(7)), (None, Some(9))];

fn any_route() -> impl Strategy<Value = Route> {
    let conditions =
        (some(HOSTS, 3), some(PATHS, 3), some(&["GET", "POST", "X-OWN"], 2), some(HEADERS, 2), some(SNIS, 2), some(SOURCES, 2));
    (conditions, -1_i64..2).prop_map(|((hosts, paths, methods, headers, snis, sources), regex_priority)| Route {
        hosts: list(&hosts),
        paths: list(&paths),
        methods: list(&methods),
        headers: headers.iter().map(|(name, values)| ((*name).to_owned(), list(values))).collect(),
        snis: list(&snis),
        sources: sources
            .iter()
            .map(|(ip, port)| RouteSource { ip: ip.map(|ip| ip.parse().expect("a network")), port: *port })
            .collect(),
        regex_priority,
        ..route()
    })
}

fn any_request() -> impl Strategy<Value = Asked> {
    let headers = some(&[("x-a", "1"), ("x-a", "3"), ("X-B", "one"), ("x-b", "TWO"), ("x-c", "Tx"), ("x-c", "z")], 4);
    let sni =
        prop_oneof![Just(None), Just(Some(None)), select(&[Some(Some("a.com")), Some(Some("B.com")), Some(Some("c.org"))][..])];
    (
        select(&["a.com", "b.com", "x.a.com", "a.org", "c.net", "com", ""][..]),
        select(&[80_u16, 8000, 443][..]),
        "(/[abc]{0,2}){1,3}",
        select(&["GET", "POST", "PUT", "X-OWN"][..]),
        headers,
        sni,
        select(&[("10.0.0.1", 1_u16), ("10.0.0.2", 7), ("10.9.9.9", 7), ("192.0.2.1", 9), ("::1", 1)][..]),
    )
        .prop_map(|(host, port, path, method, headers, sni, peer)| Asked { host, port, path, method, headers, sni, peer })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_router_agrees_with_the_reference(
        routes in prop::collection::vec(any_route(), 0..40),
        requests in prop::collection::vec(any_request(), 8),
    ) {
        let router = Router::new(routes.iter().enumerate());
        for asked in requests {
            prop_assert_eq!(asked.found_by(&router), reference(&routes, &asked), "{:?}", asked);
        }
    }
}
