//! Sluice's own fields of a hook: taken as JSON and as a form, shown, changed, taken out, and refused at their names.

use serde_json::{Value, json};

use crate::client::{Api, start, start_with};

/// A hook that posts, as JSON, with these fields more.
fn hook(more: &Value) -> Value {
    let mut hook =
        json!({"name": "a", "source": "rate-limiting-advanced", "handler": "webhook", "config": {"url": "http://127.0.0.1:1/"}});
    more.as_object().into_iter().flatten().for_each(|(key, value)| hook[key] = value.clone());
    hook
}

/// The same as a form.
async fn post_form(api: &Api, more: &[(&str, &str)]) -> Value {
    let fields =
        [("name", "a"), ("source", "rate-limiting-advanced"), ("handler", "webhook"), ("config.url", "http://127.0.0.1:1/")];
    api.form("POST", "/event-hooks", &[&fields[..], more].concat()).await.is(201).json()
}

/// The fields at fault when this is asked for.
async fn refused(more: Value) -> Value {
    let api = start().await;
    let answer = api.json("POST", "/event-hooks", &hook(&more)).await.is(400).json();
    assert_eq!((&answer["code"], &answer["name"]), (&json!(2), &json!("schema violation")), "{answer}");
    answer["fields"].clone()
}

/// A field as JSON, how the file has it then, and that null takes it out.
async fn comes_and_goes(field: &str, value: Value, shown: Value, without: Value) {
    let api = start().await;
    let made = api.json("POST", "/event-hooks", &hook(&json!({ field: value }))).await.is(201).json();
    assert_eq!((&made[field], &api.gateway.hooks()["a"][field]), (&shown, &value));
    let steps = api.gateway.steps().len();
    api.json("PATCH", "/event-hooks/a", &json!({ field: shown })).await.is(200);
    assert_eq!(api.gateway.steps().len(), steps, "what is so already is not written");
    let patched = api.json("PATCH", "/event-hooks/a", &json!({ field: null })).await.is(200).json();
    assert_eq!((&patched[field], api.gateway.hooks()["a"].get(field)), (&without, None));
    api.json("PATCH", "/event-hooks/a", &json!({ field: value })).await.is(200);
    assert_eq!(api.gateway.hooks()["a"][field], value);
}

#[tokio::test]
async fn a_format_comes_and_goes() {
    comes_and_goes("format", json!("cloudevents"), json!("cloudevents"), json!("kong")).await;
    assert_eq!(post_form(&start().await, &[("format", "cloudevents-binary")]).await["format"], "cloudevents-binary");
    let fields = refused(json!({"format": "cloudevent"})).await;
    assert!(fields["format"].as_str().unwrap().contains("did you mean \"cloudevents\"?"), "{fields}");
    let fields = refused(json!({"format": "kong", "handler": "log", "config": {}})).await;
    assert!(fields["format"].as_str().unwrap().contains("\"webhook\""), "{fields}");
}

#[tokio::test]
async fn a_filter_comes_and_goes() {
    let filter = json!({"consumer.username": ["Joe", "Ann"], "ip": {"matches": "10.*"}, "limit": 3});
    comes_and_goes("filter", filter.clone(), filter, Value::Null).await;
    let form = [
        ("filter.consumer.username[]", "Joe"),
        ("filter.consumer.username[]", "Ann"),
        ("filter.ip.not", "::1"),
        ("filter.limit", "3"),
    ];
    let made = post_form(&start().await, &form).await;
    assert_eq!(made["filter"], json!({"consumer.username": ["Joe", "Ann"], "ip": {"not": "::1"}, "limit": "3"}));
    let fields = refused(json!({"filter": {"consumer": {"usernme": "Joe"}, "ip": {"match": "1"}, "limit": []}})).await;
    assert!(fields["filter"]["consumer.usernme"].as_str().unwrap().contains("did you mean \"username\"?"), "{fields}");
    assert!(fields["filter"]["ip.match"].as_str().unwrap().contains("did you mean \"matches\"?"), "{fields}");
    assert!(fields["filter"]["limit"].is_string(), "{fields}");
    assert_eq!(refused(json!({"filter": ["ip"]})).await, json!({"filter": "expected a table"}));
    let fields = refused(json!({"filter": {"ip": "1", "consumer.id": "1", "consumer": {"id": "2"}}})).await;
    assert!(fields["filter"]["consumer.id"].as_str().unwrap().contains("in two ways"), "{fields}");
}

#[tokio::test]
async fn a_patch_finds_the_fields_of_a_filter_however_they_are_written() {
    let file = "[event_hooks.a]\nsource = \"rate-limiting-advanced\"\nhandler = \"log\"\nfilter.consumer.username = \"Joe\"\nfilter.\"service.name\" = \"demo\"\n";
    let api = start_with(file, None).await;
    let shown = api.get("/event-hooks/a").await.is(200).json()["filter"].clone();
    assert_eq!(shown, json!({"consumer.username": "Joe", "service.name": "demo"}));
    let changes = json!({"filter": {"consumer.username": "Ann", "service": {"name": null}, "ip": "::1"}});
    let patched = api.json("PATCH", "/event-hooks/a", &changes).await.is(200).json();
    assert_eq!(patched["filter"], json!({"consumer.username": "Ann", "ip": "::1"}));
    assert_eq!(api.gateway.hooks()["a"]["filter"], json!({"consumer": {"username": "Ann"}, "ip": "::1"}));
    let patched = api.form("PATCH", "/event-hooks/a", &[("filter.consumer.username", "")]).await.is(200).json();
    assert_eq!(patched["filter"], json!({"ip": "::1"}));
}

