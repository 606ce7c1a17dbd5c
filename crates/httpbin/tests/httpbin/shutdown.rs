//! Stopping: nothing new, everything begun, then the end.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::harness::{Server, soon};

/// Waits until nothing listens at `address` any more.
async fn refused(address: SocketAddr) {
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.send("POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await;
    assert_eq!(client.head().await.status, 100);

    server.stop.send(()).unwrap();
    refused(server.address).await;
    assert!(!server.stopped.is_finished());

    client.send("body").await;
    let reply = client.reply().await;
    assert_eq!((reply.json()["data"].as_str(), reply.header("Connection")), (Some("body"), Some("close")));
    assert_eq!(client.rest().await, b"");
    soon(server.stopped).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let server = Server::start().await;
    // Connected first, so that it is accepted by the time the other has its answer.
    let mut silent = server.connect().await;
    let mut used = server.connect().await;
    used.send("GET /ip HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(used.reply().await.status, 200);

    server.stop.send(()).unwrap();
    soon(server.stopped).await.unwrap().unwrap();
    assert_eq!(used.rest().await, b"");
    assert_eq!(silent.rest().await, b"");
}
