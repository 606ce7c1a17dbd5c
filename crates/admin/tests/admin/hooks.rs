//! Hooks are made, changed and deleted.

use serde_json::{Map, Value, json};
use sluice_admin::Step;
use sluice_config::KeyPath;

use crate::client::{Api, start, start_with};

const TEXT: &str =
    "Rate limit exceeded by username '{{ consumer.username }}' on service '{{ service.name }}' (on server owned by ubuntu)";

/// The two commands of the article, as curl sends them.
const WEBHOOK: &[(&str, &str)] = &[
    ("source", "rate-limiting-advanced"),
    ("event", "rate-limit-exceeded"),
    ("handler", "webhook-custom"),
    ("config.method", "POST"),
    ("config.headers.content-type", "application/json"),
    ("config.payload.text", TEXT),
    ("config.url", "https://hooks.example/services/T/Y/x"),
];
const LOG: &[(&str, &str)] = &[("source", "rate-limiting-advanced"), ("event", "rate-limit-exceeded"), ("handler", "log")];

fn object(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn log_hook(name: &str) -> Value {
    json!({"name": name, "source": "rate-limiting-advanced", "event": "rate-limit-exceeded", "handler": "log"})
}

async fn with_hook(name: &str) -> Api {
    let api = start().await;
    let hook = json!({"name": name, "source": "rate-limiting-advanced", "handler": "webhook", "snooze": 5, "tags": ["a"],
        "config": {"url": "http://127.0.0.1:1/", "secret": "hush", "headers": {"x": "1"}}});
    api.json("POST", "/event-hooks", &hook).await.is(201);
    api
}

#[tokio::test]
async fn the_two_commands_of_the_article_register_two_hooks() {
    let api = start().await;
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(WEBHOOK).finish();
    let headers =
        [("Content-Type", crate::client::FORM), ("Kong-Admin-Token", "kong"), ("User-Agent", "curl/8"), ("Accept", "*/*")];
    let hook = api.ask("POST", "/event-hooks", &headers, &body).await.is(201).json();
    assert_eq!(hook["source"], "rate-limiting-advanced");
    assert_eq!(hook["event"], "rate-limit-exceeded");
    assert_eq!(hook["handler"], "webhook-custom");
    assert_eq!(hook["snooze"], Value::Null);
    assert_eq!(hook["on_change"], Value::Null);
    assert_eq!(hook["config"]["payload"], json!({ "text": TEXT }));
    assert_eq!(hook["config"]["headers"], json!({"content-type": "application/json"}));
    assert!(hook["created_at"].is_u64() && hook["updated_at"].is_u64() && hook["id"].is_string(), "{hook}");
    let name = hook["name"].as_str().unwrap();
    assert!(name.starts_with("webhook-custom-rate-limiting-advanced-"), "{name}");
    let table = json!({
        "source": "rate-limiting-advanced", "event": "rate-limit-exceeded", "handler": "webhook-custom",
        "config": {
            "method": "POST", "headers": {"content-type": "application/json"}, "payload": {"text": TEXT},
            "url": "https://hooks.example/services/T/Y/x"
        }
    });
    let add =
        |name: &str, table: Value| Step::Put { at: KeyPath::of(["event_hooks", name]), table: object(table), keep: Vec::new() };
    assert_eq!(api.gateway.steps(), [add(name, table)]);

    let hook = api.form("POST", "/event-hooks/", LOG).await.is(201).json();
    let table = json!({"source": "rate-limiting-advanced", "event": "rate-limit-exceeded", "handler": "log"});
    assert_eq!(api.gateway.steps()[1], add(hook["name"].as_str().unwrap(), table));
    assert_eq!(hook["config"], json!({}));

    let list = api.get("/event-hooks").await.is(200).json();
    assert_eq!((list["data"].as_array().unwrap().len(), &list["next"], list.get("offset")), (2, &Value::Null, None));
    let id = hook["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/event-hooks/{id}")).await.is(200).json(), hook);
    assert_eq!(list["data"][1], hook);
}

