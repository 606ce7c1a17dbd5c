//! Hooks: what arrives when a limit is exceeded, and that nothing of it slows or fails a request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Behaviour, Gateway, Received, Receiver, Server, eventually, free_address, httpbin, run};

/// A route that admits one request a year, and these hooks.
fn config(upstream: &Server, hooks: &str) -> String {
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n[routes.joe]\nservice = \"demo\"\npaths = [\"/joe\"]\n[routes.joe.plugins.key-auth]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\n{hooks}",
        upstream.url("/anything")
    )
}

fn webhook(name: &str, url: &str, more: &str) -> String {
    format!(
        "[event_hooks.{name}]\nsource = \"rate-limiting-advanced\"\nevent = \"rate-limit-exceeded\"\nhandler = \"webhook\"\n{more}\n\
         config.url = \"{url}\"\n"
    )
}

/// Spends the one request, and then is refused this often.
fn exceed(gateway: &Gateway, path: &str, headers: &[(&str, &str)], times: usize) {
    gateway.get(path, headers);
    for _ in 0..times {
        assert_eq!(gateway.get(path, headers).status, 429);
    }
}

fn total(received: &[Received]) -> u64 {
    received.iter().map(Received::count).sum()
}

#[test]
fn the_two_commands_of_the_article_register_hooks_that_fire() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let gateway = Gateway::start(&config(&upstream, ""));
    let hooks = format!("http://{}/event-hooks", gateway.admin);
    let post = |data: &[&str]| {
        let mut args = vec!["-sS", "-w", "\n%{http_code}", "-X", "POST", &hooks, "-H", "Kong-Admin-Token: kong"];
        let both = ["source=rate-limiting-advanced", "event=rate-limit-exceeded"];
        both.iter().chain(data).for_each(|one| args.extend(["--data", one]));
        let answer = run("curl", &args);
        let (entity, status) = answer.split_once('\n').unwrap();
        assert_eq!(status, "201", "{entity}");
        serde_json::from_str::<serde_json::Value>(entity).unwrap()
    };
    let text = "config.payload.text=Rate limit exceeded by username '{{ consumer.username }}' on service '{{ service.name }}' (on server owned by ubuntu)";
    let url = format!("config.url={}", receiver.url());
    let custom = ["handler=webhook-custom", "config.method=POST", "config.headers.content-type=application/json", text, &url];
    let entity = post(&custom);
    assert_eq!(entity["handler"], "webhook-custom");
    assert_eq!(entity["config"]["headers"]["content-type"], "application/json");
    assert!(entity["id"].is_string() && entity["created_at"].is_u64() && entity["snooze"].is_null());
    assert_eq!(post(&["handler=log"])["config"], serde_json::json!({}));

    exceed(&gateway, "/joe", &[("apikey", "joe-key")], 1);
    let received = receiver.wait_for(1);
    assert_eq!(received[0].method, "POST");
    assert_eq!(received[0].header("content-type"), "application/json");
    let expected = "Rate limit exceeded by username 'Joe' on service 'demo' (on server owned by ubuntu)";
    assert_eq!(received[0].json(), serde_json::json!({ "text": expected }));
    let line = gateway.wait_for_log("\"log callback: \"");
    let expected = [
        "\"rate-limit-exceeded\"",
        "\"rate-limiting-advanced\"",
        "\"username\":\"Joe\"",
        "\"ip\":\"127.0.0.1\"",
        "\"limit\":1",
        "\"rate\":2",
        "\"window\":\"year\"",
        "\"name\":\"demo\"",
        "\"path\":\"/anything\"",
        "\"read_timeout\":60000",
    ];
    for part in expected {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_webhook_posts_kongs_flat_object_and_is_signed() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(204));
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let hook = webhook("hook", &receiver.url(), &format!("secrets = [\"{secret}\"]\nconfig.secret = \"kong-style\""));
    let gateway = Gateway::start(&config(&upstream, &hook));
    exceed(&gateway, "/demo", &[], 1);
    let received = receiver.wait_for(1).remove(0);
    let json = received.json();
    assert_eq!(json["source"], "rate-limiting-advanced");
    assert_eq!(json["event"], "rate-limit-exceeded");
    assert_eq!(json["consumer"], serde_json::json!({}));
    assert_eq!((json["limit"].as_u64(), json["rate"].as_u64(), json["count"].as_u64()), (Some(1), Some(2), Some(1)));
    assert_eq!(json["service"]["name"], "demo");
    assert_eq!(json["route"]["name"], "demo");
    // An independent implementation of Standard Webhooks agrees.
    let verifier = standardwebhooks::Webhook::new(secret).unwrap();
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, received.header(name).parse().unwrap());
    }
    verifier.verify(&received.body, &headers).unwrap();
    assert!(received.header("x-kong-signature").starts_with("sha256="));
}

#[test]
fn a_webhook_signed_with_ed25519_is_verified_by_who_has_the_public_key_only() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(204));
    let seed = [7; 32];
    // An independent implementation, of the curve and of the key's other half.
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    let hook = webhook("hook", &receiver.url(), &format!("secrets = [\"whsk_{}\"]", STANDARD.encode(seed)));
    let gateway = Gateway::start(&config(&upstream, &hook));
    exceed(&gateway, "/demo", &[], 1);
    let received = receiver.wait_for(1).remove(0);
    let signature = STANDARD.decode(received.header("webhook-signature").strip_prefix("v1a,").unwrap()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    let head = format!("{}.{}.", received.header("webhook-id"), received.header("webhook-timestamp"));
    let signed = [head.as_bytes(), &received.body].concat();
    public.verify_strict(&signed, &signature).unwrap();
    assert!(public.verify_strict(&[&signed[..], b" "].concat(), &signature).is_err());
    let other = ed25519_dalek::SigningKey::from_bytes(&[8; 32]).verifying_key();
    assert!(other.verify_strict(&signed, &signature).is_err());
}

