//! Whatever stands in a file: a configuration or problems with their places, and never a panic.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use proptest::prelude::*;
use sluice_config::{Config, Diagnostics, Environment, RouteProtocol, Scope, Source, entity_id, read};

const GOOD: &str = r#"
[server]
listen = ["127.0.0.1:8000", "[::1]:8000"]
trusted_proxies = ["10.0.0.0/8", "::1"]
shutdown_timeout = "2s"
[admin]
token = "${TOKEN:-hush}"
[services.demo]
url = "https://example.com/base"
connect_timeout = 500
[services.parts]
host = "10.0.0.1"
port = 81
path = "/p"
[routes.demo]
service = "demo"
paths = ["/demo", "/other"]
hosts = ["A.example", "*.b.example"]
methods = ["GET"]
[routes.demo.plugins.one]
limit = [1, 2]
nested.key = "x"
[consumers.Joe]
custom_id = "j"
one = [{ key = "k" }]
[plugins.two]
enabled = false
id = "4f2b1c86-3f0e-4c1c-9f0a-3d1e9b7a5c01"
instance_name = "second"
tags = ["t"]
protocols = ["https", "http"]
[event_hooks.h]
source = "s"
handler = "log"
retry = { schedule = ["5s", 10] }
config.a.b = "c"
"#;

struct Nothing;
impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

fn config(text: &str) -> Result<Config, Diagnostics> {
    read(Source::new("gateway.toml", text), &Nothing).finish()
}

#[test]
fn a_good_file_becomes_a_configuration() {
    let config = config(GOOD).unwrap();
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.shutdown_timeout.as_secs(), 2);
    assert_eq!(config.admin.token.as_deref(), Some("hush"));
    let service = &config.services[0];
    assert_eq!((service.host.as_str(), service.port, service.path.as_deref()), ("example.com", 443, Some("/base")));
    assert_eq!((service.connect_timeout.0, service.read_timeout.0), (500, 60_000));
    assert_eq!(config.services[1].authority(), "10.0.0.1:81");
    assert_eq!(config.routes[0].service, Some(("demo".into(), entity_id("services", "demo"))));
    assert_eq!(config.routes[0].hosts, ["a.example", "*.b.example"]);
    assert_eq!(config.consumers[0].credentials[0].list, "one");
    let scopes: Vec<(&str, &Scope, bool)> = config.plugins.iter().map(|p| (p.name.as_str(), &p.scope, p.enabled)).collect();
    assert_eq!(scopes, [("one", &Scope::Route("demo".into()), true), ("two", &Scope::Global, false)]);
    assert_eq!(config.plugins[0].block.to_json(), serde_json::json!({ "limit": [1, 2], "nested": { "key": "x" } }));
    let second = &config.plugins[1];
    assert_eq!(
        (second.id.to_string().as_str(), second.instance_name.as_deref()),
        ("4f2b1c86-3f0e-4c1c-9f0a-3d1e9b7a5c01", Some("second"))
    );
    assert_eq!(
        (&second.tags[..], &second.protocols[..]),
        (&["t".to_owned()][..], &[RouteProtocol::Https, RouteProtocol::Http][..])
    );
    assert_eq!(second.block.to_json(), serde_json::json!({}), "the options are the plugin's own");
    assert_eq!(config.event_hooks[0].config.to_json(), serde_json::json!({ "a": { "b": "c" } }));
    assert_eq!(config.event_hooks[0].retry.as_ref().unwrap()[1].0, 10);
}

#[test]
fn entities_keep_their_times_until_they_change() {
    let mut first = config(GOOD).unwrap();
    first.stamp(None, 100);
    let mut second = config(&GOOD.replace("port = 81", "port = 82")).unwrap();
    second.stamp(Some(&first), 200);
    let stamps: Vec<(u64, u64)> = second.services.iter().map(|s| (s.stamps.created_at, s.stamps.updated_at)).collect();
    assert_eq!(stamps, [(100, 100), (100, 200)]);
    let mut third = config(&GOOD.replace("tags = [\"t\"]", "tags = [\"u\"]")).unwrap();
    third.stamp(Some(&first), 300);
    let stamps: Vec<u64> = third.plugins.iter().map(|plugin| plugin.stamps.updated_at).collect();
    assert_eq!(stamps, [100, 300]);
    assert_eq!((second.event_hooks[0].stamps.created_at, second.event_hooks[0].stamps.updated_at), (100, 100));
}

/// What the file says after some of its characters were changed, taken out or put in.
fn mutated() -> impl Strategy<Value = String> {
    let edit = (0..GOOD.len(), 0_usize..6, "[\\[\\]{}=\"'.,#\\$0-9a-z\\n \u{e4}\\\\]{0,4}");
    prop::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, out, put) in edits {
            let at = at.min(text.len());
            let end = (at + out).min(text.len());
            text.splice(at..end, put.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_mutated_file_is_read_or_explained(text in mutated()) {
        if let Err(problems) = config(&text) {
            prop_assert!(!problems.0.is_empty());
            for problem in &problems.0 {
                let lines = text.lines().count().max(1);
                prop_assert!(problem.position.line <= lines + 1, "{problem}");
                prop_assert!(!problem.message.is_empty());
                prop_assert!(problem.to_string().contains("gateway.toml:"));
            }
        }
    }

    #[test]
    fn any_text_at_all_is_no_reason_to_panic(text in "\\PC{0,200}") {
        let _ = config(&text);
    }
}