#[tokio::test]
async fn a_wrong_hook_is_refused_with_its_fields_named() {
    let api = start().await;
    let refused = async |body: Value| {
        let answer = api.json("POST", "/event-hooks", &body).await.is(400).json();
        assert_eq!((&answer["code"], &answer["name"]), (&json!(2), &json!("schema violation")), "{answer}");
        (answer["message"].as_str().unwrap().to_owned(), answer["fields"].clone())
    };
    let source = "rate-limiting-advanced";
    let missing = "required field missing";
    let (message, fields) = refused(json!({"source": source, "handler": "webhook-custom", "config": {"method": "POST"}})).await;
    assert_eq!(
        (message.as_str(), fields),
        ("schema violation (config.url: required field missing)", json!({"config": {"url": missing}}))
    );
    let (message, fields) = refused(json!({"source": source, "handler": "webhook-custom"})).await;
    assert!(message.starts_with("2 schema violations ("), "{message}");
    assert_eq!(fields, json!({"config": {"url": missing, "method": missing}}));
    let (_, fields) = refused(json!({"source": null})).await;
    assert_eq!(fields, json!({"source": missing, "handler": missing}));
    let (_, fields) = refused(json!({"source": "sauce", "event": "x", "handler": "webhok"})).await;
    assert_eq!(fields.as_object().unwrap().keys().collect::<Vec<_>>(), ["source", "handler"]);
    let (_, fields) =
        refused(json!({"source": source, "event": "rate-limit-exceded", "handler": "webhook", "config": {"url": "nowhere"}}))
            .await;
    assert!(fields["event"].as_str().unwrap().contains("did you mean \"rate-limit-exceeded\"?"), "{fields}");
    assert!(fields["config"]["url"].as_str().unwrap().contains("invalid url"), "{fields}");
    let config =
        json!({"url": "http://127.0.0.1:1/", "method": "POST", "payload": {"a": "{{ nope }}", "b": "{{", "c": "{{ limit }}"}});
    let (_, fields) = refused(json!({"source": source, "handler": "webhook-custom", "config": config})).await;
    assert_eq!(fields["config"]["payload"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b"], "{fields}");
    let (_, fields) = refused(json!({"source": source, "handler": "log", "snoze": 3})).await;
    assert_eq!(fields, json!({"snoze": "unknown field (did you mean \"snooze\"?)"}));
    let (_, fields) = refused(json!({"source": source, "handler": "log", "snooze": "soon", "tags": [1]})).await;
    assert!(fields["snooze"].is_string() && fields["tags"][0].is_string(), "{fields}");
    let (_, fields) = refused(json!({"source": source, "handler": "log", "name": "a b", "id": "x", "timeout": u64::MAX})).await;
    assert!(["name", "id", "timeout"].iter().all(|key| fields[key].is_string()), "{fields}");
    let answer = api.form("POST", "/event-hooks", &[("config", "a"), ("config.url", "b")]).await.is(400).json();
    assert!(answer["fields"]["config"]["url"].is_string(), "{answer}");
    assert_eq!(api.gateway.hooks(), Value::Null);
}

#[tokio::test]
async fn names_and_ids_are_unique() {
    let api = with_hook("a").await;
    let answer = api.json("POST", "/event-hooks", &log_hook("a")).await.is(409).json();
    assert_eq!(
        answer,
        json!({"code": 5, "name": "unique constraint violation", "message": "UNIQUE violation detected on '{name=\"a\"}'", "fields": {"name": "a"}})
    );
    let id = "9b2c3c5c-6a0c-4f0e-8f7b-0a3f3f3f3f3f";
    let mut hook = log_hook("b");
    hook["id"] = id.into();
    assert_eq!(api.json("POST", "/event-hooks", &hook).await.is(201).json()["id"], id);
    assert_eq!(api.gateway.hooks()["b"]["id"], id);
    hook["name"] = "c".into();
    assert_eq!(api.json("POST", "/event-hooks", &hook).await.is(400).json()["code"], 3);
    assert_eq!(api.get(&format!("/event-hooks/{id}")).await.is(200).json()["name"], "b");
    // An id that follows from the name may be another's as well.
    let id = sluice_config::entity_id("event_hooks", "e").to_string();
    let mut hook = log_hook("d");
    hook["id"] = id.as_str().into();
    api.json("POST", "/event-hooks", &hook).await.is(201);
    let answer = api.json("POST", "/event-hooks", &log_hook("e")).await.is(400).json();
    assert_eq!((&answer["code"], &answer["fields"]["id"]), (&json!(3), &json!(id)));
}

#[tokio::test]
async fn a_patch_merges_and_null_takes_out() {
    let api = with_hook("a").await;
    let hook = api.get("/event-hooks/a").await.is(200).json();
    assert_eq!(hook["config"]["secret"], "***");
    let changes = json!({"snooze": null, "on_change": true, "config": {"headers": {"x": null, "y": "2"}, "secret": "***"}});
    let patched = api.json("PATCH", "/event-hooks/a", &changes).await.is(200).json();
    assert_eq!((&patched["snooze"], &patched["on_change"], &patched["id"]), (&Value::Null, &json!(true), &hook["id"]));
    assert_eq!(
        api.gateway.hooks()["a"]["config"],
        json!({"url": "http://127.0.0.1:1/", "secret": "hush", "headers": {"y": "2"}})
    );
    // What was read can be sent back.
    api.json("PATCH", "/event-hooks/a", &patched).await.is(200);
    assert_eq!(api.gateway.hooks()["a"]["config"]["secret"], "hush");
    api.form("PATCH", "/event-hooks/a/", &[("snooze", "9"), ("on_change", "")]).await.is(200);
    assert_eq!((&api.gateway.hooks()["a"]["snooze"], api.gateway.hooks()["a"].get("on_change")), (&json!(9), None));
    let renamed =
        api.json("PATCH", "/event-hooks/a", &json!({"name": "b", "id": "9b2c3c5c-6a0c-4f0e-8f7b-0a3f3f3f3f3f"})).await.is(400);
    assert_eq!(renamed.json()["fields"].as_object().unwrap().len(), 2);
    let steps = api.gateway.steps().len();
    api.json("PATCH", "/event-hooks/a", &json!({})).await.is(200);
    api.json("PATCH", "/event-hooks/nobody", &json!({"snooze": 1})).await.is(404);
    assert_eq!(api.gateway.steps().len(), steps);
}

#[tokio::test]
async fn what_was_read_and_is_sent_back_stays_out_of_the_file() {
    let file = r#"
[event_hooks.a]
source = "rate-limiting-advanced"
handler = "webhook-custom"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
config.url = "http://me:hush@127.0.0.1:1${SLUICE_UNSET:-/hook}"
config.method = "POST"
config.payload = { text = "t", list = [1] }
config.headers = { authorization = "${SLUICE_UNSET:-/hook}", x = "$${literal}" }
"#;
    let api = start_with(file, None).await;
    let before = api.gateway.hooks()["a"].clone();
    let mut hook = api.get("/event-hooks/a").await.is(200).json();
    assert_eq!(hook["config"]["headers"], json!({"authorization": "***", "x": "${literal}"}));
    assert!(!hook.to_string().contains("SLUICE_UNSET"), "{hook}");

    // With nothing that differs nothing happens, not even where nothing can be written.
    api.gateway.read_only();
    assert_eq!(api.json("PATCH", "/event-hooks/a", &hook).await.is(200).json(), hook);
    api.json("PATCH", "/event-hooks/a", &json!({"snooze": null, "config": {"headers": {"none": null}}})).await.is(200);
    api.form("PATCH", "/event-hooks/a", &[("config.method", "POST"), ("timeout", "10000"), ("event", "")]).await.is(200);
    assert_eq!(api.gateway.steps(), []);

    let api = start_with(file, None).await;
    hook["snooze"] = 5.into();
    hook["config"]["payload"]["text"] = "new".into();
    let patched = api.json("PATCH", "/event-hooks/a", &hook).await.is(200).json();
    let changes = object(json!({"snooze": 5, "config": {"payload": {"text": "new"}}}));
    assert_eq!(api.gateway.steps(), [Step::Merge { at: KeyPath::of(["event_hooks", "a"]), changes }]);
    let mut after = before;
    after["snooze"] = 5.into();
    after["config"]["payload"]["text"] = "new".into();
    assert_eq!(api.gateway.hooks()["a"], after);
    assert_eq!((&patched["snooze"], &patched["config"]), (&json!(5), &hook["config"]));
}

#[tokio::test]
async fn a_default_that_would_be_another_is_written() {
    let api = start_with("[event_hooks.a]\nsource = \"config\"\nhandler = \"log\"\n", None).await;
    let changes = json!({"handler": "webhook", "concurrency": 1, "timeout": 10000, "config": {"url": "http://127.0.0.1:1/"}});
    assert_eq!(api.json("PATCH", "/event-hooks/a", &changes).await.is(200).json()["concurrency"], 1);
    let config = json!({"url": "http://127.0.0.1:1/"});
    assert_eq!(api.gateway.hooks()["a"], json!({"source": "config", "handler": "webhook", "concurrency": 1, "config": config}));
}

#[tokio::test]
async fn an_id_has_one_winner_and_one_answer_for_the_others() {
    let id = "9b2c3c5c-6a0c-4f0e-8f7b-0a3f3f3f3f3f";
    let taken = json!({"code": 3, "name": "primary key violation", "fields": {"id": id},
        "message": format!("primary key violation on key '{{id=\"{id}\"}}'")});
    // With names of their own, with the same name, and with something else wrong in all but the first.
    let bodies: [fn(usize) -> Value; 3] = [
        |n| json!({"name": format!("h{n}"), "source": "config", "handler": "log"}),
        |_| json!({"name": "same", "source": "config", "handler": "log"}),
        |n| json!({"name": format!("h{n}"), "source": "config", "handler": "log", "snooze": if n == 0 { json!(1) } else { json!("x") }}),
    ];
    for body in bodies {
        let api = start().await;
        if body(1)["snooze"].is_null() {
            api.gateway.gather(8);
        }
        let post = async |n| {
            let mut body = body(n);
            body["id"] = id.into();
            api.json("POST", "/event-hooks", &body).await
        };
        let first = if body(1)["snooze"].is_string() { Some(post(0).await) } else { None };
        let rest = futures_util::future::join_all((usize::from(first.is_some())..8).map(post)).await;
        let (won, lost): (Vec<_>, Vec<_>) = first.into_iter().chain(rest).partition(|answer| answer.status == 201);
        assert_eq!((won.len(), lost.len()), (1, 7));
        lost.into_iter().for_each(|answer| assert_eq!(answer.is(400).json(), taken));
        assert_eq!(api.gateway.hooks().as_object().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_list_is_no_table() {
    let api = with_hook("a").await;
    let log = [("name", "b"), ("source", "config"), ("handler", "log")];
    for (field, fault) in [("config[0]", "config"), ("config[]", "config"), ("config", "config"), ("retry[1]", "retry")] {
        for (method, path) in [("POST", "/event-hooks"), ("PUT", "/event-hooks/b"), ("PATCH", "/event-hooks/a")] {
            let log = if method == "PATCH" { &log[..0] } else { &log[..] };
            let fields = [log, &[(field, "1")]].concat();
            let answer = api.form(method, path, &fields).await.is(400).json();
            assert_eq!((&answer["code"], &answer["fields"]), (&json!(2), &json!({fault: "expected a table"})), "{answer}");
        }
    }
    let answer = api.json("POST", "/event-hooks", &json!({"source": "config", "handler": "log", "config": ["1", "2"]})).await;
    assert_eq!(answer.is(400).json()["fields"], json!({"config": "expected a table"}));
    // What is below them is the reader's.
    let url = ("config.url", "http://127.0.0.1:1/");
    let hook = [("source", "config"), ("handler", "webhook"), url, ("config.headers[0]", "1")];
    let answer = api.form("POST", "/event-hooks", &hook).await.is(400).json();
    assert!(answer["fields"]["config"]["headers"].is_string(), "{answer}");
    assert_eq!(api.gateway.steps().len(), 2);
}

#[tokio::test]
async fn a_put_replaces_or_creates() {
    let api = with_hook("a").await;
    let old = api.get("/event-hooks/a").await.json();
    let put = api.json("PUT", "/event-hooks/a", &log_hook("a")).await.is(200).json();
    assert_eq!((&put["id"], &put["handler"], &put["snooze"]), (&old["id"], &json!("log"), &Value::Null));
    let mut nameless = log_hook("x");
    nameless.as_object_mut().unwrap().shift_remove("name");
    assert_eq!(api.json("PUT", "/event-hooks/new", &nameless).await.is(200).json()["name"], "new");
    api.json("PUT", "/event-hooks/other", &log_hook("x")).await.is(400);
    api.json("PUT", "/event-hooks/a%20b", &nameless).await.is(400);
    // By an id that there is not yet, and again.
    let path = "/event-hooks/9b2c3c5c-6a0c-4f0e-8f7b-0a3f3f3f3f3f";
    let first = api.json("PUT", path, &nameless).await.is(200).json();
    assert_eq!(first["id"], "9b2c3c5c-6a0c-4f0e-8f7b-0a3f3f3f3f3f");
    let mut again = nameless.clone();
    again["snooze"] = 3.into();
    let second = api.json("PUT", path, &again).await.is(200).json();
    assert_eq!((&second["name"], &second["id"], &second["snooze"]), (&first["name"], &first["id"], &json!(3)));
    api.json("PUT", "/event-hooks/9b2c3c5c-6a0c-4f0e-8f7b-000000000000", &log_hook("a")).await.is(409);
    // A masked secret is no secret.
    let masked = api.json("PUT", "/event-hooks/a", &old).await.is(400).json();
    assert!(masked["fields"]["config"]["secret"].is_string(), "{masked}");
}

#[tokio::test]
async fn a_deleted_hook_is_gone_and_may_be_deleted_again() {
    let api = with_hook("a").await;
    let answer = api.delete("/event-hooks/a").await.is(204);
    assert_eq!(answer.text, "");
    api.get("/event-hooks/a").await.is(404);
    api.delete("/event-hooks/a").await.is(204);
    assert_eq!(api.gateway.steps().len(), 2);
}

#[tokio::test]
async fn a_reference_in_a_request_is_literal() {
    let api = start().await;
    let hook = json!({"source": "rate-limiting-advanced", "handler": "webhook-custom",
        "config": {"url": "http://127.0.0.1:1/", "method": "POST", "payload": {"text": "${file:/etc/passwd} costs ${{ rate }}"}}});
    let made = api.json("POST", "/event-hooks", &hook).await.is(201).json();
    assert_eq!(made["config"]["payload"]["text"], "${file:/etc/passwd} costs ${{ rate }}");
}

#[tokio::test]
async fn a_change_that_cannot_be_made_says_why() {
    let api = with_hook("a").await;
    api.gateway.break_by_hand();
    let broken = api.json("POST", "/event-hooks", &log_hook("b")).await.is(409);
    assert!(
        broken.message().contains("routes.demo.service: there is no service \"dmeo\" (did you mean \"demo\"?)"),
        "{broken:?}"
    );

    let api = with_hook("a").await;
    api.gateway.disk_full();
    assert!(api.json("POST", "/event-hooks", &log_hook("b")).await.is(500).message().contains("no space left"));

    let api = with_hook("a").await;
    api.gateway.read_only();
    for (method, path) in
        [("POST", "/event-hooks"), ("PUT", "/event-hooks/a"), ("PATCH", "/event-hooks/a"), ("DELETE", "/event-hooks/a")]
    {
        let answer = api.json(method, path, &log_hook(if method == "POST" { "b" } else { "a" })).await.is(405);
        assert_eq!(answer.json()["code"], 12);
        assert!(answer.message().contains("write_back"), "{answer:?}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let hooks: String = (0..25).map(|n| format!("[event_hooks.h{n}]\nsource = \"config\"\nhandler = \"log\"\n")).collect();
    let api = start_with(&hooks, None).await;
    let mut names = Vec::new();
    let mut next = Some("/event-hooks?size=10".to_owned());
    while let Some(path) = next {
        let page = api.get(&path).await.is(200).json();
        names.extend(page["data"].as_array().unwrap().iter().map(|hook| hook["name"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
        assert_eq!(page["offset"].is_string(), next.is_some());
    }
    assert_eq!(names, (0..25).map(|n| format!("h{n}")).collect::<Vec<_>>());
    // A page that was begun goes on although the list became shorter meanwhile.
    let next = api.get("/event-hooks/?size=10&x=y").await.json()["next"].as_str().unwrap().to_owned();
    assert!(next.starts_with("/event-hooks?offset="), "{next}");
    api.delete("/event-hooks/h3").await.is(204);
    assert_eq!(api.get(&next).await.json()["data"][0]["name"], "h10");
    api.delete("/event-hooks/h10").await.is(204);
    assert_eq!(api.get(&next).await.json()["data"][0]["name"], "h12");
    for (query, code) in [
        ("size=0", 9),
        ("size=1001", 9),
        ("size=1.5", 9),
        ("size=many", 9),
        ("size=NaN", 9),
        ("offset=%21", 7),
        ("offset=YWJj", 7),
    ] {
        assert_eq!(api.get(&format!("/event-hooks?{query}")).await.is(400).json()["code"], code, "{query}");
    }
}
