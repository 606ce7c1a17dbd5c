//! What arrives in pieces is passed on in pieces: events, early heads, bodies that wait until they are asked for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::harness::{DEADLINE, Gateway, Streams, ask, block_on, read_head, streaming};

fn config(upstream: &str, more: &str) -> String {
    format!("[services.up]\nurl = \"{upstream}\"\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\nstrip_path = false\n{more}")
}

/// An upstream that sends one event whenever it may.
fn events() -> (SocketAddr, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (may, allowed) = channel::<()>();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_head(&mut stream);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
            let _ = stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
            for n in 0..EVENTS {
                allowed.recv().unwrap();
                let event = event(n);
                let _ = stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
            }
            let _ = stream.write_all(b"0\r\n\r\n");
        }
    });
    (address, may)
}

const EVENTS: usize = 20;

fn event(n: usize) -> String {
    format!("data: event {n}\n\n")
}

#[test]
fn an_event_arrives_before_the_next_one_is_sent() {
    let (upstream, may) = events();
    let gateway = Gateway::start(&config(&format!("http://{upstream}"), ""));
    // The short way and Pingora's.
    for more in ["", "Keep-Alive: timeout=5\r\n"] {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").as_bytes()).unwrap();
        assert!(read_head(&mut client).contains("text/event-stream"));
        let mut seen = String::new();
        for n in 0..EVENTS {
            may.send(()).unwrap();
            while !seen.contains(&event(n)) {
                let mut piece = [0; 256];
                let read = client.read(&mut piece).unwrap();
                assert!(read > 0, "{seen}");
                seen += std::str::from_utf8(&piece[..read]).unwrap();
            }
        }
        client.read_to_string(&mut seen).unwrap();
        assert!(seen.ends_with("0\r\n\r\n"));
    }
    block_on(async {
        let client = Streams::connect(gateway.proxy).await;
        let answer = client.send(ask("GET", gateway.proxy, "/", &[])).await;
        let mut answer = answer.await.unwrap().into_body();
        for n in 0..EVENTS {
            may.send(()).unwrap();
            assert_eq!(answer.data().await.unwrap().unwrap(), event(n).as_bytes());
        }
        assert!(answer.data().await.is_none_or(|end| end.unwrap().is_empty()));
    });
}

/// An upstream that tells what it has read: heads, and then bodies, which it asks for.
fn asking() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, read) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            tell.send(read_head(&mut stream)).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
            let mut body = [0; 4];
            let _ = stream.read_exact(&mut body);
            tell.send(String::from_utf8_lossy(&body).into_owned()).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    (address, read)
}

const WAITS: &str = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";

#[test]
fn a_client_that_waits_to_go_on_is_told_by_the_upstream() {
    let (upstream, read) = asking();
    let gateway = Gateway::start(&config(&format!("http://{upstream}"), ""));
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.write_all(WAITS.as_bytes()).unwrap();
    assert!(read.recv_timeout(DEADLINE).unwrap().to_ascii_lowercase().contains("\r\nexpect: 100-continue\r\n"));
    let early = read_head(&mut client);
    assert!(early.starts_with("HTTP/1.1 103 ") && early.contains("Link: </a>"), "{early}");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 100 "));
    client.write_all(b"body").unwrap();
    assert_eq!(read.recv_timeout(DEADLINE).unwrap(), "body");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200 "));
}

#[test]
fn who_is_refused_is_not_told_to_go_on_and_hears_it_though_he_does() {
    let (upstream, _read) = asking();
    let gateway = Gateway::start(&config(&format!("http://{upstream}"), "[plugins.key-auth]\n"));
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.write_all(WAITS.as_bytes()).unwrap();
    let mut answer = String::new();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("Connection: close"), "{answer}");
    // One that does not look before it has sent what it has.
    for framing in ["Content-Length: 2000000", "Transfer-Encoding: chunked"] {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.write_all(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").as_bytes()).unwrap();
        let piece = format!("{:x}\r\n{}\r\n", 1000, "x".repeat(1000));
        for _ in 0..1500 {
            client.write_all(piece.as_bytes()).unwrap();
        }
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 401 "), "{framing}: {head}");
    }
}

#[test]
fn a_client_of_http_2_sends_while_it_reads() {
    let upstream = streaming();
    let gateway = Gateway::start(&config(&upstream.url("/"), "").replace("[routes", "http2 = true\n[routes"));
    let proxy = gateway.proxy;
    block_on(async {
        let client = Streams::connect(proxy).await;
        let (answer, mut body) = client.open(ask("POST", proxy, "/", &[])).await;
        let mut answer = answer.await.unwrap().into_body();
        let first = answer.data().await.unwrap().unwrap();
        assert!(first.starts_with(b"POST "), "{first:?}");
        for n in 0..20 {
            body.send_data(event(n).into(), false).unwrap();
            assert_eq!(answer.data().await.unwrap().unwrap(), event(n).as_bytes());
        }
        body.send_data(Default::default(), true).unwrap();
        assert!(answer.data().await.is_none());
    });
}