#[tokio::test]
async fn events_stand_in_the_place_of_source_and_event() {
    let api = start().await;
    let events =
        json!([{"source": "rate-limiting-advanced", "event": "rate-limit-exceeded"}, {"source": "config", "event": null}]);
    let written = json!([{"source": "rate-limiting-advanced", "event": "rate-limit-exceeded"}, {"source": "config"}]);
    let made = api.json("POST", "/event-hooks", &json!({"handler": "log", "events": events})).await.is(201).json();
    assert_eq!((&made["events"], &made["source"], &made["event"]), (&events, &Value::Null, &Value::Null));
    let name = made["name"].as_str().unwrap();
    assert!(name.starts_with("log-rate-limiting-advanced-"), "{name}");
    assert_eq!(api.gateway.hooks()[name]["events"], written);
    let path = format!("/event-hooks/{name}");
    assert_eq!(api.json("PATCH", &path, &made).await.is(200).json(), made);
    assert_eq!(api.gateway.steps().len(), 1, "what was read and is sent back is not written");
    let changes = json!({"source": "config", "event": "applied", "events": null});
    let patched = api.json("PATCH", &path, &changes).await.is(200).json();
    assert_eq!((&patched["events"], &patched["event"]), (&Value::Null, &json!("applied")));
    let answer = api.json("PATCH", &path, &json!({"events": events})).await.is(400).json();
    assert_eq!(answer["fields"].as_object().unwrap().keys().collect::<Vec<_>>(), ["source", "event"], "{answer}");
    api.json("PATCH", &path, &json!({"events": events, "source": null, "event": null})).await.is(200);
    let form =
        [("handler", "log"), ("events[1].source", "config"), ("events[1].event", "applied"), ("events[2].source", "limits")];
    let made = api.form("POST", "/event-hooks", &form).await.is(201).json();
    assert_eq!(made["events"], json!([{"source": "config", "event": "applied"}, {"source": "limits", "event": null}]));
}

#[tokio::test]
async fn events_are_refused_at_their_places() {
    let api = start().await;
    let refused = async |hook: Value| api.json("POST", "/event-hooks", &hook).await.is(400).json()["fields"].clone();
    let missing = "required field missing";
    assert_eq!(refused(json!({"handler": "log"})).await, json!({"source": missing}));
    let fields = refused(json!({"handler": "log", "events": [{"source": "config", "evnt": 1}, {"event": "x"}]})).await;
    assert!(fields["events"][0]["evnt"].as_str().unwrap().contains("did you mean \"event\"?"), "{fields}");
    assert_eq!(fields["events"][1]["source"], missing);
    let fields =
        refused(json!({"handler": "log", "events": [{"source": "config", "event": "aplied"}, {"source": "confg"}]})).await;
    assert!(fields["events"][0]["event"].as_str().unwrap().contains("did you mean \"applied\"?"), "{fields}");
    assert!(fields["events"][1]["source"].as_str().unwrap().contains("did you mean \"config\"?"), "{fields}");
    assert!(refused(json!({"handler": "log", "events": []})).await["events"].is_string());
}

#[tokio::test]
async fn a_digest_and_a_rate_come_and_go() {
    comes_and_goes("digest", json!("1m"), json!(60_000), Value::Null).await;
    comes_and_goes("rate", json!(0.5), json!(0.5), Value::Null).await;
    comes_and_goes("rate", json!(5), json!(5), Value::Null).await;
    let made = post_form(&start().await, &[("digest", "1m"), ("rate", "0.5")]).await;
    assert_eq!((&made["digest"], &made["rate"]), (&json!(60_000), &json!(0.5)));
    let made = post_form(&start().await, &[("digest", "60000"), ("rate", "5")]).await;
    assert_eq!((&made["digest"], &made["rate"]), (&json!(60_000), &json!(5)));
    for (field, value, words) in [
        ("digest", json!(60), "write \"60s\" for 60 s"),
        ("digest", json!("soon"), "duration"),
        ("rate", json!(0), "must be from 0.0001"),
        ("rate", json!(-1.5), "must be from 0.0001"),
        ("rate", json!("fast"), "expected a number"),
    ] {
        let fields = refused(json!({ field: value })).await;
        assert!(fields[field].as_str().unwrap().contains(words), "{fields}");
    }
    let fields = refused(json!({"digest": "1m", "snooze": 60})).await;
    assert!(fields["digest"].as_str().unwrap().contains("take one of them out"), "{fields}");
}
