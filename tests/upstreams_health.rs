//! Targets are watched: by what becomes of requests, by asking them, and by people; and hooks are told.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Authority, Behaviour, Gateway, Node, Received, Receiver, eventually, ok, secure_target};

fn config(nodes: &[&Node], upstream: &str) -> String {
    let targets: Vec<String> = nodes.iter().map(|node| format!("\"{}\"", node.address)).collect();
    format!(
        "[services.app]\nurl = \"http://pool\"\n[routes.app]\nservice = \"app\"\npaths = [\"/\"]\n\
         [upstreams.pool]\ntargets = [{}]\n{upstream}\n",
        targets.join(", ")
    )
}

fn hook(receiver: &Receiver) -> String {
    format!(
        "[event_hooks.health]\nsource = \"balancer\"\nevent = \"health\"\nhandler = \"webhook\"\nconcurrency = 1\nconfig.url = \"{}\"\n",
        receiver.url()
    )
}

/// What the Admin API says of each target.
fn health(gateway: &Gateway) -> Vec<String> {
    health_of(gateway, "pool")
}

fn health_of(gateway: &Gateway, upstream: &str) -> Vec<String> {
    let all = gateway.admin("GET", &format!("/upstreams/{upstream}/health"), "").json();
    all["data"].as_array().unwrap().iter().map(|one| one["health"].as_str().unwrap().to_owned()).collect()
}

