//! Which route a request takes, and what the upstream sees of it: by the short way and by Pingora's, which must agree.

use serde_json::{Value, json};

use crate::harness::{Answer, Gateway, Request, Server, httpbin, request};

/// Each route is a name and its conditions; its service tells its name in the path that the upstream sees.
fn routes(upstream: &Server, routes: &[(&str, &str)]) -> String {
    let table = |(name, conditions): &(&str, &str)| {
        let url = upstream.url(&format!("/anything/{name}"));
        format!("[services.{name}]\nurl = \"{url}\"\n[routes.{name}]\nservice = \"{name}\"\n{conditions}\n")
    };
    routes.iter().map(table).collect()
}

/// A plain GET, which goes the short way, and the same with a header that makes Pingora read it.
fn both_ways(gateway: &Gateway, path: &str, headers: &[(&str, &str)]) -> Answer {
    let long: Vec<(&str, &str)> = headers.iter().copied().chain([("Keep-Alive", "timeout=5")]).collect();
    let [short, long] = [gateway.get(path, headers), gateway.get(path, &long)];
    assert_eq!((short.status, seen(&short)), (long.status, seen(&long)), "{path} {headers:?}");
    short
}

/// What the upstream saw of the path, if it saw anything.
fn seen(answer: &Answer) -> Option<String> {
    let url = serde_json::from_str::<Value>(&answer.body).ok()?["url"].as_str()?.to_owned();
    Some(url.split_once("/anything").unwrap().1.to_owned())
}

#[track_caller]
fn check(gateway: &Gateway, path: &str, headers: &[(&str, &str)], expected: Option<&str>) {
    let answer = both_ways(gateway, path, headers);
    assert_eq!(seen(&answer).as_deref(), expected, "{path} {headers:?}");
    if expected.is_none() {
        assert_eq!((answer.status, &answer.json()["message"]), (404, &json!("no Route matched with those values")));
    }
}

#[test]
fn every_condition_of_kongs_picks_its_route() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(
        &upstream,
        &[
            ("host", "hosts = [\"a.test\"]"),
            ("port", "hosts = [\"a.test:8000\"]"),
            ("wild", "hosts = [\"*.a.test\", \"b.*\"]"),
            ("path", "paths = [\"/path\"]"),
            ("longer", "paths = [\"/path/longer\"]"),
            ("regex", "paths = ['~/users/(?<id>\\d+)$']"),
            ("first", "paths = ['~/users/\\d\\d']\nregex_priority = 7"),
            ("method", "methods = [\"OPTIONS\"]\npaths = [\"/path\"]"),
            ("header", "headers.x-version = [\"v1\", \"~*^v[23]$\"]\npaths = [\"/path\"]"),
            ("source", "sources = [{ ip = \"127.0.0.0/8\" }]\npaths = [\"/source\"]"),
            ("elsewhere", "sources = [{ ip = \"10.0.0.0/8\" }, { ip = \"127.0.0.1\", port = 1 }]\npaths = [\"/source/far\"]"),
        ],
    ));
    check(&gateway, "/x", &[("Host", "A.test")], Some("/host/x"));
    check(&gateway, "/x", &[("Host", "a.test:9")], Some("/host/x"));
    check(&gateway, "/x", &[("Host", "a.test:8000")], Some("/port/x"));
    check(&gateway, "/x", &[("Host", "x.y.a.test")], Some("/wild/x"));
    check(&gateway, "/x", &[("Host", "b.org:77")], Some("/wild/x"));
    check(&gateway, "/pathx", &[], Some("/path/x"));
    check(&gateway, "/path/longer/x", &[], Some("/longer/x"));
    check(&gateway, "/users/1", &[], Some("/regex"));
    check(&gateway, "/users/12", &[], Some("/first"));
    check(&gateway, "/users/123", &[], Some("/first/3"));
    check(&gateway, "/users/x", &[], None);
    check(&gateway, "/path/longer", &[("X-VERSION", "V1")], Some("/header/longer"));
    check(&gateway, "/path", &[("X-Version", "v3")], Some("/header"));
    check(&gateway, "/path", &[("X-Version", "v4")], Some("/path"));
    check(&gateway, "/source/x", &[], Some("/source/x"));
    check(&gateway, "/source/far", &[], Some("/source/far"));
    check(&gateway, "/nowhere", &[], None);
    let options = request(gateway.proxy, &Request { method: "OPTIONS", path: "/path/longer", headers: &[], body: "" });
    assert!(options.body.contains("/anything/method/longer"), "{options:?}");
    let post = request(gateway.proxy, &Request { method: "POST", path: "/users/7", headers: &[("Host", "c.test")], body: "x" });
    assert_eq!(seen(&post).as_deref(), Some("/regex"));
}

