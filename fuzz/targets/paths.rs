//! Paths and routes: a path has one normal form, it stays within it, and the route that is found is one for it.
#![no_main]

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use sluice_config::{ProcessEnvironment, Source, normalise, read, split_host};
use sluice_proxy::{Router, Target};

const ROUTES: &str = r#"
[services.up]
url = "http://127.0.0.1:8080"
[routes.closed]
service = "up"
paths = ["/admin", "/a/b"]
[routes.pattern]
service = "up"
paths = ['~/(?<user>[^/]+)/item(/\d+)?$', '~/é+']
[routes.host]
service = "up"
hosts = ["*.test", "a.example", "b.*", "c.example:81"]
paths = ["/a", "/%C3%A9/"]
[routes.header]
service = "up"
paths = ["/"]
headers.x-version = ["v1", "~*^v[23]$"]
"#;

static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let config = read(Source::new("gateway.toml", ROUTES), &ProcessEnvironment).finish().expect("the routes are sound");
    Router::new(config.routes.iter().enumerate())
});

// The path, a host and a header's value, a line each.
fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let path = normalise(line());
    assert_eq!(normalise(&path), path, "it is normal already");
    assert!(path.starts_with('/') && path.is_ascii() && !path.contains("//"), "{path}");
    assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{path}");
    let said = line().to_ascii_lowercase();
    let (host, port) = split_host(&said);
    let mut headers = HeaderMap::new();
    if let Ok(version) = line().parse() {
        headers.insert("x-version", version);
    }
    let target = Target {
        host,
        port: port.unwrap_or(80),
        path: &path,
        method: &Method::GET,
        headers: &headers,
        secure: false,
        sni: None,
        peer: (Ipv4Addr::LOCALHOST.into(), 1),
    };
    let Some(found) = ROUTER.find(&target) else {
        assert!(!path.starts_with("/admin") && !path.starts_with("/a/b"), "{path} has a route");
        return;
    };
    assert!(found.prefix.is_none_or(|prefix| path.is_char_boundary(prefix)));
    for (_, range) in ROUTER.captures(found, &path) {
        assert!(range.is_none_or(|range| path.get(range).is_some()));
    }
});
