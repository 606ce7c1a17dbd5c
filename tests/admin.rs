//! The Admin API of the running gateway.

use serde_json::json;

use crate::harness::{Behaviour, Gateway, Receiver, Request, httpbin, request};

const HOOK: &str = r#"{"name":"api","source":"rate-limiting-advanced","event":"rate-limit-exceeded","handler":"log"}"#;

#[test]
fn a_hook_registered_here_is_in_the_file_and_survives_a_restart() {
    let comment = "# a comment that stays\n[event_hooks.console] # and this one\nsource   = \"rate-limiting-advanced\"\nhandler = \"log\"\n";
    let gateway = Gateway::start(comment);
    let before = gateway.config_text();
    let created = gateway.admin("POST", "/event-hooks", HOOK);
    assert_eq!(created.status, 201, "{}", created.body);
    let text = gateway.config_text();
    assert!(text.starts_with(&before), "everything else stays byte for byte:\n{text}");
    assert!(text.contains("[event_hooks.api]"), "{text}");
    let gateway = gateway.restart();
    let hooks = gateway.admin("GET", "/event-hooks", "").json();
    let names: Vec<_> = hooks["data"].as_array().unwrap().iter().map(|hook| hook["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["console", "api"]);
    assert_eq!(hooks["data"][1]["id"], created.json()["id"]);
    assert_eq!(gateway.admin("PATCH", "/event-hooks/api", r#"{"snooze":7}"#).json()["snooze"], 7);
    assert_eq!(gateway.admin("DELETE", "/event-hooks/api", "").status, 204);
    assert_eq!(gateway.admin("GET", "/event-hooks/api", "").status, 404);
    assert_eq!(gateway.config_text(), before);
}

#[test]
fn a_hand_edit_is_not_lost_while_the_api_writes() {
    let gateway = Gateway::start("[event_hooks.a]\nsource = \"config\"\nhandler = \"log\"\n");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let gateway = &gateway;
        let patching = scope.spawn(|| {
            let mut patches = 0_u64;
            let until = std::time::Instant::now() + 2 * crate::harness::DEADLINE;
            while !done.load(std::sync::atomic::Ordering::SeqCst) && std::time::Instant::now() < until {
                patches += 1;
                let answer = gateway.admin("PATCH", "/event-hooks/a", &json!({ "snooze": patches }).to_string());
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
            patches
        });
        for n in 0..30 {
            let before = gateway.version();
            gateway.edit_by_rename(|text| format!("{text}# by hand {n}\n"));
            crate::harness::eventually("a patch comes on top of it", || (gateway.version() > before + 1).then_some(()));
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert!(patching.join().unwrap() > 30);
    });
    let text = gateway.config_text();
    let lost: Vec<usize> = (0..30).filter(|n| !text.contains(&format!("# by hand {n}\n"))).collect();
    assert_eq!(lost, Vec::<usize>::new(), "{text}");
    let shown = gateway.admin("GET", "/event-hooks/a", "").json()["snooze"].as_u64().unwrap();
    assert!(text.contains(&format!("snooze = {shown}\n")), "the file says what is in force: {shown}\n{text}");
}

#[test]
fn a_bad_hook_is_refused_with_the_field_named_and_changes_nothing() {
    let gateway = Gateway::start("");
    let before = gateway.config_text();
    let check = |body: serde_json::Value, field: &str, message: &str| {
        let answer = gateway.admin("POST", "/event-hooks", &body.to_string());
        let error = answer.json();
        assert_eq!(
            (answer.status, error["code"].as_u64(), error["name"].as_str()),
            (400, Some(2), Some("schema violation")),
            "{error}"
        );
        let named = field.split('.').fold(&error["fields"], |fields, key| &fields[key]);
        assert!(named.as_str().is_some_and(|text| text.contains(message)), "{field}: {message} in {error}");
        assert!(error["message"].as_str().unwrap().starts_with("schema violation ("), "{error}");
    };
    let hook = |key: &str, value: serde_json::Value| {
        let mut hook = json!({
            "source": "rate-limiting-advanced", "event": "rate-limit-exceeded", "handler": "webhook-custom",
            "config": { "url": "http://127.0.0.1:1/", "method": "POST", "payload": { "text": "x" } }
        });
        match key.strip_prefix("config.") {
            Some(key) => hook["config"][key] = value,
            None => hook[key] = value,
        }
        hook
    };
    check(hook("source", json!("nobody")), "source", "nobody");
    check(hook("event", json!("rate-limit-exceded")), "event", "did you mean \"rate-limit-exceeded\"?");
    check(hook("handler", json!("smtp")), "handler", "smtp");
    check(hook("config.url", json!("no url")), "config.url", "invalid url");
    check(hook("config.payload", json!({ "text": "{{ consumer.usrname }}" })), "config.payload.text", "usrname");
    check(hook("config.payload", json!({ "text": "{{ open" })), "config.payload.text", "");
    check(hook("config.nothing", json!(1)), "config.nothing", "unknown");
    check(hook("snooze", json!("soon")), "snooze", "whole number");
    assert_eq!(gateway.config_text(), before);
    assert_eq!(gateway.version(), 1);
}

#[test]
fn a_token_is_asked_for_if_there_is_one() {
    let gateway = Gateway::start_with("", "token = \"s3cret\"");
    let status = |headers: &[(&str, &str)]| {
        request(gateway.admin, &Request { method: "GET", path: "/event-hooks", headers, body: "" }).status
    };
    assert_eq!(status(&[]), 401);
    assert_eq!(status(&[("Kong-Admin-Token", "s3cre")]), 401);
    assert_eq!(status(&[("Kong-Admin-Token", "s3cret")]), 200);
    assert_eq!(status(&[("Authorization", "Bearer s3cret")]), 200);
}

#[test]
fn without_write_back_hooks_are_only_shown() {
    let gateway = Gateway::start_with("[event_hooks.a]\nsource = \"config\"\nhandler = \"log\"\n", "write_back = false");
    assert_eq!(gateway.admin("POST", "/event-hooks", HOOK).status, 405);
    assert_eq!(gateway.admin("GET", "/event-hooks/a", "").json()["source"], "config");
}

#[test]
fn what_there_is_can_be_listed_and_secrets_are_not_shown() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let config = format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n[consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n\
         [services.demo.plugins.key-auth]\n[event_hooks.a]\nsource = \"config\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\nconfig.secret = \"hush-hush\"\n",
        upstream.url("/anything"),
        receiver.url()
    );
    let gateway = Gateway::start(&config);
    let list = |path: &str| gateway.admin("GET", path, "").json()["data"].clone();
    assert_eq!(list("/services")[0]["name"], "demo");
    assert_eq!(list("/services")[0]["port"].as_u64(), Some(u64::from(upstream.address.port())));
    assert_eq!(list("/routes")[0]["service"]["id"], list("/services")[0]["id"]);
    assert_eq!(list("/consumers")[0]["username"], "Joe");
    assert_eq!(list("/plugins")[0]["name"], "key-auth");
    assert_eq!(gateway.admin("GET", "/services/demo", "").json()["id"], list("/services")[0]["id"]);
    let fields =
        &gateway.admin("GET", "/event-hooks/sources/rate-limiting-advanced/rate-limit-exceeded", "").json()["data"]["fields"];
    assert!(fields.as_array().unwrap().contains(&json!("consumer")));
    for path in ["/event-hooks", "/event-hooks/a", "/consumers", "/plugins"] {
        let body = gateway.admin("GET", path, "").body;
        assert!(!body.contains("hush-hush") && !body.contains("joe-key"), "{path}: {body}");
    }
    gateway.edit_by_rename(|text| text.replace("secret = \"hush-hush\"", "secrt = \"hush-hush\""));
    gateway.wait_for_log("did you mean \"secret\"?");
    // The hook hears of the refusal, and nothing of the secret.
    let told = receiver.wait_for(1).remove(0);
    assert_eq!(told.json()["event"], "rejected");
    assert!(!String::from_utf8_lossy(&told.body).contains("hush-hush"));
}