#[test]
fn paths_are_joined_by_kongs_table_and_stay_within_the_service() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(
        &upstream,
        &[
            ("v0", "paths = [\"/v0\"]"),
            ("v1", "paths = [\"/v1\"]\npath_handling = \"v1\""),
            ("kept", "paths = [\"/kept\"]\nstrip_path = false"),
            ("keptv1", "paths = [\"/as-it-is\"]\nstrip_path = false\npath_handling = \"v1\""),
            ("root", "hosts = [\"root.test\"]"),
            ("re", "paths = ['~/re/[a-z]+/']"),
        ],
    ));
    check(&gateway, "/v0req", &[], Some("/v0/req"));
    check(&gateway, "/v0/", &[], Some("/v0/"));
    check(&gateway, "/v0", &[], Some("/v0"));
    check(&gateway, "/v1req", &[], Some("/v1req"));
    check(&gateway, "/kept/a?b=c", &[], Some("/kept/kept/a?b=c"));
    check(&gateway, "/as-it-is/a", &[], Some("/keptv1as-it-is/a"));
    check(&gateway, "/", &[("Host", "root.test")], Some("/root"));
    check(&gateway, "/a/", &[("Host", "root.test")], Some("/root/a/"));
    check(&gateway, "/re/abc/rest", &[], Some("/re/rest"));
    check(&gateway, "/v0../secret", &[], Some("/v0/secret"));
    check(&gateway, "/v0%2e%2E/secret", &[], Some("/v0/secret"));
    check(&gateway, "/x/%2e%2e//v0/a%2fb", &[], Some("/v0/a%2Fb"));
    let answer = both_ways(&gateway, "/re/abc/rest", &[]);
    assert_eq!(answer.json()["headers"]["X-Forwarded-Prefix"], "/re/abc/");
}

#[test]
fn one_path_has_one_spelling_for_routes_and_upstreams() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(&upstream, &[("umlaut", "paths = [\"/%C3%A4\"]\nstrip_path = false")]));
    check(&gateway, "/ä", &[], Some("/umlaut/%C3%A4"));
    check(&gateway, "/%c3%a4", &[], Some("/umlaut/%C3%A4"));
    check(&gateway, "/%C3%A4/%%34%31", &[], Some("/umlaut/%C3%A4/%2541"));
}

#[test]
fn a_route_for_https_sends_others_there() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(
        &upstream,
        &[
            ("tls", "paths = [\"/tls\"]\nprotocols = [\"https\"]"),
            ("moved", "paths = [\"/moved\"]\nprotocols = [\"https\"]\nhttps_redirect_status_code = 308"),
            ("rpc", "paths = [\"/rpc\"]\nprotocols = [\"grpc\", \"grpcs\"]"),
        ],
    ));
    let answer = both_ways(&gateway, "/tls", &[("X-Forwarded-Proto", "https")]);
    assert_eq!((answer.status, answer.header("Upgrade")), (426, Some("TLS/1.2, HTTP/1.1")));
    assert_eq!(answer.header("Connection"), Some("Upgrade"));
    assert_eq!(answer.json()["message"], "Please use HTTPS protocol");
    assert_eq!(answer.json()["request_id"], answer.header("X-Request-Id").unwrap());
    let answer = both_ways(&gateway, "/moved/./%61?b=%63", &[("Host", "site.test:8000")]);
    assert_eq!((answer.status, answer.header("Location")), (308, Some("https://site.test/moved/./%61?b=%63")));
    assert_eq!(answer.body, "");
    let answer = both_ways(&gateway, "/moved", &[("Host", "[::1]:8000")]);
    assert_eq!(answer.header("Location"), Some("https://[::1]/moved"));
    let post = request(gateway.proxy, &Request { method: "POST", path: "/tls", headers: &[], body: "x" });
    assert_eq!(post.status, 426);
    assert_eq!(both_ways(&gateway, "/rpc", &[]).status, 415);
    let answer = both_ways(&gateway, "/rpc", &[("Content-Type", "application/grpc")]);
    assert_eq!((answer.status, answer.header("Upgrade")), (426, Some("HTTP/2")));
}

