//! What fields there are, and whether an entity would be taken.

use serde_json::{Value, json};

use crate::client::{Answer, Api, start};

const KINDS: &[&str] = &[
    "services",
    "routes",
    "consumers",
    "consumer_groups",
    "plugins",
    "upstreams",
    "targets",
    "certificates",
    "snis",
    "ca_certificates",
    "keyauth_credentials",
    "basicauth_credentials",
    "jwt_secrets",
    "acls",
    "event_hooks",
];

/// The field of this name, below records by dots.
fn field(answer: &Answer, path: &str) -> Value {
    path.split('.').fold(answer.json(), |record, name| {
        let found = record["fields"].as_array().unwrap().iter().find_map(|field| field.get(name)).cloned();
        found.unwrap_or_else(|| panic!("no {name} of {path} in {record}"))
    })
}

/// The same without what it is for.
fn bare(answer: &Answer, path: &str) -> Value {
    let mut field = field(answer, path);
    field.as_object_mut().unwrap().shift_remove("description");
    field
}

#[tokio::test]
async fn every_kind_says_what_its_fields_are() {
    let api = start().await;
    for kind in KINDS {
        let answer = api.get(&format!("/schemas/{kind}")).await.is(200);
        assert_eq!(field(&answer, "id"), json!({"type": "string", "uuid": true, "auto": true}), "{kind}");
        assert!(!answer.text.contains("$ref") && !answer.text.contains("\"x-"), "{kind}: {answer:?}");
        let names = answer.json()["fields"].as_array().unwrap().len();
        assert!(names > 4, "{kind}: {answer:?}");
    }
    for (path, message) in [("/schemas/x", "No entity named 'x'"), ("/schemas/plugins/x", "No plugin named 'x'")] {
        assert_eq!(api.get(path).await.is(404).json(), json!({"message": message}));
    }
    assert_eq!(api.json("POST", "/schemas/x/validate", &json!({})).await.is(404).message(), "No entity named 'x'");
}

#[tokio::test]
async fn fields_are_in_kongs_shape() {
    let api = start().await;
    let services = api.get("/schemas/services").await;
    assert_eq!(bare(&services, "retries"), json!({"type": "integer", "between": [0, 65535], "default": 5}));
    let protocols = json!({"type": "string", "one_of": ["http", "https", "grpc", "grpcs"]});
    assert_eq!(bare(&services, "protocol"), protocols);
    assert_eq!(bare(&services, "connect_timeout"), json!({"type": "integer", "between": [1, i64::MAX], "default": 60000}));
    assert_eq!(bare(&services, "client_certificate"), json!({"type": "foreign", "reference": "certificates"}));
    assert_eq!(field(&services, "ca_certificates")["elements"], json!({"type": "foreign", "reference": "ca_certificates"}));
    assert_eq!(field(&services, "name")["unique"], true);
    assert_eq!(bare(&services, "created_at"), json!({"type": "integer", "timestamp": true, "auto": true}));
    let routes = api.get("/schemas/routes").await;
    assert_eq!(bare(&routes, "service"), json!({"type": "foreign", "reference": "services"}));
    assert_eq!(field(&routes, "headers")["values"], json!({"type": "array", "elements": {"type": "string"}}));
    let words = json!(["http", "https", "grpc", "grpcs"]);
    assert_eq!(field(&routes, "protocols")["elements"], json!({"type": "string", "one_of": words}));
    let upstreams = api.get("/schemas/upstreams").await;
    assert_eq!(field(&upstreams, "healthchecks")["type"], "record");
    assert_eq!(field(&upstreams, "healthchecks.active.healthy.successes")["between"], json!([0, 255]));
    let keys = api.get("/schemas/keyauth_credentials").await;
    assert_eq!(bare(&keys, "key"), json!({"type": "string", "len_min": 1, "unique": true, "auto": true}));
    assert_eq!(bare(&keys, "consumer"), json!({"type": "foreign", "required": true, "reference": "consumers"}));
    let hooks = api.get("/schemas/event_hooks").await;
    assert_eq!(field(&hooks, "handler")["required"], true);
    // Those of all handlers.
    assert_eq!(
        (&field(&hooks, "config.url")["type"], &field(&hooks, "config.functions")["len_max"]),
        (&json!("string"), &json!(32))
    );
}

