//! Methods, headers, and stopping.

use std::time::{Duration, Instant};

use serde_json::json;
use sluice_admin::{Listener, Options, router, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{start, start_with};
use crate::fake::{FILE, Fake};

#[tokio::test]
async fn every_answer_has_kongs_headers() {
    let api = start().await;
    for path in ["/", "/nowhere", "/event-hooks"] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        assert_eq!(answer.header("server"), Some("sluice/0.1.0"));
        assert!(answer.header("x-kong-admin-latency").unwrap().parse::<u64>().is_ok());
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn methods_that_are_not_there_are_refused() {
    let api = start().await;
    assert_eq!(api.get("/nowhere").await.is(404).json(), json!({"message": "Not found"}));
    for (method, path, allow) in [
        ("DELETE", "/event-hooks", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/event-hooks/x", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("POST", "/status", "GET, HEAD, OPTIONS"),
        ("BREW", "/event-hooks/sources", "GET, HEAD, OPTIONS"),
    ] {
        let answer = api.ask(method, path, &[], "").await.is(405);
        assert_eq!((answer.json(), answer.header("allow")), (json!({"message": "Method not allowed"}), Some(allow)));
    }
    let options = api.ask("OPTIONS", "/event-hooks/", &[], "").await.is(204);
    assert_eq!((options.header("allow"), options.text.as_str()), (Some("GET, HEAD, POST, OPTIONS"), ""));
    api.ask("OPTIONS", "/nowhere", &[], "").await.is(404);
    let get = api.get("/services").await;
    let head = api.ask("HEAD", "/services", &[], "").await.is(200);
    assert_eq!((head.text.as_str(), head.header("content-length")), ("", get.header("content-length")));
    assert_eq!(api.ask("HEAD", "/nowhere", &[], "").await.is(404).text, "");
}

#[tokio::test]
async fn metrics_are_text_and_stand_behind_the_token() {
    let api = start_with(FILE, Some("secret")).await;
    api.get("/metrics").await.is(401);
    let metrics = api.ask("GET", "/metrics", &[("Authorization", "Bearer secret")], "").await.is(200);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for line in
        ["measured_total 3", "sluice_requests_total 7", "sluice_config_changes_total{result=\"refused\"} 1", "sluice_outbox_ok 0"]
    {
        assert!(metrics.text.lines().any(|shown| shown == line), "{line}: {}", metrics.text);
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_idle_or_stuck_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server =
        tokio::spawn(serve(
            Listener::Tcp(listener),
            router(Fake::new(FILE), Options::default()),
            async move { drop(stopped.await) },
        ));
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut stuck = TcpStream::connect(addr).await.unwrap();
    let head =
        format!("POST /event-hooks HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{");
    stuck.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(TcpStream::connect(addr).await.is_err());
}
