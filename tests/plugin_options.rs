//! Options of plugins as the Admin API shows them: each with its default, and none of that comes into the file.

use serde_json::{Value, json};

use crate::harness::{Gateway, eventually};

/// The least that each plugin can do with.
fn least() -> Vec<(&'static str, Value)> {
    vec![
        ("acl", json!({ "allow": ["a"] })),
        ("basic-auth", json!({})),
        ("concurrency-limiting", json!({ "limit": 1 })),
        ("correlation-id", json!({})),
        ("cors", json!({})),
        ("ip-restriction", json!({ "deny": ["192.0.2.1"] })),
        ("jwt", json!({})),
        ("key-auth", json!({})),
        ("rate-limiting", json!({ "minute": 1 })),
        ("rate-limiting-advanced", json!({ "limit": [1], "window_size": [60], "throttling": { "enabled": true } })),
        ("request-size-limiting", json!({})),
        ("request-termination", json!({})),
        ("request-transformer", json!({ "add": { "headers": ["x:y"] } })),
        ("response-transformer", json!({ "add": { "headers": ["x:y"] } })),
    ]
}

#[test]
fn what_is_shown_of_a_plugin_can_be_sent_back_and_changes_nothing() {
    let gateway = Gateway::start("# mine\n[routes.demo] # here\nhosts = [\"demo\"]\n");
    let registered = gateway.admin("GET", "/", "").json()["plugins"]["available_on_server"].clone();
    let mut names: Vec<&String> = registered.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(least().iter().map(|(name, _)| *name).collect::<Vec<_>>(), names, "every plugin is here");
    for (name, config) in least() {
        let body = json!({ "name": name, "config": config }).to_string();
        let made = gateway.admin("POST", "/routes/demo/plugins", &body);
        assert_eq!(made.status, 201, "{name}: {}", made.body);
        let path = format!("/plugins/{}", made.json()["id"].as_str().unwrap());
        let (text, shown) = (gateway.config_text(), gateway.admin("GET", &path, ""));
        assert_eq!(shown.json(), made.json());
        let options = shown.json()["config"].as_object().unwrap().len();
        assert!(options > config.as_object().unwrap().len(), "{name}: {}", shown.body);
        for method in ["PUT", "PATCH"] {
            let same = gateway.admin(method, &path, &shown.body);
            assert_eq!((same.status, same.json()), (200, shown.json()), "{method} {name}: {}", same.body);
            assert_eq!(gateway.config_text(), text, "{method} {name}");
        }
    }
}

#[test]
fn an_option_that_is_taken_out_is_as_it_was() {
    let gateway = Gateway::start("[plugins.rate-limiting] # mine\nminute = 1\n");
    let text = gateway.config_text();
    let id = gateway.admin("GET", "/plugins", "").json()["data"][0]["id"].clone();
    let patch = |config: Value| {
        let body = json!({ "config": config }).to_string();
        let answer = gateway.admin("PATCH", &format!("/plugins/{}", id.as_str().unwrap()), &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["config"].clone()
    };
    let before = patch(json!({}));
    assert_eq!((&before["error_code"], &before["hour"], &before["sync_rate"]), (&json!(429), &Value::Null, &json!(-1.0)));
    let changed = patch(json!({ "error_code": 420, "hour": 5, "exempt": { "ips": ["192.0.2.1"] } }));
    assert_eq!(changed["exempt"], json!({ "ips": ["192.0.2.1"], "consumers": [] }));
    assert!(gateway.config_text().contains("error_code = 420\nhour = 5\n"), "{}", gateway.config_text());
    assert_eq!(patch(json!({ "error_code": null, "hour": null, "exempt": null })), before);
    assert_eq!(gateway.config_text(), text);
    // Many clients know no difference between -1.0 and -1.
    assert_eq!(patch(json!({ "sync_rate": -1, "error_code": 429, "exempt": { "ips": [] } })), before);
    assert_eq!(gateway.config_text(), text);
}

#[test]
fn a_default_that_is_spelled_out_is_no_change() {
    let gateway = Gateway::start("[plugins.key-auth]\n[plugins.rate-limiting]\nminute = 1\n");
    let version = gateway.version();
    gateway.edit_by_rename(|text| text.replace("minute = 1", "minute = 1\nlimit_by = \"consumer\"\nexempt = { consumers = [] }"));
    let status = || gateway.admin("GET", "/config/status", "").json();
    let applied = eventually("it is in force", || Some(status()).filter(|status| status["version"] != version));
    assert_eq!(applied["changes"], json!([]));
    gateway.edit_by_rename(|text| text.replace("\"consumer\"", "\"ip\""));
    let applied = eventually("it is in force", || Some(status()).filter(|status| status["version"] == version + 2));
    assert_eq!(applied["changes"][0]["table"], "plugins", "{applied}");
}
