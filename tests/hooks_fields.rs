//! Sluice's own fields of a hook: what they do, by what arrives, and that the Admin API takes and shows them.

use serde_json::{Value, json};

use crate::harness::{Behaviour, Gateway, Received, Receiver, eventually, httpbin, run};

/// A route that admits one request a year, one for Joe only, and hooks on what they refuse: each by its name, where it
/// posts, and its further lines.
fn config(upstream: &str, hooks: &[(&str, &Receiver, &str)]) -> String {
    let hooks = hooks.iter().map(|(name, receiver, more)| {
        let url = receiver.url();
        format!("[event_hooks.{name}]\nsource = \"rate-limiting-advanced\"\nevent = \"rate-limit-exceeded\"\nhandler = \"webhook\"\nconfig.url = \"{url}\"\n{more}\n")
    });
    format!(
        "[services.demo]\nurl = \"{upstream}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n[routes.joe]\nservice = \"demo\"\npaths = [\"/joe\"]\n[routes.joe.plugins.key-auth]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\n{}",
        hooks.collect::<String>()
    )
}

const DEMO: (&str, &[(&str, &str)]) = ("/demo", &[]);
const JOE: (&str, &[(&str, &str)]) = ("/joe", &[("apikey", "joe-key")]);

/// Spends the one request of this client, and then is refused this often.
fn exceed(gateway: &Gateway, (path, headers): (&str, &[(&str, &str)]), times: usize) {
    gateway.get(path, headers);
    for _ in 0..times {
        assert_eq!(gateway.get(path, headers).status, 429);
    }
}

/// What the specification demands of the attributes of a CloudEvent 1.0; `data` is taken out before.
fn check_cloudevent(attributes: &serde_json::Map<String, Value>) {
    for required in ["id", "source", "specversion", "type"] {
        assert!(attributes[required].as_str().is_some_and(|text| !text.is_empty()), "{required} in {attributes:?}");
    }
    assert_eq!(attributes["specversion"], "1.0");
    for (name, value) in attributes {
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        assert!(value.is_string() || value.is_boolean() || value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()), "{name}");
    }
    for name in ["time", "firstat", "lastat"] {
        let text = attributes[name].as_str().unwrap();
        // TOML's times are those of RFC 3339; one with date, time and offset is such a time.
        let time: toml::value::Datetime = text.parse().unwrap();
        assert!(time.date.is_some() && time.time.is_some() && time.offset.is_some() && text.contains('T'), "{text}");
    }
}

#[test]
fn a_webhook_may_post_a_cloudevent_in_one_object() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::FailFirst(1, 503)));
    let more = "format = \"cloudevents\"\nretry = { schedule = [\"20ms\"] }";
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &[("hook", &receiver, more)]));
    exceed(&gateway, JOE, 1);
    let received = receiver.wait_for(2);
    for one in &received {
        assert_eq!(one.header("content-type"), "application/cloudevents+json");
        let mut event = one.json().as_object().cloned().unwrap();
        let data = event.shift_remove("data").unwrap();
        check_cloudevent(&event);
        assert_eq!((event["id"].as_str(), &event["count"]), (Some(received[0].header("webhook-id")), &json!(1)));
        assert_eq!(event["type"], "sluice.rate-limiting-advanced.rate-limit-exceeded");
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!((&data["consumer"]["username"], &data["limit"], data.get("count")), (&json!("Joe"), &json!(1), None));
    }
    assert_eq!(received[0].body, received[1].body, "every try is the same event");
}

#[test]
fn a_webhook_may_post_a_cloudevent_in_headers_and_body() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(204)));
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &[("hook", &receiver, "format = \"cloudevents-binary\"")]));
    exceed(&gateway, JOE, 1);
    let received = receiver.wait_for(1).remove(0);
    assert_eq!(received.header("content-type"), "application/json");
    let attributes = received.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("ce-")?;
        Some((name.to_owned(), Value::from(value.to_str().unwrap())))
    });
    let attributes: serde_json::Map<String, Value> = attributes.collect();
    check_cloudevent(&attributes);
    assert!(!attributes.contains_key("datacontenttype"), "in this form it is Content-Type alone");
    assert_eq!((attributes["id"].as_str(), &attributes["count"]), (Some(received.header("webhook-id")), &json!("1")));
    assert_eq!((&received.json()["consumer"]["username"], received.json().get("count")), (&json!("Joe"), None));
}

#[test]
fn one_hook_may_have_the_events_of_several_sources() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let url = receiver.url();
    let hook = format!(
        "[event_hooks.both]\nhandler = \"webhook\"\nconfig.url = \"{url}\"\n\
         events = [{{ source = \"rate-limiting-advanced\", event = \"rate-limit-exceeded\" }}, {{ source = \"config\" }}]\n"
    );
    let gateway = Gateway::start(&(config(&upstream.url("/anything"), &[]) + &hook));
    exceed(&gateway, DEMO, 1);
    let made = r#"{"handler": "log", "source": "config"}"#;
    assert_eq!(gateway.admin("POST", "/event-hooks", made).status, 201);
    let of =
        |one: &Received| (one.json()["source"].as_str().unwrap().to_owned(), one.json()["event"].as_str().unwrap().to_owned());
    let expected = [("rate-limiting-advanced", "rate-limit-exceeded"), ("config", "applied")];
    receiver.wait_until("an event of each", |all| {
        expected.iter().all(|(source, event)| all.iter().any(|one| of(one) == ((*source).to_owned(), (*event).to_owned())))
    });
}

