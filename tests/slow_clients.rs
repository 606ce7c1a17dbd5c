//! Clients that take their time, or all the room there is: each is refused, and nobody else feels it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::harness::{DEADLINE, Gateway, Server, eventually, httpbin, raw, read_head, run};

/// A gateway before this upstream, whose clients may take so much.
fn gateway(upstream: &Server, clients: &str) -> Gateway {
    let demo = format!("[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/\"]\n", upstream.url("/"));
    Gateway::start_server(&demo, &format!("[server.clients]\n{clients}"))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Says a byte of this again and again, until the other end has closed: what it said.
fn dribble(mut stream: TcpStream, bytes: &'static [u8]) -> String {
    // Each by itself.
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        for byte in bytes.iter().cycle() {
            if writer.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    let mut answer = Vec::new();
    // A reset after the answer is an end as well.
    let _ = stream.read_to_end(&mut answer);
    drop(stream);
    writing.join().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// How often clients were refused for this.
fn refused(gateway: &Gateway, reason: &str) -> u64 {
    let line = format!("sluice_clients_refused_total{{reason=\"{reason}\"}} ");
    let shown = gateway.admin("GET", "/metrics", "").body;
    shown.lines().find_map(|l| l.strip_prefix(&line)).unwrap().parse().unwrap()
}

#[test]
fn a_head_that_does_not_end_is_waited_for_no_longer_than_its_time() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "header_timeout = \"200ms\"");
    let first = connect(gateway.proxy);
    (&first).write_all(b"GET /get HTTP/1.1\r\nX: ").unwrap();
    let answer = dribble(first, b"x");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("Connection: close"), "{answer}");
    // The second request of a connection, after one that went each way.
    for kept in ["", "Keep-Alive: x\r\n"] {
        let mut second = connect(gateway.proxy);
        second.write_all(format!("GET /status/204 HTTP/1.1\r\nHost: x\r\n{kept}\r\n").as_bytes()).unwrap();
        assert!(read_head(&mut second).starts_with("HTTP/1.1 204 "));
        second.write_all(b"GET /get HTTP/1.1\r\n").unwrap();
        let answer = dribble(second, b"X: y\r\n");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{kept:?} {answer}");
    }
    assert_eq!(refused(&gateway, "slow_head"), 3);
    gateway.wait_for_log("reason=\"slow_head\"");
}

#[test]
fn a_connection_is_idle_no_longer_than_it_may() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "keepalive_timeout = \"200ms\"");
    for asked in
        ["", "GET /status/204 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /status/204 HTTP/1.1\r\nHost: x\r\nKeep-Alive: x\r\n\r\n"]
    {
        let answer = raw(gateway.proxy, asked.as_bytes());
        let expected = if asked.is_empty() { "" } else { "HTTP/1.1 204 " };
        assert!(answer.starts_with(expected) && answer.matches("HTTP/1.1").count() <= 1, "{asked:?} {answer}");
    }
}

#[test]
fn a_connection_has_so_many_requests() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "keepalive_requests = 3");
    for more in ["", "Keep-Alive: x\r\n"] {
        let asked = format!("GET /status/204 HTTP/1.1\r\nHost: x\r\n{more}\r\n").repeat(5);
        let answers = raw(gateway.proxy, asked.as_bytes());
        assert_eq!(answers.matches("HTTP/1.1 204 ").count(), 3, "{more:?} {answers}");
        assert_eq!(answers.to_ascii_lowercase().matches("connection: close").count(), 1, "{more:?} {answers}");
    }
}

#[test]
fn a_head_may_be_so_long_and_no_longer() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "");
    let status = |head: String| raw(gateway.proxy, head.as_bytes()).get(9..12).unwrap_or_default().to_owned();
    let with =
        |length: usize| format!("GET /status/204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(length));
    assert_eq!(status(with(32_000)), "204");
    assert_eq!(status(with(33_000)), "431");
    assert_eq!(status(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(33_000))), "414");
    assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(200))), "431");
    // Without an end: as soon as it is too long, and most of it is never taken in.
    let answer = dribble_fast(connect(gateway.proxy), 1 << 20);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn a_head_in_pieces_that_cost_more_than_they_bring_is_not_waited_for() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "");
    let head = connect(gateway.proxy);
    (&head).write_all(b"GET /get HTTP/1.1\r\nX: ").unwrap();
    // Some seconds, and not the ten that a head may take.
    let answer = dribble(head, b"x");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("Connection: close"), "{answer}");
    gateway.wait_for_log("too many pieces that are too small");
    assert_eq!(refused(&gateway, "slow_head"), 1);
    // A line in each packet is no such thing.
    let mut lines = connect(gateway.proxy);
    lines.set_nodelay(true).unwrap();
    for line in ["GET /status/204 HTTP/1.1\r\n", "Host: x\r\n"].into_iter().chain(["X: y\r\n"; 80]).chain(["\r\n"]) {
        lines.write_all(line.as_bytes()).unwrap();
    }
    assert!(read_head(&mut lines).starts_with("HTTP/1.1 204 "));
}

