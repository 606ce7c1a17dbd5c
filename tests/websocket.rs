//! Upgrades: to WebSocket only, and for as long as either end has something to say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{DEADLINE, Gateway, httpbin, raw, read_head, streaming};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn config(upstream: &str, more: &str) -> String {
    format!("[services.up]\nurl = \"{upstream}\"\n{more}\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\nstrip_path = false\n")
}

/// An upstream that does this with each connection, once it has read the head.
fn upstream(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                read_head(&mut stream);
                serve(stream);
            });
        }
    });
    address
}

fn upgraded(gateway: &Gateway) -> TcpStream {
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.write_all(UPGRADE.as_bytes()).unwrap();
    let head = read_head(&mut client);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

#[test]
fn any_other_upgrade_is_dropped_and_connect_is_refused() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream.url("/anything"), ""));
    let others = ["Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "Upgrade: TLS/1.3\r\n", "Upgrade: websocket, h2c\r\n"];
    for other in others {
        let head = format!("HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n{other}");
        let get = raw(gateway.proxy, format!("GET / {head}Connection: close\r\n\r\n").as_bytes());
        let post = raw(gateway.proxy, format!("POST / {head}Connection: close\r\nContent-Length: 4\r\n\r\nbody").as_bytes());
        assert!(post.contains("\"data\": \"body\""), "{post}");
        for answer in [get, post] {
            assert!(answer.starts_with("HTTP/1.1 200 "), "{other}: {answer}");
            for gone in ["\"Upgrade\"", "\"Http2-Settings\"", "\"Connection\""] {
                assert!(!answer.contains(gone), "{gone}: {answer}");
            }
        }
    }
    let connect = raw(gateway.proxy, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n");
    assert!(connect.starts_with("HTTP/1.1 405 "), "{connect}");
}

#[test]
fn a_service_of_http_2_is_asked_in_http_1_for_an_upgrade() {
    let upstream = streaming();
    let gateway = Gateway::start(&config(&upstream.url("/"), "http2 = true"));
    // This one knows no HTTP/1, and hangs up.
    assert!(raw(gateway.proxy, UPGRADE.as_bytes()).starts_with("HTTP/1.1 502 "));
}

#[test]
fn silence_of_one_end_is_no_reason_to_hang_up_and_of_both_is() {
    const LIMIT: Duration = Duration::from_millis(700);
    const PIECES: u32 = 40;
    let address = upstream(|mut stream| {
        stream.write_all(SWITCHED).unwrap();
        // First it alone speaks, and then the client alone.
        for _ in 0..PIECES {
            stream.write_all(b"x").unwrap();
            thread::sleep(LIMIT / 20);
        }
        stream.read_exact(&mut [0; PIECES as usize]).unwrap();
        let quiet_since = Instant::now();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.read(&mut [0]);
        assert!(quiet_since.elapsed() < DEADLINE);
    });
    let gateway = Gateway::start(&config(&format!("http://{address}"), "read_timeout = 700"));
    let mut client = upgraded(&gateway);
    client.read_exact(&mut [0; PIECES as usize]).unwrap();
    for _ in 0..PIECES {
        client.write_all(b"y").unwrap();
        thread::sleep(LIMIT / 20);
    }
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let quiet_since = Instant::now();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "it ends when nobody says anything");
    assert!(quiet_since.elapsed() > LIMIT / 2, "{:?}", quiet_since.elapsed());
}

#[test]
fn an_upstream_that_does_not_say_whether_it_upgrades_is_late() {
    let address = upstream(|mut stream| drop(stream.read(&mut [0])));
    let gateway = Gateway::start(&config(&format!("http://{address}"), "read_timeout = 100"));
    let answer = raw(gateway.proxy, UPGRADE.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("The upstream server is timing out"), "{answer}");
    assert!(gateway.wait_for_log("a request failed").contains("service=\"up\""));
}

#[test]
fn an_upgrade_that_is_refused_is_an_answer_like_any_other() {
    let address = upstream(|mut stream| {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").unwrap();
        drop(stream.read(&mut [0]));
    });
    let gateway = Gateway::start(&config(&format!("http://{address}"), ""));
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    for _ in 0..2 {
        client.write_all(UPGRADE.as_bytes()).unwrap();
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        client.read_exact(&mut [0; 2]).unwrap();
    }
}
