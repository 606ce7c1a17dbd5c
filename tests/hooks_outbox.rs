//! What becomes of deliveries: they outlive a kill, can be looked at and replayed, and their hooks tried, paused and disabled.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Behaviour, DIES, Gateway, Received, Receiver, WAITS, consumer_hook, eventually, raise, records, texts};

fn ids(received: &[Received]) -> Vec<String> {
    let mut all: Vec<String> = received.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

/// How a hook is, once it is so.
fn status(gateway: &Gateway, hook: &str, state: &str) -> Value {
    eventually(&format!("{hook} is {state}"), || {
        let status = gateway.admin("GET", &format!("/event-hooks/{hook}/status"), "").json();
        (status["state"] == state).then_some(status)
    })
}

#[test]
fn what_waits_when_the_gateway_is_killed_arrives_after_the_next_start_under_the_same_ids() {
    let (failing, hanging) = (Receiver::start(Behaviour::FailFirst(3, 503)), Receiver::start(Behaviour::HangFirst(3)));
    // Those that failed are due at once; those under way are tried as if they had never been.
    let hooks = consumer_hook("failing", &failing.url(), "retry = { schedule = [\"1s\", \"1s\", \"1s\"] }")
        + &consumer_hook("hanging", &hanging.url(), "concurrency = 3");
    let gateway = Gateway::start(&hooks);
    raise(&gateway, "c", 3);
    let before = (ids(&failing.wait_for(3)), ids(&hanging.wait_for(3)));
    assert_eq!((before.0.len(), before.1.len()), (3, 3));
    let gateway = gateway.kill_and_restart();
    let again = |all: &[Received]| ids(&all[3..]).len() == 3;
    let after = (
        failing.wait_until("all again", |all| all.len() > 5 && again(all)),
        hanging.wait_until("all again", |all| all.len() > 5 && again(all)),
    );
    assert_eq!((ids(&after.0[3..]), ids(&after.1[3..])), before);
    for hook in ["failing", "hanging"] {
        records(&gateway, &format!("/event-hooks/{hook}/deliveries?state=delivered"), 3);
    }
}

#[test]
fn deliveries_are_listed_in_pages_and_by_state_and_what_is_asked_wrongly_is_explained() {
    let receiver = Receiver::start(Behaviour::Status(500));
    let gateway =
        Gateway::start(&(consumer_hook("waits", &receiver.url(), WAITS) + &consumer_hook("dies", &receiver.url(), DIES)));
    raise(&gateway, "c", 5);
    let dead = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 5);
    let waiting = records(&gateway, "/event-hooks/waits/deliveries?state=waiting", 5);
    records(&gateway, "/deliveries", 10);
    records(&gateway, "/event-hooks/dies/deliveries?state=delivered", 0);

    let mut path = "/event-hooks/dies/deliveries?size=2&state=dead".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = gateway.admin("GET", &path, "").json();
        pages.push(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(texts(&pages.concat(), "id"), texts(&dead, "id"));

    let id = dead[0]["id"].as_str().unwrap();
    let one = gateway.admin("GET", &format!("/deliveries/{id}"), "").json();
    assert_eq!((one["id"].as_str(), one["state"].as_str(), one["attempts"].as_u64()), (Some(id), Some("dead"), Some(1)), "{one}");
    assert_eq!((&one["tries"][0]["status"], &one["response"]["status"]), (&json!(500), &json!(500)), "{one}");
    assert_eq!(one["data"]["schema"], "consumers", "{one}");
    assert!(dead[0]["data"].is_null() && waiting[0]["next_attempt_at"].is_u64(), "{}", waiting[0]);

    let unknown = format!("msg_{}", "0".repeat(32));
    for (method, path) in [
        ("GET", format!("/deliveries/{unknown}")),
        ("GET", "/deliveries/nonsense".to_owned()),
        ("POST", format!("/deliveries/{unknown}/replay")),
        ("GET", "/event-hooks/nobody/deliveries".to_owned()),
        ("POST", "/event-hooks/nobody/deliveries/replay".to_owned()),
        ("POST", "/event-hooks/nobody/test".to_owned()),
        ("GET", "/event-hooks/nobody/ping".to_owned()),
        ("POST", "/event-hooks/nobody/pause".to_owned()),
        ("GET", "/event-hooks/nobody/status".to_owned()),
    ] {
        assert_eq!(gateway.admin(method, &path, "").status, 404, "{method} {path}");
    }
    let refused = |method: &str, path: &str, body: &str, said: &[&str]| {
        let answer = gateway.admin(method, path, body);
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
        assert!(said.iter().all(|said| answer.json()["message"].as_str().unwrap().contains(said)), "{}", answer.body);
    };
    refused("GET", "/deliveries?state=ded", "", &["`state`", "\"ded\"", "dead"]);
    refused("GET", "/event-hooks/dies/deliveries?since=yesterday", "", &["`since`", "yesterday", "Unix milliseconds"]);
    refused("GET", "/deliveries?size=0", "", &["size"]);
    refused("POST", "/event-hooks/dies/deliveries/replay", r#"{"state": "ded"}"#, &["`state`", "dead"]);
    refused("POST", "/event-hooks/dies/deliveries/replay", r#"{"sinse": 1}"#, &["sinse", "`since`"]);
}

#[test]
fn one_delivery_is_replayed_or_all_of_a_time_under_their_ids() {
    let receiver = Receiver::start(Behaviour::FailFirst(3, 500));
    let gateway = Gateway::start(&consumer_hook("dies", &receiver.url(), DIES));
    raise(&gateway, "c", 3);
    let dead = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 3);
    let id = dead[1]["id"].as_str().unwrap();
    let answer = gateway.admin("POST", &format!("/deliveries/{id}/replay"), "");
    assert_eq!((answer.status, answer.json()["id"].as_str()), (202, Some(id)), "{}", answer.body);
    assert_eq!(receiver.wait_for(4)[3].header("webhook-id"), id);
    let delivered = records(&gateway, "/event-hooks/dies/deliveries?state=delivered", 1);
    assert_eq!((delivered[0]["tries"].as_array().unwrap().len(), delivered[0]["attempts"].as_u64()), (2, Some(1)));

    let replay = |body: Value| {
        let answer = gateway.admin("POST", "/event-hooks/dies/deliveries/replay", &body.to_string());
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()
    };
    assert_eq!(replay(json!({ "until": 1_000 })), json!({ "replayed": 0, "skipped": 0 }));
    assert_eq!(replay(json!({ "since": 1_000 })), json!({ "replayed": 2, "skipped": 0 }));
    let received = receiver.wait_for(6);
    assert_eq!(ids(&received[3..]), texts(&dead, "id"));
    records(&gateway, "/event-hooks/dies/deliveries?state=delivered", 3);
    assert_eq!(replay(json!({ "state": "delivered" }))["replayed"], 3);
    receiver.wait_for(9);
}

#[test]
fn a_hook_is_tried_on_data_or_a_sample_and_its_receiver_pinged() {
    let (receiver, broken) = (Receiver::start(Behaviour::Status(200)), Receiver::start(Behaviour::Status(503)));
    let log = "[event_hooks.log]\nsource = \"crud\"\nhandler = \"log\"\n";
    let gateway =
        Gateway::start(&(consumer_hook("works", &receiver.url(), "") + &consumer_hook("broken", &broken.url(), "") + log));
    let test = |hook: &str, body: &str| {
        let answer = gateway.admin("POST", &format!("/event-hooks/{hook}/test"), body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let tested = test("works", "");
    let received = receiver.wait_for(1).remove(0).json();
    assert_eq!((&tested["data"]["event"], &tested["result"]["status"]), (&json!("consumers"), &json!(200)), "{tested}");
    assert!(tested["result"]["error"].is_null() && tested["result"]["latency"].is_u64(), "{tested}");
    assert_eq!((&received["source"], &received["entity"]), (&json!("crud"), &tested["data"]["entity"]));

    test("works", r#"{"entity": {"username": "Zoe"}}"#);
    assert_eq!(receiver.wait_for(2)[1].json()["entity"], json!({ "username": "Zoe" }));
    let failed = test("broken", "");
    assert_eq!(failed["result"]["status"], 503);
    assert!(failed["result"]["error"].as_str().unwrap().contains("503"), "{failed}");
    assert!(test("log", "")["result"]["error"].is_null());
    gateway.wait_for_log("\"log callback: \"");
    records(&gateway, "/deliveries", 0);

    let answer = gateway.admin("GET", "/event-hooks/works/ping", "");
    let ping = receiver.wait_for(3).remove(2).json();
    assert_eq!((answer.status, answer.json()), (200, ping.clone()));
    assert_eq!((&ping["source"], &ping["event"]), (&json!("kong:event_hooks"), &json!("ping")));
    assert_eq!(ping["event_hooks"]["name"], "works");
    let answer = gateway.admin("GET", "/event-hooks/log/ping", "");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("log"), "{}", answer.body);
}

#[test]
fn a_new_webhook_is_pinged_once() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start("");
    let hook = json!({ "name": "new", "source": "crud", "event": "consumers", "handler": "webhook", "config": { "url": receiver.url() } });
    let made = gateway.admin("POST", "/event-hooks", &hook.to_string());
    assert_eq!(made.status, 201, "{}", made.body);
    let ping = receiver.wait_for(1).remove(0).json();
    let said = [&ping["operation"], &ping["source"], &ping["event"]];
    assert_eq!(said, ["create", "kong:event_hooks", "ping"]);
    assert_eq!((&ping["event_hooks"]["id"], &ping["event_hooks"]["snooze"]), (&made.json()["id"], &Value::Null));
    // What comes next is no second ping, nor is it a record.
    raise(&gateway, "c", 1);
    assert_eq!(receiver.wait_for(2)[1].json()["event"], "consumers");
    let delivered = records(&gateway, "/deliveries", 1);
    assert_eq!((receiver.received().len(), &delivered[0]["event"]), (2, &json!("consumers")));
}

#[test]
fn a_paused_hook_lets_wait_what_comes_over_a_restart_and_until_it_is_resumed() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start(
        &(consumer_hook("paused", &receiver.url(), "") + &consumer_hook("other", &receiver.url().replace("hook", "other"), "")),
    );
    let paused = gateway.admin("POST", "/event-hooks/paused/pause", "");
    assert_eq!((paused.status, &paused.json()["state"]), (200, &json!("paused")));
    raise(&gateway, "c", 2);
    receiver.wait_for(2);
    let gateway = gateway.restart();
    assert_eq!(status(&gateway, "paused", "paused")["waiting"], 2);
    let gateway = gateway.kill_and_restart();
    let waiting = records(&gateway, "/event-hooks/paused/deliveries?state=waiting", 2);
    assert_eq!(status(&gateway, "paused", "paused")["waiting"], 2);
    assert!(receiver.received().iter().all(|one| one.uri.path() == "/other"));
    assert_eq!(gateway.admin("POST", "/event-hooks/paused/resume", "").json()["state"], "active");
    let received = receiver.wait_for(4);
    assert_eq!(ids(&received[2..]), texts(&waiting, "id"));
    let gateway = gateway.restart();
    status(&gateway, "paused", "active");
}

#[test]
fn a_receiver_that_is_gone_disables_its_hook_and_others_are_told() {
    let (gone, told) = (Receiver::start(Behaviour::Status(410)), Receiver::start(Behaviour::Status(200)));
    let watch = format!(
        "[event_hooks.watch]\nsource = \"event-hooks\"\nevent = \"disabled\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
        told.url()
    );
    let gateway = Gateway::start(&(consumer_hook("gone", &gone.url(), "") + &watch));
    eventually("the outbox is open", || (gateway.admin("GET", "/status", "").json()["outbox"]["state"] == "ok").then_some(()));
    raise(&gateway, "c", 1);
    let report = told.wait_for(1).remove(0).json();
    assert_eq!(
        (&report["source"], &report["event"], &report["hook"]["name"]),
        (&json!("event-hooks"), &json!("disabled"), &json!("gone"))
    );
    assert!(report["reason"].as_str().unwrap().contains("410") && report["since"].is_u64(), "{report}");
    let all = gateway.admin("GET", "/status", "").json();
    assert_eq!((&all["event_hooks"][0]["state"], &all["outbox"]["degraded"]), (&json!("disabled"), &json!(0)), "{all}");
    assert!(all["event_hooks"][0]["reason"].as_str().unwrap().contains("410"), "{all}");
    let dead = records(&gateway, "/event-hooks/gone/deliveries?state=dead", 1);
    let replay = format!("/deliveries/{}/replay", dead[0]["id"].as_str().unwrap());
    let answer = gateway.admin("POST", &replay, "");
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("resume"), "{}", answer.body);
    // It stays so over a restart.
    let gateway = gateway.restart();
    status(&gateway, "gone", "disabled");
    assert_eq!(gateway.admin("POST", "/event-hooks/gone/resume", "").json()["state"], "active");
    assert_eq!(gateway.admin("POST", &replay, "").status, 202);
    gone.wait_for(2);
}

#[test]
fn secrets_are_in_no_answer_and_not_in_the_outbox() {
    let (works, gone) = (Receiver::start(Behaviour::Status(500)), Receiver::start(Behaviour::Status(200)));
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "kong-hush-hush", "Bearer hush-header", "hush-credential"];
    let more = format!(
        "secrets = [\"{}\"]\nconfig.secret = \"{}\"\nconfig.headers = {{ authorization = \"{}\" }}\n",
        secrets[0], secrets[1], secrets[2]
    );
    let hooks = consumer_hook("dies", &works.url(), &(more.clone() + DIES)) + &consumer_hook("good", &gone.url(), &more);
    let gateway = Gateway::start(&hooks.replace("event = \"consumers\"\n", ""));
    let consumer = format!("[consumers.Joe]\nkey-auth = [{{ key = \"{}\" }}]\n", secrets[3]);
    gateway.edit_by_rename(|text| text.to_owned() + &consumer);
    works.wait_for(2);
    let id = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 2)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.admin("POST", "/event-hooks/good/pause", "").status, 200);
    for (method, path) in [
        ("GET", "/deliveries".to_owned()),
        ("GET", format!("/deliveries/{id}")),
        ("GET", "/event-hooks/dies/deliveries".to_owned()),
        ("GET", "/event-hooks/dies/status".to_owned()),
        ("GET", "/event-hooks/good/ping".to_owned()),
        ("POST", "/event-hooks/good/test".to_owned()),
        ("POST", format!("/deliveries/{id}/replay")),
        ("POST", "/event-hooks/dies/deliveries/replay".to_owned()),
        ("GET", "/status".to_owned()),
    ] {
        let answer = gateway.admin(method, &path, "");
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        assert!(secrets.iter().all(|secret| !answer.body.contains(secret)), "{method} {path}: {}", answer.body);
    }
    let mut found = 0;
    for entry in std::fs::read_dir(gateway.state_dir()).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            // The socket for a successor.
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} in {}", path.display());
        }
        if path.file_name().unwrap().to_str().unwrap().starts_with("outbox.db") {
            found += 1;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }
    assert!(found >= 1);
}