/// A head of so many bytes, as fast as it is taken.
fn dribble_fast(mut stream: TcpStream, bytes: usize) -> String {
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        let _ = writer.write_all(b"GET / HTTP/1.1\r\n");
        // Long enough for none to be too small by itself.
        let line = format!("X: {}\r\n", "y".repeat(95));
        // Ends when the other end has closed.
        let _ = (0..bytes / line.len()).try_for_each(|_| writer.write_all(line.as_bytes()));
    });
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    writing.join().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_that_comes_too_slowly_is_cut_off() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "body_timeout = \"200ms\"");
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let slow = connect(gateway.proxy);
        (&slow).write_all(format!("POST /post HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n").as_bytes()).unwrap();
        let answer = dribble(slow, b"1\r\nx\r\n");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{framing} {answer}");
    }
    assert_eq!(refused(&gateway, "slow_body"), 2);
    // One that comes well goes on for longer than that.
    let mut good = connect(gateway.proxy);
    let head = "POST /post HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10000\r\n\r\n";
    good.write_all(head.as_bytes()).unwrap();
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(50));
        good.write_all(&[b'x'; 1000]).unwrap();
    }
    let mut answer = String::new();
    good.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "body_timeout = \"200ms\"");
    for (slow, more) in [(1, ""), (2, "Keep-Alive: x\r\n")] {
        let mut client = connect(gateway.proxy);
        client.write_all(format!("GET /bytes/100000000 HTTP/1.1\r\nHost: x\r\n{more}\r\n").as_bytes()).unwrap();
        eventually("the client is given up", || (refused(&gateway, "slow_reader") == slow).then_some(()));
        eventually("its connection is closed", || {
            gateway.admin("GET", "/metrics", "").body.contains("\nsluice_connections_open 0\n").then_some(())
        });
        // What the kernel had taken for it. It would have taken four times as much.
        let mut held = Vec::new();
        let _ = client.read_to_end(&mut held);
        assert!(held.len() < 1 << 20, "{}", held.len());
    }
}

#[test]
fn a_body_that_any_route_refuses_reaches_no_upstream() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "max_body_size = 10");
    let post = |framing: &str, body: &str| {
        raw(gateway.proxy, format!("POST /post HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{framing}\r\n\r\n{body}").as_bytes())
    };
    assert!(post("Content-Length: 10", "0123456789").starts_with("HTTP/1.1 200 "));
    assert!(post("Content-Length: 11", "0123456789x").starts_with("HTTP/1.1 413 "));
    assert!(post("Transfer-Encoding: chunked", "a\r\n0123456789\r\n0\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(post("Transfer-Encoding: chunked", "b\r\n0123456789x\r\n0\r\n\r\n").starts_with("HTTP/1.1 413 "));
}

#[test]
fn there_is_room_for_so_many_connections_and_who_goes_makes_room() {
    let upstream = httpbin();
    for (clients, kind) in [("max_connections = 3", "all"), ("max_connections_per_ip = 3", "of one address")] {
        let gateway = gateway(&upstream, clients);
        let ask = || raw(gateway.proxy, b"GET /status/204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        // Those that asked whether it is up may not be gone yet.
        let held: Vec<TcpStream> = (0..3)
            .map(|_| {
                eventually("a connection is let in", || {
                    let mut client = connect(gateway.proxy);
                    client.write_all(b"GET /status/204 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                    read_head(&mut client).starts_with("HTTP/1.1 204 ").then_some(client)
                })
            })
            .collect();
        let answer = ask();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Too many connections"), "{kind}: {answer}");
        assert!(refused(&gateway, "crowded") > 0);
        drop(held);
        eventually("there is room again", || ask().starts_with("HTTP/1.1 204 ").then_some(()));
    }
}

#[test]
fn who_runs_out_of_files_serves_on_when_there_are_some_again() {
    let upstream = httpbin();
    let gateway = gateway(&upstream, "");
    let pid = gateway.pid();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    run("prlimit", &["--pid", &pid, &format!("--nofile={}", open + 10)]);
    // More than there are files for: some wait where nobody accepts them.
    let held: Vec<TcpStream> = (0..50).map(|_| connect(gateway.proxy)).collect();
    gateway.wait_for_log("Accept() failed");
    drop(held);
    let answer = raw(gateway.proxy, b"GET /status/204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}
