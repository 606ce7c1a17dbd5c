//! Requests that wait, and requests in flight: whoever leaves gives back what he had.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use crate::harness::{DEADLINE, Gateway, Server, YEAR, eventually, gated, get, httpbin};

fn config(upstream: &str, plugin: &str) -> String {
    format!("[services.demo]\nurl = \"{upstream}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n{plugin}")
}

fn in_flight(upstream: &Server) -> Gateway {
    let plugin = "[plugins.concurrency-limiting]\nlimit = 1\nidentifier = \"ip\"\n";
    Gateway::start(&config(&upstream.url("/"), plugin))
}

#[test]
fn a_permit_comes_back_with_the_answer() {
    let (upstream, came, gate) = gated();
    let gateway = in_flight(&upstream);
    let proxy = gateway.proxy;
    let first = thread::spawn(move || get(proxy, "/demo", &[]).status);
    came.recv().unwrap();
    let refused = gateway.get("/demo", &[]);
    assert_eq!(refused.status, 429);
    gate.add_permits(1);
    assert_eq!(first.join().unwrap(), 200);
}

/// Once on each way through the proxy.
#[test]
fn a_permit_comes_back_from_a_client_that_hangs_up_while_it_waits() {
    for more in ["", "Keep-Alive: timeout=5\r\n"] {
        let (upstream, came, gate) = gated();
        let gateway = in_flight(&upstream);
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.write_all(format!("GET /demo HTTP/1.1\r\nHost: h\r\n{more}\r\n").as_bytes()).unwrap();
        came.recv().unwrap();
        assert_eq!(gateway.get("/demo", &[]).status, 429);
        drop(client);
        // Enough, whether or not the upstream notices that nobody waits for the first.
        gate.add_permits(10);
        eventually("the place is free", || (gateway.get("/demo", &[]).status == 200).then_some(()));
    }
}

#[test]
fn a_permit_comes_back_when_the_upstream_fails_or_is_late() {
    let upstream = httpbin();
    let dead = crate::harness::free_address();
    let plugin = "[plugins.concurrency-limiting]\nlimit = 1\nidentifier = \"ip\"\n";
    let slow = format!(
        "[services.slow]\nurl = \"{}\"\nread_timeout = \"50ms\"\n[routes.slow]\nservice = \"slow\"\npaths = [\"/slow\"]\n",
        upstream.url("/delay/5")
    );
    let gateway = Gateway::start(&config(&format!("http://{dead}"), &format!("{plugin}{slow}")));
    for _ in 0..3 {
        assert_eq!(gateway.get("/demo", &[]).status, 503);
        assert_eq!(gateway.get("/slow", &[]).status, 504);
    }
}

#[test]
fn an_upgraded_connection_is_in_flight_until_it_is_closed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut read = [0; 4096];
                let _ = stream.read(&mut read);
                let _ =
                    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
                while stream.read(&mut read).is_ok_and(|n| n > 0) {}
            });
        }
    });
    let plugin = "[plugins.concurrency-limiting]\nlimit = 1\nidentifier = \"ip\"\n";
    let gateway = Gateway::start(&config(&format!("http://{address}"), plugin));
    let upgrade = || {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
        client
            .write_all(
                format!("GET /demo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n").as_bytes(),
            )
            .unwrap();
        let mut status = [0; 12];
        client.read_exact(&mut status).unwrap();
        (client, String::from_utf8_lossy(&status[9..]).into_owned())
    };
    let (open, status) = upgrade();
    assert_eq!(status, "101");
    assert_eq!(upgrade().1, "429");
    drop(open);
    eventually("the place is free", || (upgrade().1 == "101").then_some(()));
}

#[test]
fn a_request_that_does_not_fit_is_held_until_it_does_or_refused_in_the_end() {
    let upstream = httpbin();
    let throttled = |interval: u64, tries: u32, places: u32| {
        format!(
            "[plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\n\
             throttling = {{ enabled = true, interval = {interval}, retry_times = {tries}, queue_limit = {places} }}\n"
        )
    };
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &throttled(1, 60, 1)));
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    let proxy = gateway.proxy;
    let held = thread::spawn(move || get(proxy, "/demo", &[]));
    let active = || gateway.admin("GET", "/status", "").json()["server"]["requests_active"].as_u64();
    eventually("a request is held", || (active() == Some(1)).then_some(()));
    assert_eq!(gateway.get("/demo", &[]).status, 429, "the only place is taken");
    // It waits while the limit is what it is, and goes on when there is room; nothing was spent by waiting.
    gateway.edit_by_rename(|text| text.replace("limit = [1]", "limit = [2]"));
    let reset = |gateway: &Gateway| gateway.admin("DELETE", "/limits", "").status;
    assert_eq!(reset(&gateway), 204);
    let answer = held.join().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("X-RateLimit-Limit-Year"), Some("1"), "it lives under the configuration that it came in");
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &throttled(1, 1, 5)));
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    assert_eq!(gateway.get("/demo", &[]).status, 429, "after its tries");
}

#[test]
fn who_is_held_may_have_a_body_and_may_go() {
    let upstream = httpbin();
    let plugin = format!(
        "[plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\n\
         throttling = {{ enabled = true, interval = 1, retry_times = 60, queue_limit = 1 }}\n"
    );
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &plugin));
    let active = || gateway.admin("GET", "/status", "").json()["server"]["requests_active"].as_u64();
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    let request =
        |method: &str| format!("{method} /demo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    for head in ["GET /demo HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), request("POST")] {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.write_all(head.as_bytes()).unwrap();
        eventually("a request is held", || (active() == Some(1)).then_some(()));
        drop(client);
        eventually("it is given up", || (active() == Some(0)).then_some(()));
    }
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(request("POST").as_bytes()).unwrap();
    eventually("the place is free, and taken", || (active() == Some(1)).then_some(()));
    assert_eq!(gateway.admin("DELETE", "/limits", "").status, 204);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"data\": \"body\""), "{answer}");
}
