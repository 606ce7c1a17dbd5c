//! What finding a route costs: `lookup KIND ROUTES LOOKUPS`, to be run under a counter of instructions.
//!
//! KIND is by what the routes differ: `paths`, `hosts`, `wildcards`, `headers`, `methods`, `snis`, `sources`, `mixed`, or
//! `regexes` (ten plain paths, which are asked for, and ROUTES regular expressions) and `loose` (the same, and each of them
//! may begin with anything), or `beside-regexes` and `beside-loose` (ROUTES plain paths, of which the last are asked for, and a
//! hundred of those). The last of the routes are asked for. Counting once with no lookups tells what building costs.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::net::IpAddr;

use http::{HeaderMap, Method};
use sluice_config::{Environment, Route, Source, read};
use sluice_proxy::{Router, Target};

struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn conditions(kind: &str, n: usize) -> String {
    match kind {
        "hosts" => format!("hosts = [\"host-{n}.example\"]"),
        "wildcards" => format!("hosts = [\"*.host-{n}.example\"]"),
        "headers" => format!("paths = [\"/\"]\nheaders = {{ x-tenant = [\"t{n}\"] }}"),
        "methods" => format!("paths = [\"/p{}\"]\nmethods = [\"{}\"]", n / 2, ["GET", "POST"][n % 2]),
        "snis" => format!("paths = [\"/\"]\nsnis = [\"host-{n}.example\"]"),
        "sources" => format!("paths = [\"/\"]\nsources = [{{ ip = \"10.1.{}.{}\" }}]", n / 256, n % 256),
        "mixed" if n.is_multiple_of(2) => format!("hosts = [\"host-{}.example\"]\npaths = [\"/api/v{n}\"]", n % 100),
        "regexes" => format!("paths = ['~/regex-{n}/\\d+$']"),
        "loose" => format!("paths = ['~/[a-z]+/\\d+/{n}$']"),
        _ => format!("paths = [\"/api/route-{n}/\"]"),
    }
}

fn routes(kind: &str, count: usize) -> Vec<Route> {
    let mut text = String::new();
    for n in 0..count {
        text += &format!("[routes.r{n}]\n{}\n", conditions(kind, n));
    }
    if let Some(beside) = kind.strip_prefix("beside-") {
        (0..100).for_each(|n| text += &format!("[routes.regex{n}]\n{}\n", conditions(beside, n)));
    }
    if ["regexes", "loose"].contains(&kind) {
        (0..10).for_each(|n| text += &format!("[routes.plain{n}]\n{}\n", conditions("paths", n)));
    }
    read(Source::new("lookup", text), &Nothing).finish().unwrap().routes
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (kind, count, lookups) = (args[0].as_str(), args[1].parse::<usize>().unwrap(), args[2].parse::<usize>().unwrap());
    let router = Router::new(routes(kind, count).iter().enumerate());
    for lookup in 0..lookups {
        // The digits of all that are asked for are as many.
        let n = if ["regexes", "loose"].contains(&kind) { lookup % 10 } else { count - 1 - lookup % 10 };
        ask(&router, kind, n);
    }
}

fn ask(router: &Router, kind: &str, n: usize) {
    let host = match kind {
        "wildcards" => format!("www.host-{n}.example"),
        "mixed" => format!("host-{}.example", n % 100),
        _ => format!("host-{n}.example"),
    };
    let path = match kind {
        "mixed" if n.is_multiple_of(2) => format!("/api/v{n}/some/where"),
        "methods" => format!("/p{}", n / 2),
        _ => format!("/api/route-{n}/some/where"),
    };
    let mut headers = HeaderMap::new();
    if kind == "headers" {
        headers.insert("x-tenant", format!("t{n}").parse().unwrap());
    }
    let address =
        if kind == "sources" { IpAddr::from([10, 1, (n / 256) as u8, (n % 256) as u8]) } else { IpAddr::from([127, 0, 0, 1]) };
    let (method, secure) = (if kind == "methods" && n % 2 == 1 { Method::POST } else { Method::GET }, kind == "snis");
    let sni = secure.then_some(host.as_str());
    let target =
        Target { host: &host, port: 80, path: &path, method: &method, headers: &headers, secure, sni, peer: (address, 1) };
    assert!(find(router, &target));
}

/// By itself, so that what asking costs can be told from what making the request does.
#[inline(never)]
fn find(router: &Router, target: &Target<'_>) -> bool {
    black_box(router.find(black_box(target))).is_some()
}
