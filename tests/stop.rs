//! Stopping: what is under way ends, and then the process does.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Gateway, Load, Server, Streams, ask, block_on, free_address, gated, get, httpbin, read_head, whole};

fn config(upstream: &Server) -> String {
    format!("[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n", upstream.url("/"))
}

#[test]
fn a_request_under_way_is_answered_before_the_process_ends() {
    let (upstream, came, gate) = gated();
    let mut gateway = Gateway::start(&config(&upstream));
    let proxy = gateway.proxy;
    let client = std::thread::spawn(move || get(proxy, "/demo", &[]));
    came.recv().unwrap();
    gateway.signal("TERM");
    gateway.wait_for_log("stopping");
    crate::harness::eventually("no more connections are accepted", || TcpStream::connect(proxy).err());
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
    let _idle = TcpStream::connect(gateway.proxy).unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(gateway.stop().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "it does not wait for Pingora's grace period");
}

#[test]
fn readiness_ends_when_a_stop_begins_and_whoever_asks_needs_no_token() {
    let (upstream, came, gate) = gated();
    let mut gateway = Gateway::start_with(&config(&upstream), "token = \"s3cret\"");
    let probe = |path| get(gateway.admin, path, &[]).status;
    gateway.wait_for_log("Admin API on");
    assert_eq!([probe("/status/ready"), probe("/status/live"), probe("/status")], [200, 200, 401]);
    let proxy = gateway.proxy;
    let client = std::thread::spawn(move || get(proxy, "/demo", &[]));
    came.recv().unwrap();
    gateway.signal("TERM");
    gateway.wait_for_log("stopping");
    assert_eq!([probe("/status/ready"), probe("/status/live")], [503, 200], "as long as requests are under way");
    gate.add_permits(1);
    assert_eq!(client.join().unwrap().status, 200);
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn in_the_delay_before_a_stop_it_is_not_ready_and_serves() {
    let upstream = httpbin();
    let mut gateway = Gateway::start_server(&config(&upstream), "shutdown_delay = \"1h\"");
    gateway.signal("TERM");
    gateway.wait_for_log("stopping in 3600s");
    assert_eq!(get(gateway.admin, "/status/ready", &[]).status, 503);
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    let taking_over = gateway.fail_to_upgrade();
    assert!(taking_over.0 == Some(1) && taking_over.1.contains("it is stopping already"), "{taking_over:?}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(130));
}

#[test]
fn a_stop_under_load_truncates_no_answer() {
    let upstream = httpbin();
    let mut gateway = Gateway::start(&config(&upstream).replace("/\"\n", "/anything\"\n"));
    let load = Load::start(gateway.proxy, "/demo", 8);
    assert_eq!(gateway.stop().code(), Some(0));
    let ([refused, _, truncated], sums) = load.end();
    assert!(refused > 0 && sums.told_to_go.load(std::sync::atomic::Ordering::Relaxed) > 0, "it went on until the end");
    assert_eq!(truncated, 0);
}

#[test]
fn who_keeps_a_connection_may_ask_once_more_and_is_told_to_go() {
    let upstream = httpbin();
    let is_told = |_| {
        // Answers without a body: a head is all there is to read.
        let mut gateway = Gateway::start(&config(&upstream).replace("/\"\n", "/status/204\"\n"));
        let mut kept = TcpStream::connect(gateway.proxy).unwrap();
        let mut ask = || {
            // Who was sent away reads nothing.
            let _ = kept.write_all(b"GET /demo HTTP/1.1\r\nHost: x\r\n\r\n");
            read_head(&mut kept).to_ascii_lowercase()
        };
        let first = ask();
        assert!(first.starts_with("http/1.1 204 ") && !first.contains("connection: close"), "{first}");
        gateway.signal("TERM");
        gateway.wait_for_log("stopping: no more");
        // Pingora hears of the stop a moment later.
        let told = (0..3).map(|_| ask()).any(|head| head.contains("connection: close"));
        assert_eq!(gateway.wait().code(), Some(0));
        told
    };
    // There is a quarter of a second for it, which a busy machine may miss.
    assert!((0..5).any(is_told));
}

#[test]
fn a_stream_of_http2_ends_and_then_its_connection() {
    let (upstream, came, gate) = gated();
    let mut gateway = Gateway::start(&config(&upstream));
    block_on(async {
        let streams = Streams::connect(gateway.proxy).await;
        let answer = streams.send(ask("GET", gateway.proxy, "/demo", &[])).await;
        let answer = tokio::spawn(answer);
        eventually_async(|| came.try_recv().ok()).await;
        let proxy = gateway.proxy;
        // It keeps the process.
        let other = std::thread::spawn(move || get(proxy, "/demo", &[]));
        eventually_async(|| came.try_recv().ok()).await;
        gateway.signal("TERM");
        gateway.wait_for_log("stopping: no more");
        gate.add_permits(1);
        let answer = whole(answer.await.unwrap().unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "at last"));
        streams.ended().await;
        assert_eq!(get(gateway.admin, "/status/ready", &[]).status, 503, "the process is still there");
        gate.add_permits(1);
        assert_eq!(other.join().unwrap().status, 200);
    });
    assert_eq!(gateway.wait().code(), Some(0));
}

/// Lets others go on until there is an answer.
async fn eventually_async<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}
