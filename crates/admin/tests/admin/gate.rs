//! Who may come in.

use axum::body::Body;
use axum::extract::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use sluice_admin::{Caller, Options, router};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{JSON, start, start_at_file, start_with};
use crate::fake::{FILE, Fake};

const HOOK: &str = r#"{"source":"rate-limiting-advanced","handler":"log"}"#;

#[tokio::test]
async fn with_a_token_nobody_comes_in_without() {
    for headers in [
        &[][..],
        &[("Kong-Admin-Token", "")],
        &[("Kong-Admin-Token", "s3cre")],
        &[("Kong-Admin-Token", "s3cret2")],
        &[("Authorization", "s3cret")],
        &[("Authorization", "Basic s3cret")],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer x")],
    ] {
        let api = start_with(FILE, Some("s3cret")).await;
        for (method, path) in
            [("GET", "/"), ("OPTIONS", "/event-hooks"), ("GET", "/nowhere"), ("HEAD", "/status"), ("DELETE", "/event-hooks/x")]
        {
            let answer = api.ask(method, path, headers, "").await.is(401);
            assert!(method == "HEAD" || answer.json() == json!({"message": "Invalid RBAC credentials"}), "{answer:?}");
        }
    }
    let api = start_with(FILE, Some("s3cret")).await;
    for header in [("Kong-Admin-Token", "s3cret"), ("Authorization", "Bearer s3cret"), ("authorization", "bearer  s3cret")] {
        api.ask("GET", "/", &[header], "").await.is(200);
    }
}

#[tokio::test]
async fn a_web_page_of_another_site_does_not_come_in() {
    let api = start().await;
    let own = format!("http://{}", api.addr);
    for (headers, post, get) in [
        (&[("Host", "evil.example")][..], 403, 403),
        (&[("Host", "evil.example:8001"), ("Origin", "http://evil.example:8001")], 403, 403),
        (&[("Host", "localhost"), ("Host", "evil.example")], 403, 403),
        (&[("Host", "localhost:8001")], 201, 200),
        (&[("Host", "[::1]:8001")], 201, 200),
        (&[("Origin", "https://evil.example")], 403, 403),
        (&[("Origin", "null")], 403, 403),
        (&[("Origin", own.as_str())], 201, 200),
        (&[("Sec-Fetch-Site", "cross-site")], 403, 200),
        (&[("Sec-Fetch-Site", "same-site")], 403, 200),
        (&[("Sec-Fetch-Site", "same-origin")], 201, 200),
        (&[("Sec-Fetch-Site", "none")], 201, 200),
    ] {
        let with_type: Vec<(&str, &str)> = headers.iter().copied().chain([("Content-Type", JSON)]).collect();
        assert_eq!(api.ask("POST", "/event-hooks", &with_type, HOOK).await.status, post, "{headers:?}");
        let answer = api.ask("GET", "/services", headers, "").await;
        assert_eq!(answer.status, get, "{headers:?}");
        assert!(get == 200 || answer.message().contains("is refused"), "{answer:?}");
    }
    api.raw("GET / HTTP/1.0\r\n\r\n").await.is(403);
}

/// Tokens of two people, and a name.
const TOKENS: &str = r#"
[admin]
tokens = [{ name = "ops", token = "s3cret" }, { name = "grafana", token = "look", read_only = true }]
allowed_hosts = ["Admin.example.com"]
[event_hooks.a]
source = "config"
handler = "log"
"#;