#[test]
fn a_trusted_proxy_says_whether_its_client_spoke_tls() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(
        &upstream,
        &[("tls", "paths = [\"/tls\"]\nprotocols = [\"https\"]\nhttps_redirect_status_code = 301")],
    ));
    gateway.edit_by_rename(|text| text.replace("threads = 2", "threads = 2\ntrusted_proxies = [\"127.0.0.1\"]"));
    let gateway = gateway.restart();
    check(&gateway, "/tls/a", &[("X-Forwarded-Proto", "https")], Some("/tls/a"));
    let answer = both_ways(&gateway, "/tls/a", &[("X-Forwarded-Host", "front.test")]);
    assert_eq!((answer.status, answer.header("Location")), (301, Some("https://front.test/tls/a")));
}

#[test]
fn an_edit_of_a_condition_is_live() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(&upstream, &[("one", "paths = ['~/a/\\d+']"), ("two", "paths = [\"/a\"]")]));
    check(&gateway, "/a/1", &[], Some("/one"));
    gateway.edit_by_rename(|text| text.replace("~/a/\\d+", "~/b/\\d+"));
    crate::harness::eventually("the edit is live", || (gateway.version() == 2).then_some(()));
    check(&gateway, "/a/1", &[], Some("/two/1"));
    check(&gateway, "/b/1", &[], Some("/one"));
}

#[test]
fn the_admin_api_shows_a_route_as_kong_does() {
    let upstream = httpbin();
    let gateway = Gateway::start(&routes(
        &upstream,
        &[
            ("plain", "paths = [\"/plain\"]"),
            (
                "full",
                "protocols = [\"https\"]\nhttps_redirect_status_code = 302\nhosts = [\"*.Test:81\"]\npaths = ['~/a$']\nregex_priority = -3\n\
                 methods = [\"GET\"]\nheaders = { X-Version = [\"v1\"] }\nsnis = [\"a.test\"]\n\
                 sources = [{ ip = \"10.0.0.0/8\" }, { ip = \"10.0.0.1\", port = 7 }]\npath_handling = \"v1\"\nresponse_buffering = false",
            ),
        ],
    ));
    let shown = |name: &str| {
        let mut shown = gateway.admin("GET", &format!("/routes/{name}"), "").json();
        for changing in ["id", "service", "created_at", "updated_at"] {
            assert!(!shown[changing].is_null());
            shown.as_object_mut().unwrap().remove(changing);
        }
        shown
    };
    let plain = json!({
        "name": "plain", "protocols": ["http", "https"], "https_redirect_status_code": 426, "hosts": null, "paths": ["/plain"],
        "methods": null, "headers": null, "snis": null, "sources": null, "destinations": null, "regex_priority": 0,
        "strip_path": true, "path_handling": "v0", "preserve_host": false, "request_buffering": true,
        "response_buffering": true, "tags": null
    });
    assert_eq!(shown("plain"), plain);
    let full = json!({
        "name": "full", "protocols": ["https"], "https_redirect_status_code": 302, "hosts": ["*.test:81"], "paths": ["~/a$"],
        "methods": ["GET"], "headers": { "X-Version": ["v1"] }, "snis": ["a.test"],
        "sources": [{ "ip": "10.0.0.0/8", "port": null }, { "ip": "10.0.0.1", "port": 7 }], "destinations": null,
        "regex_priority": -3, "strip_path": true, "path_handling": "v1", "preserve_host": false, "request_buffering": true,
        "response_buffering": false, "tags": null
    });
    assert_eq!(shown("full"), full);
}
