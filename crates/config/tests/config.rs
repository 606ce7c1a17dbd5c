//! Whatever stands in a file: a configuration or problems with their places, and never a panic.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use proptest::prelude::*;
use sluice_config::{
    Config, Diagnostics, Environment, RouteProtocol, Scope, Source, entity_id, include_patterns, read, read_all,
};

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
    assert_eq!(config.admin.tokens.len(), 1);
    assert_eq!((config.admin.tokens[0].name.as_str(), config.admin.tokens[0].token.as_str()), ("token", "hush"));
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

/// What is wrong with a main file and those that it includes: where, and what.
fn problems(main: &str, included: &[(&str, &str)]) -> Vec<String> {
    let included = included.iter().map(|(path, text)| Source::new(*path, *text));
    let files = [Source::new("gateway.toml", main)].into_iter().chain(included).collect();
    let problems = read_all(files, &Nothing).finish().err().unwrap_or_default();
    let line = |one: &sluice_config::Diagnostic| {
        let (file, at) = (one.file.display(), one.position);
        format!("{file}:{}:{} {} | {} | {}", at.line, at.column, one.path, one.line, one.message)
    };
    problems.0.iter().map(line).collect()
}

const ROUTE: &str = "# a\n[routes.r]\nservice = \"demo\"\npaths = [\"/r\"]\n";

#[test]
fn included_files_have_entities_and_refer_to_those_of_others() {
    let files = vec![
        Source::new("gateway.toml", "include = [\"*.toml\"]\n[services.demo]\nurl = \"http://x\"\n"),
        Source::new("a.toml", ROUTE),
        Source::new("b.toml", "[consumers.Joe]\n[services.second]\nurl = \"${URL:-http://y}\"\n[plugins.two]\n"),
    ];
    let config = read_all(files, &Nothing).finish().unwrap();
    assert_eq!(config.services.iter().map(|service| service.host.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(config.routes[0].service, Some(("demo".into(), entity_id("services", "demo"))));
    assert_eq!((config.consumers.len(), config.plugins.len()), (1, 1));
}

#[test]
fn a_mistake_is_told_of_in_its_own_file() {
    let main = "[services.demo]\nurl = \"http://x\"\n";
    let check = |included: &[(&str, &str)], expected: &[&str]| assert_eq!(problems(main, included), expected);
    check(&[("a", ROUTE)], &[]);
    check(
        &[("a", &ROUTE.replace("demo", "dmeo")), ("b", "\n\n[consumers.Joe]\nid = 5")],
        &[
            "a:3:11 routes.r.service | service = \"dmeo\" | there is no service \"dmeo\"",
            "b:4:6 consumers.Joe.id | id = 5 | invalid type: integer `5`, expected a formatted UUID string",
        ],
    );
    check(
        &[("a", ROUTE), ("b", "[services.other]\nurl = \"http://x\"\n[routes.r]\npaths = 1\n[services.demo]")],
        &[
            "b:3:9 routes.r | [routes.r] | routes.r stands in a:2:9 already",
            "b:5:11 services.demo | [services.demo] | services.demo stands in gateway.toml:1:11 already",
        ],
    );
    check(
        &[("a", "include = [\"b\"]\nroutes = 1\n[server]\n[rotes.x]")],
        &[
            "a:1:1 include | include = [\"b\"] | an included file includes no others",
            "a:2:1 routes | routes = 1 | expected tables, one for each name",
            "a:3:2 server | [server] | `server` stands in the main file alone",
            "a:4:2 rotes | [rotes.x] | unknown key \"rotes\"",
        ],
    );
    check(&[("a", "[routes"), ("b", ROUTE)], &["a:1:8  | [routes | unclosed table, expected `]`"]);
    check(
        &[("a", "[consumers.Joe]\nkey-auth = [{ key = \"${NO}\" }]\n[plugins.two]\nn = 99999999999999999999")],
        &[
            "a:2:21 consumers.Joe.key-auth[0].key | key-auth = [{ key = \"${NO}\" }] | the environment variable NO is not set; set it, or write `${NO:-default}`",
            "a:4:5 plugins.two.n | n = 99999999999999999999 | this number is too large",
        ],
    );
}

#[test]
fn a_secret_of_one_file_is_hidden_in_what_is_said_of_another() {
    let told = problems(
        "[consumers.Joe]\nkey-auth = [{ key = \"hush-hush\" }]",
        &[("a", "[routes.r]\nservice = \"hush-hush\"\npaths = [\"/\"]")],
    );
    assert_eq!(told, ["a:2:11 routes.r.service | service = \"hush-hush\" | there is no service \"***\""]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_and_nothing_that_may_be_in_it_is() {
    let files = vec![Source::new("gateway.toml", ROUTE), Source::unread("a", "no")];
    let problems = read_all(files, &Nothing).finish().err().unwrap();
    assert_eq!(problems.to_string(), "a:1:1\n   |\n 1 | \n   | ^ no\n\n1 problem");
}

#[test]
fn patterns_are_those_of_the_main_file() {
    let check = |text: &str, patterns: &[&str], expected: &[&str]| {
        assert_eq!(include_patterns(&Source::new("gateway.toml", text), &Nothing), patterns, "{text}");
        assert_eq!(problems(text, &[]), expected);
    };
    check("[services]", &[], &[]);
    check("include = [\"a\", \"${X:-b}/*\"]", &["a", "b/*"], &[]);
    check(
        "include = \"a\"",
        &[],
        &["gateway.toml:1:11 include | include = \"a\" | invalid type: a string, expected a list, such as [1, 2]"],
    );
    check(
        "include = [\"a**\"]",
        &["a**"],
        &[
            "gateway.toml:1:12 include[0] | include = [\"a**\"] | `a**` is no pattern: recursive wildcards must form a single path component",
        ],
    );
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

#[test]
fn of_very_much_that_is_wrong_a_part_is_told() {
    let many: String = (0..5000).map(|n| format!("[services.s{n}]\nurl = {n}\n")).collect();
    let Err(problems) = read(Source::new("t", many), &Nothing).finish() else { panic!("it is wrong") };
    assert_eq!(problems.0.len(), 101);
    assert_eq!(
        (problems.0[100].position.line, problems.0[100].help.as_deref()),
        (202, Some("mend those above first: more are not shown"))
    );
    let unknown: String = (0..5000).map(|n| format!("x{n} = 1\n")).collect();
    let Err(problems) = read(Source::new("t", format!("[limits]\n{unknown}")), &Nothing).finish() else { panic!("it is wrong") };
    assert_eq!(problems.0.len(), 101);
    let long = format!(
        "[consumers]\nJoe = {{ tags = [\"{}\"], key-auth = [{{ key = \"hush\" }}], x = 1, y = \"{}\" }}\n",
        "ä".repeat(5000),
        "b".repeat(5000)
    );
    let Err(problems) = read(Source::new("t", long), &Nothing).finish() else { panic!("it is wrong") };
    let told = problems.to_string();
    assert!(told.contains("a plugin \"x\"") && !told.contains("hush") && told.len() < 2000, "{told}");
    let shown = &problems.0[0];
    assert!(shown.line.starts_with("…ä") && shown.line.ends_with("**…"), "{}", shown.line);
    assert!(shown.line.chars().skip(shown.indent).collect::<String>().starts_with("x = *"), "{} {}", shown.indent, shown.line);
}
