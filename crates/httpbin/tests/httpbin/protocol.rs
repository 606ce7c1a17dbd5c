//! HTTP itself: methods, versions, bodies and their limits.

use serde_json::json;

use crate::harness::{Server, ask, get};

const CAP: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn an_unknown_path_is_a_404_in_json() {
    let reply = get("/nowhere?a=1").await;
    let error = "there is no /nowhere here; GET / lists what is";
    assert_eq!((reply.status, reply.json()), (404, json!({"error": error})));
}

#[tokio::test]
async fn a_wrong_method_is_a_405_with_allow() {
    for (method, path, allow) in [("POST", "/get", "GET, HEAD"), ("GET", "/post", "POST"), ("HEAD", "/post", "POST")] {
        let reply = ask(method, path, "", "").await;
        assert_eq!((reply.status, reply.header("Allow")), (405, Some(allow)));
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for path in ["/", "/get", "/anything", "/status/404", "/delay/0", "/headers", "/ip", "/bytes/100000", "/gzip"] {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let got = client.reply().await;
        client.send(&format!("HEAD {path} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let head = client.head().await;
        assert_eq!(head.status, got.status, "{path}");
        assert_eq!(head.header("Content-Type"), got.header("Content-Type"), "{path}");
        // These two name the method, so that the lengths differ; and a length of 0 goes without saying.
        if !["/anything", "/gzip"].contains(&path) {
            let length = head.header("Content-Length").unwrap_or("0");
            assert_eq!(Some(length), got.header("Content-Length"), "{path}");
        }
    }
    client.send("HEAD /stream/3 HTTP/1.1\r\nHost: h\r\n\r\nGET /ip HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.reply().await.json(), json!({"origin": "127.0.0.1"}));
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("GET /get HTTP/1.0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!(reply.json()["url"], "http://localhost/get");
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn http_1_0_gets_a_stream_without_chunks() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("GET /stream/2 HTTP/1.0\r\nHost: h\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!(reply.header("Transfer-Encoding"), None);
    assert_eq!(reply.text().lines().count(), 2);
}

#[tokio::test]
async fn http_1_0_keeps_the_connection_if_asked() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("GET /ip HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(client.reply().await.status, 200);
    }
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let one = |n| format!("GET /anything/{n} HTTP/1.1\r\nHost: h\r\n\r\n");
    client.send(&(one(1) + &one(2) + &one(3))).await;
    for n in 1..=3 {
        assert_eq!(client.reply().await.json()["url"], format!("http://h/anything/{n}"));
    }
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let reply = ask("POST", "/post", "", "").await;
    assert_eq!(reply.json()["data"], "");
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.json()["data"], "abcde");
}

#[tokio::test]
async fn the_body_is_sent_when_the_server_says_continue() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    assert_eq!(client.reply().await.json()["data"], "body");
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_asked_for() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let length = CAP + 1;
    client.send(&format!("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n")).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("Connection")), (413, Some("close")));
    assert_eq!(reply.json(), json!({"error": "a request body may have 16 MiB at most"}));
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_body_may_fill_the_cap_and_no_more() {
    for (length, status) in [(CAP, 200), (CAP + 1, 413)] {
        let reply = ask("POST", "/status/200", "", &"x".repeat(length)).await;
        assert_eq!(reply.status, status);
    }
}

#[tokio::test]
async fn a_chunked_body_over_the_cap_is_a_413_too() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let chunk = "x".repeat(1024 * 1024);
    for _ in 0..17 {
        client.send(&format!("100000\r\n{chunk}\r\n")).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 413);
}

#[tokio::test]
async fn a_body_that_nobody_wants_leaves_the_connection_usable() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let body = "x".repeat(1024 * 1024);
    for (path, status) in [("/nowhere", 404), ("/get", 405), ("/status/200", 200)] {
        client.send(&format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n{body}")).await;
        assert_eq!(client.reply().await.status, status);
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_400() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("nonsense\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 400);
    assert_eq!(client.rest().await, b"");
}