/// A counter of the hook of this place.
fn counter(gateway: &Gateway, hook: usize, name: &str) -> u64 {
    gateway.admin("GET", "/status", "").json()["event_hooks"][hook][name].as_u64().unwrap()
}

fn total(received: &[Received]) -> u64 {
    received.iter().map(Received::count).sum()
}

#[test]
fn a_filter_leaves_out_what_it_does_not_want_and_counts_it() {
    let (upstream, joes, others) = (httpbin(), Receiver::start(Behaviour::Status(200)), Receiver::start(Behaviour::Status(200)));
    let hooks = [
        (
            "joes",
            &joes,
            "filter = { \"consumer.username\" = \"Joe\", \"service.name\" = [\"demo\", \"x\"], ip = { matches = \"127.*\" } }",
        ),
        ("others", &others, "filter.consumer.username = { not = \"Joe\" }"),
    ];
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &hooks));
    exceed(&gateway, JOE, 2);
    exceed(&gateway, DEMO, 3);
    let joes = joes.wait_until("Joe's", |all| total(all) >= 2);
    let others = others.wait_until("the others", |all| total(all) >= 3);
    assert!((total(&joes), total(&others)) == (2, 3));
    assert!(joes.iter().all(|one| one.json()["consumer"]["username"] == "Joe"));
    assert!(others.iter().all(|one| one.json()["consumer"] == json!({})));
    assert_eq!((counter(&gateway, 0, "filtered"), counter(&gateway, 1, "filtered")), (3, 2));
    assert_eq!((counter(&gateway, 0, "matched"), counter(&gateway, 1, "matched")), (5, 5));
}

#[test]
fn a_digest_is_one_webhook_at_once_and_one_at_its_end() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &[("digest", &receiver, "digest = \"1s\"")]));
    exceed(&gateway, JOE, 1);
    let at_once = receiver.wait_for(1).remove(0);
    assert_eq!((at_once.count(), &at_once.json()["consumer"]["username"]), (1, &json!("Joe")));
    exceed(&gateway, JOE, 4);
    exceed(&gateway, DEMO, 3);
    let received = receiver.wait_until("every rejection of both", |all| total(all) >= 9);
    assert_eq!(total(&received), 9);
    let of = |who: &Value| received.iter().filter(|one| &one.json()["consumer"] == who).map(Received::count).sum::<u64>();
    assert_eq!((of(&at_once.json()["consumer"]), of(&json!({}))), (5 + 1, 3));
    assert!(received.len() < 9, "they were gathered: {}", received.len());
    let summary = received.iter().max_by_key(|one| one.count()).unwrap().json();
    assert!(summary["first_at"].as_u64() <= summary["last_at"].as_u64());
}

#[test]
fn what_a_digest_gathered_is_told_after_a_change_of_the_hook_and_after_a_stop() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &[("digest", &receiver, "digest = \"1h\"")]));
    exceed(&gateway, DEMO, 5);
    receiver.wait_for(1);
    eventually("the others are gathered", || (counter(&gateway, 0, "waiting") == 4).then_some(()));
    assert_eq!(gateway.admin("PATCH", "/event-hooks/digest", r#"{"digest": "2h"}"#).status, 200);
    let received = receiver.wait_for(2);
    assert_eq!(received.iter().map(Received::count).collect::<Vec<_>>(), [1, 4]);
    exceed(&gateway, DEMO, 2);
    // The one that is admitted is over, so all three are refused; the first of them is told at once.
    receiver.wait_for(3);
    eventually("the others are gathered", || (counter(&gateway, 0, "waiting") == 2).then_some(()));
    let gateway = gateway.restart();
    eventually("they wait still", || (counter(&gateway, 0, "waiting") == 2).then_some(()));
    // Without a digest they wait for the end of the time that they were gathered for.
    assert_eq!(gateway.admin("PATCH", "/event-hooks/digest", r#"{"digest": null}"#).status, 200);
    assert_eq!((counter(&gateway, 0, "waiting"), total(&receiver.received())), (2, 6));
}

#[test]
fn a_rate_makes_webhooks_wait_and_loses_none() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &[("slow", &receiver, "rate = 0.001")]));
    exceed(&gateway, DEMO, 10);
    eventually("one is told and nine wait", || {
        let told = ["delivered", "waiting", "dropped"].map(|name| counter(&gateway, 0, name));
        (told == [1, 9, 0]).then_some(())
    });
    assert_eq!(gateway.admin("PATCH", "/event-hooks/slow", r#"{"rate": 50}"#).status, 200);
    let received = receiver.wait_until("every rejection", |all| total(all) >= 10);
    assert_eq!((total(&received), received.len()), (10, 10));
}

#[test]
fn the_schema_knows_the_fields() {
    let schema: Value = serde_json::from_str(&run(env!("CARGO_BIN_EXE_sluice"), &["schema"])).unwrap();
    let hook = &schema["properties"]["event_hooks"]["additionalProperties"];
    for field in ["events", "filter", "digest", "format", "rate"] {
        assert!(hook["properties"][field].is_object(), "{field}");
    }
    assert_eq!(hook["required"], json!(["handler"]));
    assert!(schema["$defs"]["condition"]["anyOf"].is_array());
}