fn told(receiver: &Receiver, count: usize) -> Vec<(u64, String)> {
    let all = receiver.wait_for(count);
    all.iter()
        .map(Received::json)
        .map(|one| (one["port"].as_u64().unwrap(), one["health"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn a_target_that_fails_requests_is_passed_over_until_somebody_says_otherwise() {
    let (mut one, two) = (Node::start(), Node::start());
    let receiver = Receiver::start(Behaviour::Status(200));
    let passive = "healthchecks.passive.unhealthy.tcp_failures = 2";
    let gateway = Gateway::start(&(config(&[&one, &two], passive) + &hook(&receiver)));
    assert_eq!(health(&gateway), ["HEALTHY", "HEALTHY"]);
    one.kill();
    for _ in 0..10 {
        assert_eq!(gateway.get("/", &[]).status, 200, "a retry finds the other");
    }
    assert_eq!(health(&gateway), ["UNHEALTHY", "HEALTHY"]);
    one.revive();
    let before = one.hits();
    for _ in 0..10 {
        assert_eq!(gateway.get("/", &[("Keep-Alive", "timeout=5")]).status, 200);
    }
    assert_eq!(one.hits(), before, "passive checks alone bring nobody back");
    // A reload changes nothing of that.
    gateway.edit_by_rename(|text| {
        text.replace("[routes.app]", "[routes.more]\nservice = \"app\"\npaths = [\"/more\"]\n[routes.app]")
    });
    eventually("the reload", || (gateway.version() == 2).then_some(()));
    assert_eq!(health(&gateway), ["UNHEALTHY", "HEALTHY"]);
    let put = |path: &str| gateway.admin("PUT", &format!("/upstreams/pool/targets/{path}"), "").status;
    assert_eq!(put(&format!("{}/healthy", one.address)), 204);
    for _ in 0..10 {
        assert_eq!(gateway.get("/", &[]).status, 200);
    }
    assert!(one.hits() > before);
    assert_eq!(put(&format!("{}/{}/unhealthy", two.address, two.address)), 204);
    assert_eq!(put(&format!("{}/unhealthy", two.address)), 204, "said twice, told once");
    assert_eq!(put("10.0.0.1:80/healthy"), 404);
    let before = two.hits();
    assert_eq!(gateway.get("/", &[]).status, 200);
    assert_eq!(two.hits(), before);
    let (first, second) = (u64::from(one.address.port()), u64::from(two.address.port()));
    let expected =
        [(first, "unhealthy"), (first, "healthy"), (second, "unhealthy")].map(|(port, health)| (port, health.to_owned()));
    assert_eq!(told(&receiver, 3), expected);
    let event = receiver.wait_for(1)[0].json();
    assert_eq!((&event["ip"], &event["hostname"], &event["event"]), (&"127.0.0.1".into(), &"127.0.0.1".into(), &"health".into()));
    assert_eq!(event["upstream_id"], gateway.admin("GET", "/upstreams/pool", "").json()["id"]);
    assert_eq!(put(&format!("{}/unhealthy", one.address)), 204);
    for headers in [&[][..], &[("Keep-Alive", "timeout=5")]] {
        let none = gateway.get("/", headers);
        let message = none.json()["message"].as_str().map(str::to_owned);
        assert_eq!((none.status, message.as_deref()), (503, Some("failure to get a peer from the ring-balancer")));
    }
    let whole = gateway.admin("GET", "/upstreams/pool/health?balancer_health=1", "").json();
    assert_eq!(whole["data"]["health"], "UNHEALTHY");
    let metrics = gateway.admin("GET", "/metrics", "").body;
    for node in [&one, &two] {
        let at = node.address;
        let line = format!("sluice_upstream_target_health{{upstream=\"pool\",target=\"{at}\",address=\"{at}\"}} 0");
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
}

#[test]
fn bad_answers_count_as_the_upstream_says() {
    let bad = Node::answering(|_, stream| stream.write_all(b"HTTP/1.1 500 Bad\r\nContent-Length: 3\r\n\r\nbad").is_ok());
    let good = Node::start();
    let gateway = Gateway::start(&config(&[&bad, &good], "healthchecks.passive.unhealthy.http_failures = 3"));
    for round in 0..20 {
        let headers: &[_] = if round % 2 == 0 { &[] } else { &[("Keep-Alive", "timeout=5")] };
        gateway.get("/", headers);
    }
    assert_eq!((bad.hits(), health(&gateway)), (3, vec!["UNHEALTHY".to_owned(), "HEALTHY".to_owned()]));
}

#[test]
fn targets_are_asked_how_they_are() {
    let sick = Arc::new(AtomicBool::new(false));
    let seen = sick.clone();
    let node = Node::answering(move |head, stream| match head.starts_with("GET /status ") {
        true if !head.to_ascii_lowercase().contains("x-check: yes") => ok(stream, "who asks?"),
        true if seen.load(Ordering::SeqCst) => stream.write_all(b"HTTP/1.1 503 Sick\r\nContent-Length: 0\r\n\r\n").is_ok(),
        _ => ok(stream, "fine"),
    });
    let mut other = Node::start();
    let receiver = Receiver::start(Behaviour::Status(200));
    let active = "[upstreams.pool.healthchecks.active]\nhttp_path = \"/status\"\nheaders.x-check = [\"yes\"]\n\
                  healthy = { interval = 0.05, successes = 2 }\nunhealthy = { interval = 0.05, http_failures = 2, tcp_failures = 1 }\n";
    let gateway = Gateway::start(&(config(&[&node, &other], active) + &hook(&receiver)));
    let is = |expected: [&str; 2]| eventually("the health", || (health(&gateway) == expected).then_some(()));
    is(["HEALTHY", "HEALTHY"]);
    sick.store(true, Ordering::SeqCst);
    is(["UNHEALTHY", "HEALTHY"]);
    sick.store(false, Ordering::SeqCst);
    is(["HEALTHY", "HEALTHY"]);
    other.kill();
    is(["HEALTHY", "UNHEALTHY"]);
    other.revive();
    is(["HEALTHY", "HEALTHY"]);
    let (first, second) = (u64::from(node.address.port()), u64::from(other.address.port()));
    let expected = [(first, "unhealthy"), (first, "healthy"), (second, "unhealthy"), (second, "healthy")];
    assert_eq!(told(&receiver, 4), expected.map(|(port, health)| (port, health.to_owned())));
}

#[test]
fn a_target_may_be_asked_for_a_connection_alone() {
    let mut node = Node::answering(|_, stream| stream.write_all(b"HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n").is_ok());
    let receiver = Receiver::start(Behaviour::Status(200));
    let active = "[upstreams.pool.healthchecks.active]\ntype = \"tcp\"\nhealthy = { interval = 0.05, successes = 2 }\n\
                  unhealthy = { interval = 0.05, tcp_failures = 2, http_failures = 1 }\n";
    let gateway = Gateway::start(&(config(&[&node], active) + &hook(&receiver)));
    let is = |expected: &str| eventually("the health", || (health(&gateway) == [expected]).then_some(()));
    for _ in 0..2 {
        node.kill();
        is("UNHEALTHY");
        assert_eq!(gateway.get("/", &[]).status, 503);
        node.revive();
        is("HEALTHY");
        assert_eq!(gateway.get("/", &[]).status, 500, "what it answers is not asked");
    }
    let port = u64::from(node.address.port());
    let expected = ["unhealthy", "healthy", "unhealthy", "healthy"].map(|health| (port, health.to_owned()));
    assert_eq!(told(&receiver, 4), expected);
}

/// A service of this name with an upstream and a route of this name.
fn secure(name: &str, target: SocketAddr, service: &str, (upstream, active): (&str, &str)) -> String {
    format!(
        "[services.{name}]\nurl = \"https://{name}\"\nretries = 0\n{service}\n[routes.{name}]\nservice = \"{name}\"\npaths = [\"/{name}\"]\n\
         [upstreams.{name}]\ntargets = [\"{target}\"]\n{upstream}\n[upstreams.{name}.healthchecks.active]\ntype = \"https\"\n{active}\n\
         healthy = {{ interval = 0.05, successes = 2 }}\nunhealthy = {{ interval = 0.05, tcp_failures = 1, http_failures = 1 }}\n"
    )
}

#[test]
fn targets_behind_tls_are_asked_as_their_service_would_ask() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let sick = Arc::new(AtomicBool::new(false));
    let answer = || {
        let sick = sick.clone();
        move |sni: Option<&str>| match sni {
            _ if sick.load(Ordering::SeqCst) => 503,
            Some("inner.example") => 200,
            _ => 500,
        }
    };
    let inner = ca.issue(&["inner.example"]);
    let (open, mutual) = (secure_target(inner.server(None), answer()), secure_target(inner.server(Some(&clients)), answer()));
    let (trusting, showing) = ("ca_certificates = [\"ca\"]", "ca_certificates = [\"ca\"]\nclient_certificate = \"me\"");
    let sni = "https_sni = \"inner.example\"";
    let blind = "https_verify_certificate = false";
    let config = [
        secure("named", open, trusting, ("", sni)),
        secure("hosted", open, trusting, ("host_header = \"inner.example:8443\"", "")),
        secure("blind", open, "", ("", &format!("{sni}\n{blind}"))),
        secure("mutual", mutual, showing, ("", sni)),
        secure("stranger", open, "", ("", sni)),
        secure("misnamed", open, trusting, ("", "")),
        secure("nameless", open, trusting, ("", blind)),
        secure("nobody", mutual, trusting, ("", sni)),
        format!("[ca_certificates.ca]\ncert = \"\"\"\n{}\"\"\"\n", ca.pem),
        clients.issue(&["me"]).table("me", ""),
    ];
    let gateway = Gateway::start(&config.concat());
    let is = |name: &str, expected: &str| eventually(name, || (health_of(&gateway, name) == [expected]).then_some(()));
    for name in ["stranger", "misnamed", "nameless", "nobody"] {
        is(name, "UNHEALTHY");
    }
    let good = ["named", "hosted", "blind", "mutual"];
    for _ in 0..2 {
        good.iter().for_each(|name| is(name, "HEALTHY"));
        assert_eq!(gateway.get("/hosted", &[]).status, 200);
        sick.store(true, Ordering::SeqCst);
        good.iter().for_each(|name| is(name, "UNHEALTHY"));
        assert_eq!(gateway.get("/hosted", &[]).status, 503);
        sick.store(false, Ordering::SeqCst);
    }
    good.iter().for_each(|name| is(name, "HEALTHY"));
    for name in ["stranger", "misnamed", "nameless", "nobody"] {
        assert_eq!(health_of(&gateway, name), ["UNHEALTHY"], "{name}");
    }
}

#[test]
fn below_its_threshold_an_upstream_serves_nobody() {
    let (one, two) = (Node::start(), Node::start());
    let gateway = Gateway::start(&config(&[&one, &two], "healthchecks = { threshold = 60, passive.unhealthy.timeouts = 9 }"));
    assert_eq!(gateway.get("/", &[]).status, 200);
    assert_eq!(gateway.admin("PUT", &format!("/upstreams/pool/targets/{}/unhealthy", one.address), "").status, 204);
    assert_eq!(gateway.get("/", &[]).status, 503);
    assert_eq!(gateway.admin("PUT", &format!("/upstreams/pool/targets/{}/healthy", one.address), "").status, 204);
    assert_eq!(gateway.get("/", &[]).status, 200);
}

/// One of three is killed and comes back, again and again, under load.
#[test]
fn no_request_fails_while_targets_die_and_come_back() {
    let (mut one, two, three) = (Node::start(), Node::start(), Node::start());
    let checks = "[upstreams.pool.healthchecks]\npassive.unhealthy = { tcp_failures = 1, timeouts = 1 }\n\
                  active.healthy = { interval = 0.1, successes = 1 }\nactive.unhealthy = { interval = 0.1, tcp_failures = 1 }\n";
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start(&(config(&[&one, &two, &three], checks) + &hook(&receiver)));
    let over = AtomicBool::new(false);
    let (over, proxy) = (&over, gateway.proxy);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                scope.spawn(move || {
                    let headers: &[_] = if client % 2 == 0 { &[] } else { &[("Keep-Alive", "timeout=5")] };
                    let mut failed = Vec::new();
                    let mut sent = 0;
                    while !over.load(Ordering::SeqCst) {
                        let answer = crate::harness::get(proxy, "/", headers);
                        sent += 1;
                        if answer.status != 200 {
                            failed.push(answer);
                        }
                    }
                    (sent, failed)
                })
            })
            .collect();
        for _ in 0..4 {
            one.kill();
            let killed = Instant::now();
            eventually("it is passed over", || (health(&gateway)[0] == "UNHEALTHY").then_some(()));
            assert!(killed.elapsed() < Duration::from_secs(1) * 5, "{:?}", killed.elapsed());
            let before = (two.hits(), three.hits());
            eventually("the others serve", || (two.hits() > before.0 + 20 && three.hits() > before.1 + 20).then_some(()));
            let before = one.hits();
            one.revive();
            eventually("it is back", || (one.hits() > before + 10).then_some(()));
        }
        over.store(true, Ordering::SeqCst);
        for client in clients {
            let (sent, failed) = client.join().unwrap();
            assert!(sent > 0 && failed.is_empty(), "{} of {sent} failed: {:?}", failed.len(), failed.first());
        }
    });
    // Of each change one event, and no two of a kind behind each other.
    let all: Vec<Value> = receiver.wait_for(8).iter().map(Received::json).collect();
    for (at, event) in all.iter().enumerate() {
        assert_eq!(event["health"], if at % 2 == 0 { "unhealthy" } else { "healthy" }, "{all:?}");
    }
}
