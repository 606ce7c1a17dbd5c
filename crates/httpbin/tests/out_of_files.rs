//! A server that runs out of file descriptors goes on when some are free again. This is a file of its own because the
//! limit is the whole process's.

#![cfg(target_os = "linux")]

use std::{fs::File, process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::timeout,
};

#[tokio::test]
async fn a_connection_that_came_without_a_free_file_is_served_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(sluice_httpbin::serve(listener, std::future::pending()));
    let limit = ["--nofile=64:", "--pid", &std::process::id().to_string()].map(str::to_owned);
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());

    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One is left, and the client's own socket takes it.
    taken.pop();
    let mut client = TcpStream::connect(address).await.unwrap();
    assert!(File::open("/dev/null").is_err());
    for _ in 0..1000 {
        yield_now().await;
    }
    assert!(!server.is_finished());

    drop(taken);
    client.write_all(b"GET /status/204 HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(20), client.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.0 204"), "{answer}");
}
