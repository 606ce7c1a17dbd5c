//! Bodies that are made as they go.

use crate::harness::Server;

#[tokio::test]
async fn a_drop_arrives_while_the_next_is_half_a_minute_away() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("GET /drip?numbytes=2&duration=60 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.head().await.header("Content-Length"), Some("2"));
    assert_eq!(client.bytes(1).await, b"*");
}

#[tokio::test]
async fn each_line_of_a_stream_is_a_chunk() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("GET /stream/3?a=1 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.head().await.header("Transfer-Encoding"), Some("chunked"));
    for id in 0..3 {
        let line = client.chunk().await.unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let shown: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(
            (&shown["id"], &shown["args"]["a"], &shown["url"]),
            (&id.into(), &"1".into(), &"http://h/stream/3?a=1".into())
        );
    }
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn a_stream_has_a_hundred_lines_at_most() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    for (asked, lines) in [(0, 0), (101, 100)] {
        client.send(&format!("GET /stream/{asked} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        assert_eq!(client.reply().await.text().lines().count(), lines);
    }
}

#[tokio::test]
async fn many_bytes_come_whole_through_a_slow_reader() {
    const MANY: usize = 8 * 1024 * 1024;
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send(&format!("GET /bytes/{MANY} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    client.head().await;
    for _ in 0..MANY / 1024 {
        client.bytes(1024).await;
    }
    client.send("GET /ip HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
}
