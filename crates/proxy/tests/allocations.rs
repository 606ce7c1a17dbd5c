//! Finding a route costs no allocation. A test binary of its own, since its allocator counts.

use http::{HeaderMap, Method};
use sluice_config::{ProcessEnvironment, Source, read};
use sluice_proxy::{Router, Target};

/// Routes of every kind, each many times, so that each is looked up in its own way.
fn router() -> Router {
    let mut text = String::from("[routes.all]\npaths = [\"/\"]\n[routes.re]\npaths = ['~/users/\\d+']\n");
    for n in 0..50 {
        text += &format!(
            "[routes.path{n}]\npaths = [\"/path-{n}\"]\n[routes.host{n}]\nhosts = [\"*.h{n}.test\", \"h{n}.test\"]\n\
             [routes.header{n}]\npaths = [\"/\"]\nheaders = {{ x-tenant = [\"T{n}\"] }}\n\
             [routes.sni{n}]\npaths = [\"/\"]\nsnis = [\"s{n}.test\"]\nmethods = [\"PUT\"]\n\
             [routes.source{n}]\npaths = [\"/\"]\nsources = [{{ ip = \"10.0.{n}.0/24\" }}]\n\
             [routes.loose{n}]\npaths = ['~/[a-z]+/{n}$']\n"
        );
    }
    let config = read(Source::new("routes", text), &ProcessEnvironment).finish().expect("a good configuration");
    Router::new(config.routes.iter().enumerate())
}

#[test]
fn finding_a_route_allocates_nothing() {
    let router = router();
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", "t7".parse().expect("a value"));
    let none = HeaderMap::new();
    let plain = Target {
        host: "a.test",
        port: 80,
        path: "/path-7/x",
        method: &Method::GET,
        headers: &none,
        secure: false,
        sni: None,
        peer: ([127, 0, 0, 1].into(), 1),
    };
    let targets = [
        plain,
        Target { path: "/users/12", ..plain },
        Target { path: "/x/7", ..plain },
        Target { path: "/x/nothing", ..plain },
        Target { host: "x.h7.test", ..plain },
        Target { headers: &headers, ..plain },
        Target { method: &Method::PUT, secure: true, sni: Some("s7.test"), ..plain },
        Target { peer: ([10, 0, 7, 1].into(), 1), ..plain },
    ];
    for target in targets {
        // What a regular expression works in is made once.
        let first = router.find(&target);
        assert!(first.is_some(), "{}", target.path);
        let counted = allocation_counter::measure(|| assert_eq!(router.find(&target), first));
        assert_eq!(counted.count_total, 0, "{} {}", target.host, target.path);
    }
}
