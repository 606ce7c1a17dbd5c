//! Stopping: what is under way ends, and then the process does.

use std::time::Duration;

use crate::harness::{Gateway, Server, free_address, gated};

fn config(upstream: &Server) -> String {
    format!("[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n", upstream.url("/"))
}

#[test]
fn a_request_under_way_is_answered_before_the_process_ends() {
    let (upstream, came, gate) = gated();
    let mut gateway = Gateway::start(&config(&upstream));
    let proxy = gateway.proxy;
    let client = std::thread::spawn(move || crate::harness::get(proxy, "/demo", &[]));
    came.recv().unwrap();
    gateway.signal("TERM");
    gateway.wait_for_log("stopping");
    crate::harness::eventually("no more connections are accepted", || std::net::TcpStream::connect(proxy).err());
    gate.add_permits(1);
    let answer = client.join().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "at last"));
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (upstream, came, _gate) = gated();
    let mut gateway = Gateway::start(&config(&upstream));
    let proxy = gateway.proxy;
    let client = std::thread::spawn(move || crate::harness::raw(proxy, b"GET /demo HTTP/1.1\r\nHost: x\r\n\r\n"));
    came.recv().unwrap();
    gateway.signal("TERM");
    gateway.wait_for_log("stopping");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(130));
    assert_eq!(client.join().unwrap(), "");
}

#[test]
fn an_idle_gateway_with_an_idle_connection_stops_by_itself() {
    let mut gateway = Gateway::start(&format!("[services.demo]\nurl = \"http://{}\"\n", free_address()));
    let _idle = std::net::TcpStream::connect(gateway.proxy).unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(gateway.stop().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "it does not wait for Pingora's grace period");
}