#[test]
fn every_rejection_of_a_flood_is_counted_in_some_webhook() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start(&config(&upstream, &webhook("hook", &receiver.url(), "concurrency = 1")));
    let out = run("wrk", &["-t1", "-c32", "-d1s", &format!("http://{}/demo", gateway.proxy)]);
    assert!(out.contains("Non-2xx"), "{out}");
    // What the gateway itself counted is the truth: wrk leaves without hearing the last answers.
    let requests = || gateway.admin("GET", "/status", "").json()["server"]["total_requests"].as_u64().unwrap();
    // wrk leaves while its last requests are on their way: the two numbers meet when those are through, or never.
    let received = eventually("as many told of as were refused", || {
        let received = receiver.received();
        (total(&received) == requests() - 1).then_some(received)
    });
    let refused = total(&received);
    assert!(refused > 500, "{refused}");
    assert!(u64::try_from(received.len()).unwrap() < refused, "a flood of rejections is no flood of webhooks");
}

#[test]
fn receivers_that_behave_badly_fail_no_request_and_delay_no_other_hook() {
    let upstream = httpbin();
    let (hanging, endless, broken) =
        (Receiver::start(Behaviour::Hang), Receiver::start(Behaviour::Endless), Receiver::start(Behaviour::Status(500)));
    let good = Receiver::start(Behaviour::Status(200));
    let hooks = [
        webhook("dead", &format!("http://{}/", free_address()), ""),
        webhook("hanging", &hanging.url(), ""),
        webhook("endless", &endless.url(), ""),
        webhook("broken", &broken.url(), ""),
        webhook("good", &good.url(), ""),
    ];
    let gateway = Gateway::start(&config(&upstream, &hooks.concat()));
    exceed(&gateway, "/demo", &[], 50);
    assert_eq!(total(&good.wait_until("every rejection", |all| total(all) >= 50)), 50);
    hanging.wait_for(1);
    broken.wait_for(1);
    endless.wait_for(1);
}

#[test]
fn a_failed_delivery_is_tried_again_with_the_same_id_and_a_signature_of_its_own() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::FailFirst(2, 503));
    let hook = webhook(
        "hook",
        &receiver.url(),
        "retry = { schedule = [\"50ms\", \"50ms\"] }\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]",
    );
    let gateway = Gateway::start(&config(&upstream, &hook));
    exceed(&gateway, "/demo", &[], 1);
    let received = receiver.wait_for(3);
    let id = received[0].header("webhook-id");
    assert!(!id.is_empty() && received.iter().all(|one| one.header("webhook-id") == id));
    assert!(received.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_millis(40)), "the schedule less its jitter");
    let delivered =
        || gateway.admin("GET", "/status", "").json()["event_hooks"][0]["delivered"].as_u64().filter(|count| *count == 1);
    eventually("the delivery counts as one", delivered);
}

#[test]
fn snooze_and_on_change_swallow_what_is_the_same() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(200));
    let hooks =
        webhook("snoozing", &receiver.url(), "snooze = 1000") + &webhook("all", &receiver.url().replace("hook", "all"), "");
    let gateway = Gateway::start(&config(&upstream, &hooks));
    exceed(&gateway, "/demo", &[], 3);
    exceed(&gateway, "/joe", &[("apikey", "joe-key")], 2);
    let of = |all: &[Received], path: &str| all.iter().filter(|one| one.uri.path() == path).map(Received::count).sum::<u64>();
    let received = receiver
        .wait_until("all of the plain hook, and one a client of the other", |all| of(all, "/all") >= 5 && of(all, "/hook") >= 2);
    assert_eq!((of(&received, "/all"), of(&received, "/hook")), (5, 2));
    let swallowed = gateway.admin("GET", "/status", "").json()["event_hooks"][0]["swallowed"].as_u64();
    assert_eq!(swallowed, Some(3));
}

#[test]
fn values_in_a_payload_need_no_escaping_and_an_anonymous_consumer_prints_empty() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(200));
    let hook = webhook("hook", &receiver.url(), "").replace("\"webhook\"", "\"webhook-custom\"");
    let payload = "config.method = \"PUT\"\nconfig.payload.text = '''{{ consumer.username }}|{{ service.name }}|{{ limit }}|{{ window }}'''\n";
    let quoted = config(&upstream, &(hook + payload))
        .replace("services.demo", "services.'de\"mo'")
        .replace("service = \"demo\"", "service = 'de\"mo'");
    let gateway = Gateway::start(&quoted);
    exceed(&gateway, "/demo", &[], 1);
    let received = receiver.wait_for(1).remove(0);
    assert_eq!(received.method, "PUT");
    assert_eq!(received.json(), serde_json::json!({ "text": "|de\"mo|1|year" }));
}

#[test]
fn what_waits_at_a_stop_is_delivered_after_the_next_start() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::FailFirst(1, 500));
    let gateway = Gateway::start(&config(&upstream, &webhook("hook", &receiver.url(), "retry = { schedule = [\"1h\"] }")));
    exceed(&gateway, "/demo", &[], 1);
    let id = receiver.wait_for(1)[0].header("webhook-id").to_owned();
    eventually("the failure is noted", || {
        gateway.admin("GET", "/status", "").json()["event_hooks"][0]["retried"].as_u64().filter(|n| *n > 0)
    });
    let gateway = gateway.restart();
    // It waits for its hour, but it is there.
    eventually("it waits again", || {
        gateway.admin("GET", "/status", "").json()["event_hooks"][0]["waiting"].as_u64().filter(|n| *n == 1)
    });
    assert!(!id.is_empty());
}
