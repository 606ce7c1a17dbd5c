//! What the Admin API says of itself is what it does.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::clients::folder;
use crate::harness::{Authority, Gateway, Request, request};

const CONFIG: &str = "[services.demo]\nurl = \"http://127.0.0.1:1\"\n[services.demo.plugins.key-auth]\n";

/// One of each kind; nothing of it leads to another machine.
const ALL_KINDS: &str = r#"
[services.demo]
url = "http://127.0.0.1:9/x"
[routes.demo]
service = "demo"
paths = ["/demo"]
[upstreams.app]
targets = ["127.0.0.1:9"]
healthchecks.passive.unhealthy.tcp_failures = 1
[consumers.Joe]
groups = ["gold"]
key-auth = [{ key = "joe-key" }]
basic-auth = [{ username = "joe", password = "hush" }]
jwt = [{ key = "joe", secret = "hush" }]
acls = [{ group = "admins" }]
[consumer_groups.gold]
[plugins.correlation-id]
[services.demo.plugins.rate-limiting-advanced]
limit = [3]
window_size = [60]
[event_hooks.log]
source = "rate-limiting-advanced"
handler = "log"
"#;

const TOKEN: &str = "schemathesis";

/// A gateway with one of each kind, that lets in whoever has the token.
fn with_all_kinds() -> Gateway {
    let authority = Authority::new("authority");
    let certificate = authority.issue(&["example.com"]).table("site", "");
    let trusted = format!("[ca_certificates.site]\ncert = \"\"\"\n{}\"\"\"\n", authority.pem);
    Gateway::start_with(&format!("{ALL_KINDS}{certificate}{trusted}"), &format!("token = \"{TOKEN}\""))
}

#[test]
fn lists_are_as_the_document_says() {
    let gateway = with_all_kinds();
    let get =
        |path: &str| request(gateway.admin, &Request { method: "GET", path, headers: &[("Kong-Admin-Token", TOKEN)], body: "" });
    let document = get("/openapi.json").json();
    let mut looked_at = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let schema = &methods["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        if path.contains('{') || schema.is_null() {
            continue;
        }
        let mut whole = schema.clone();
        whole["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&whole).unwrap();
        let answer = get(path).json();
        let wrong: Vec<String> =
            validator.iter_errors(&answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{path}: {answer}");
        let rows = answer["data"].as_array().map_or(1, Vec::len);
        assert!(rows > 0 || ["/deliveries", "/tags"].contains(&path.as_str()), "{path} shows nothing");
        looked_at += 1;
    }
    assert!(looked_at > 25, "{looked_at}");
}

/// schemathesis sends what the document allows and what it does not, and looks whether the answers are those that it
/// promises. tests/clients/schemathesis_judge.py says what cannot be said there.
#[test]
fn schemathesis_finds_nothing_that_the_document_does_not_say() {
    let gateway = with_all_kinds();
    let folder_of_tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let work = tempfile::tempdir().unwrap();
    let first = work.path().join("first.toml");
    std::fs::copy(gateway.config_file(), &first).unwrap();
    let out = Command::new("timeout")
        .args(["-k", "5", "400"])
        .arg(folder().join("bin/schemathesis"))
        .arg("--config-file")
        .arg(folder_of_tests.join("schemathesis.toml"))
        .args(["run", &format!("http://{}/openapi.json", gateway.admin), "--checks", "all", "--continue-on-failure"])
        .args(["--header", &format!("Kong-Admin-Token: {TOKEN}"), "--no-color"])
        .envs([("PYTHONPATH", folder_of_tests.as_path()), ("CONFIGURATION", &first)])
        .envs([("SCHEMATHESIS_HOOKS", "schemathesis_judge"), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONHASHSEED", "0")])
        .current_dir(work.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("Tested: 205"), "{said}");
    assert!(!gateway.log().iter().any(|line| line.contains("panicked")), "it panicked");
}

#[test]
fn an_entity_is_tried_without_being_made() {
    for admin in ["", "write_back = false"] {
        let gateway = Gateway::start_with(CONFIG, admin);
        let (text, version) = (gateway.config_text(), gateway.version());
        let tried = |kind: &str, body: &Value| {
            let answer = gateway.admin("POST", &format!("/schemas/{kind}/validate"), &body.to_string());
            (answer.status, answer.json())
        };
        let good = (200, json!({ "message": "schema validation successful" }));
        assert_eq!(tried("services", &json!({ "name": "other", "host": "example.com" })), good);
        // That there is one is no matter of this.
        assert_eq!(tried("services", &json!({ "name": "demo", "host": "example.com" })), good);
        assert_eq!(tried("plugins", &json!({ "name": "key-auth", "service": { "name": "demo" } })), good);
        let limit = json!({ "name": "rate-limiting-advanced", "config": { "limit": [1], "window_size": [60] } });
        assert_eq!(tried("plugins", &limit), good);
        // What only the plugin knows, and what only the whole file does.
        let (status, said) = tried("plugins", &json!({ "name": "rate-limiting-advanced", "config": { "limit": [1] } }));
        assert_eq!((status, &said["fields"]), (400, &json!({ "config": { "window_size": "required field missing" } })));
        let (status, said) = tried("routes", &json!({ "paths": ["/a//b"] }));
        assert_eq!((status, said["name"].as_str()), (400, Some("schema violation")));
        let (status, said) = tried("routes", &json!({ "paths": ["/"], "service": { "name": "nobody" } }));
        assert_eq!((status, said["name"].as_str()), (400, Some("foreign key violation")));
        assert_eq!((gateway.config_text(), gateway.version()), (text, version));
    }
}