#[tokio::test]
async fn a_token_for_looking_only_changes_nothing() {
    let api = start_with(TOKENS, None).await;
    let grafana = [("Kong-Admin-Token", "look"), ("Content-Type", JSON)];
    for path in ["/", "/event-hooks", "/event-hooks/a", "/metrics", "/config/status"] {
        api.ask("GET", path, &grafana, "").await.is(200);
        api.ask("HEAD", path, &grafana, "").await.is(200);
    }
    api.ask("OPTIONS", "/event-hooks", &grafana, "").await.is(204);
    for (method, path, body) in [
        ("POST", "/event-hooks", HOOK),
        ("PUT", "/event-hooks/a", HOOK),
        ("PATCH", "/event-hooks/a", r#"{"snooze":1}"#),
        ("DELETE", "/event-hooks/a", ""),
        ("DELETE", "/limits", ""),
        ("POST", "/event-hooks/a/test", ""),
        ("BREW", "/nowhere", ""),
        // Kong's way to have a receiver called.
        ("GET", "/event-hooks/a/ping", ""),
    ] {
        let answer = api.ask(method, path, &grafana, body).await.is(403);
        let words = "grafana, you do not have permissions to update this resource";
        assert_eq!(answer.json(), json!({ "message": words }), "{method} {path}");
    }
    assert_eq!(api.gateway.steps(), []);
    let ops = [("Authorization", "Bearer s3cret"), ("Content-Type", JSON)];
    api.ask("POST", "/event-hooks", &ops, HOOK).await.is(201);
    api.ask("GET", "/", &[], "").await.is(401);
}

#[tokio::test]
async fn a_name_that_is_allowed_is_as_good_as_an_address() {
    let api = start_with(TOKENS, None).await;
    let ask = async |headers: &[(&str, &str)]| {
        let token = [("Kong-Admin-Token", "s3cret")];
        api.ask("GET", "/", &[headers, &token].concat(), "").await.status
    };
    assert_eq!(ask(&[("Host", "admin.example.com")]).await, 200);
    assert_eq!(ask(&[("Host", "ADMIN.example.com:8443"), ("Origin", "https://admin.example.com:8443")]).await, 200);
    assert_eq!(ask(&[("Host", "admin.example.com"), ("Origin", "https://other.example.com")]).await, 403);
    assert_eq!(ask(&[("Host", "other.example.com")]).await, 403);
}

#[tokio::test]
async fn wrong_tokens_are_looked_at_ten_times_and_a_right_one_always() {
    let api = start_with(FILE, Some("s3cret")).await;
    let ask = async |headers: &[(&str, &str)]| api.ask("GET", "/status", headers, "").await;
    for guess in 0..10 {
        ask(&[("Kong-Admin-Token", &guess.to_string())]).await.is(401);
    }
    let wait = ask(&[("Authorization", "Bearer guess")]).await.is(429);
    let seconds: u64 = wait.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&seconds), "{wait:?}");
    ask(&[("Kong-Admin-Token", "s3cret")]).await.is(200);
    // Who sends none guesses nothing.
    ask(&[]).await.is(401);
}

#[tokio::test]
async fn strangers_are_asked_for_a_token_that_is_no_longer_there() {
    // The configuration in force needs none, as it listens on loopback; a listener from before it may not.
    let router = TowerToHyperService::new(router(Fake::new(FILE), Options::default()));
    let ask = async |caller: Option<Caller>| {
        let mut request = Request::builder().uri("/").header("Host", "192.0.2.1").body(Body::empty()).unwrap();
        caller.map(|caller| request.extensions_mut().insert(caller));
        router.call(request).await.unwrap().status().as_u16()
    };
    let by = |peer: &str, ours: &str| Some(Caller::by_address(peer.parse().unwrap(), ours.parse().unwrap()));
    assert_eq!(ask(by("127.0.0.1:1", "127.0.0.1:8001")).await, 200);
    assert_eq!(ask(by("192.0.2.7:1", "192.0.2.1:8001")).await, 401);
    assert_eq!(ask(None).await, 401);
}

#[tokio::test]
async fn over_a_socket_that_is_a_file_a_host_may_be_any() {
    let api = start_at_file(FILE).await;
    let ask = async |request: &str| api.raw(request).await.status;
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: whatever.example\r\nConnection: close\r\n\r\n").await, 200);
    assert_eq!(ask("GET / HTTP/1.0\r\n\r\n").await, 200);
    assert_eq!(ask("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await, 400);
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").await, 400);
    let foreign = "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(foreign).await, 403);
}

#[tokio::test]
async fn a_change_is_made_to_its_end_when_its_client_hangs_up() {
    let api = start().await;
    // Each waits for the other, so the first must still be there when the second comes.
    api.gateway.gather(2);
    let mut client = TcpStream::connect(api.addr).await.unwrap();
    let head = format!(
        "POST /event-hooks HTTP/1.1\r\nHost: {}\r\nContent-Type: {JSON}\r\nContent-Length: {}\r\n\r\n",
        api.addr,
        HOOK.len()
    );
    client.write_all(format!("{head}{HOOK}").as_bytes()).await.unwrap();
    while api.gateway.asked() < 1 {
        tokio::task::yield_now().await;
    }
    drop(client);
    api.get("/status").await.is(200);
    api.ask("POST", "/event-hooks", &[("Content-Type", JSON)], HOOK).await.is(201);
    assert_eq!(api.gateway.steps().len(), 2);
}