#[tokio::test]
async fn a_plugin_says_what_its_options_are() {
    let api = start().await;
    for kind in sluice_plugins::PLUGINS {
        let answer = api.get(&format!("/schemas/plugins/{}", kind.name)).await.is(200);
        assert_eq!((&field(&answer, "config")["type"], &field(&answer, "config")["required"]), (&json!("record"), &json!(true)));
        assert_eq!(bare(&answer, "route"), json!({"type": "foreign", "reference": "routes"}));
    }
    let limit = api.get("/schemas/plugins/rate-limiting-advanced").await;
    assert_eq!(field(&limit, "config.limit")["required"], true);
    assert_eq!(field(&limit, "config.limit")["type"], "array");
    assert_eq!(field(&limit, "config.window_type")["default"], "sliding");
}

/// What is said of a body by a rehearsal, and then by the POST; a good one is made by the second only.
async fn both(api: &Api, kind: &str, path: &str, body: &Value) -> [Answer; 2] {
    let before = api.gateway.file();
    let rehearsed = api.json("POST", &format!("/schemas/{kind}/validate"), body).await;
    assert_eq!(api.gateway.file(), before, "nothing is made");
    [rehearsed, api.json("POST", path, body).await]
}

#[tokio::test]
async fn a_body_is_judged_as_by_a_post_and_nothing_is_made() {
    let api = start().await;
    let hook = json!({"name": "h", "source": "crud", "handler": "log"});
    for (kind, path, body) in [
        ("services", "/services", json!({"name": "s", "host": "example.com"})),
        ("routes", "/routes", json!({"name": "r", "paths": ["/r"], "service": {"name": "demo"}})),
        ("consumers", "/consumers", json!({"username": "Ann", "custom_id": "a-1"})),
        ("plugins", "/plugins", json!({"name": "cors", "instance_name": "i"})),
        ("upstreams", "/upstreams", json!({"name": "u"})),
        ("targets", "/upstreams/app/targets", json!({"target": "10.0.0.9", "upstream": {"name": "app"}})),
        ("acls", "/acls", json!({"group": "g", "consumer": {"username": "Joe"}})),
        ("keyauth_credentials", "/key-auths", json!({"key": "k", "consumer": {"username": "Joe"}})),
        ("event_hooks", "/event-hooks", hook),
    ] {
        let [rehearsed, made] = both(&api, kind, path, &body).await;
        assert_eq!(rehearsed.is(200).json(), json!({"message": "schema validation successful"}), "{kind}");
        let mut made = made.is(201).json();
        // That there is one now is no matter of a rehearsal, whether by its name or by its id.
        let again = api.json("POST", &format!("/schemas/{kind}/validate"), &body).await;
        assert_eq!(again.is(200).message(), "schema validation successful", "{kind}");
        made.as_object_mut().unwrap().retain(|key, value| key == "id" || (body.get(key).is_some() && !value.is_null()));
        assert_eq!(api.json("POST", &format!("/schemas/{kind}/validate"), &made).await.status, 200, "{kind} {made}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_as_by_a_post() {
    let api = start().await;
    for (kind, path, body) in [
        ("services", "/services", json!({})),
        ("services", "/services", json!({"name": "s", "host": "x", "retries": -1, "hots": "x"})),
        ("routes", "/routes", json!({"paths": ["x"], "service": "nobody"})),
        ("routes", "/routes", json!({"paths": ["x"], "name": "a/b"})),
        ("plugins", "/plugins", json!({"name": "x"})),
        ("plugins", "/plugins", json!({"config": 1, "foo": 1})),
        ("targets", "/upstreams/app/targets", json!({"target": "a b", "upstream": "app"})),
        ("snis", "/snis", json!({"name": 1})),
        ("event_hooks", "/event-hooks", json!({"name": "sources"})),
        ("event_hooks", "/event-hooks", json!({"handler": "webhook", "config": {"headers": 1}})),
    ] {
        let [rehearsed, made] = both(&api, kind, path, &body).await;
        assert_eq!((rehearsed.status, rehearsed.json()), (400, made.is(400).json()), "{kind} {body}");
    }
    assert_eq!(api.ask("POST", "/schemas/services/validate", &[("Content-Type", "text/plain")], "x").await.status, 415);
    let form = api.form("POST", "/schemas/services/validate", &[("host", "x"), ("port", "8080"), ("tags[]", "a")]).await;
    assert_eq!(form.is(200).message(), "schema validation successful");
}
