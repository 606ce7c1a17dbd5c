//! From a rejection to the webhook that tells of it, on loopback: 500 rejections a second, each delivered by itself.
//!
//! `cargo bench --bench hook_latency`
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, dead_code, unused_imports, missing_docs)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use harness::{Behaviour, Gateway, Receiver, httpbin};

const RATE: u32 = 500;
const SECONDS: u32 = 10;

fn main() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let config = format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\n\
         [event_hooks.hook]\nsource = \"rate-limiting-advanced\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
        upstream.url("/anything"),
        receiver.url()
    );
    let gateway = Gateway::start(&config);
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    // What `Instant` shows as the Unix epoch, to compare the receiver's times with those in the events.
    let (instant, unix) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
    let mut connection = TcpStream::connect(gateway.proxy).unwrap();
    let started = Instant::now();
    for n in 0..RATE * SECONDS {
        let due = started + Duration::from_secs(1) / RATE * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        connection.write_all(b"GET /demo HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let read = connection.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 429"));
    }
    let sent_in = started.elapsed();
    let wanted = usize::try_from(RATE * SECONDS).unwrap();
    let received =
        receiver.wait_until("every rejection", |all| all.iter().map(harness::Received::count).sum::<u64>() >= wanted as u64);
    let mut latencies: Vec<f64> = received
        .iter()
        .map(|one| {
            let arrived = unix + (one.at - instant);
            arrived.as_secs_f64() * 1e3 - one.json()["first_at"].as_f64().unwrap()
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!("{wanted} rejections in {sent_in:.1?}, {} webhooks", received.len());
    println!(
        "rejection to webhook, ms (events carry whole ms): p50 {:.1}  p90 {:.1}  p99 {:.1}  max {:.1}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    assert_eq!(received.len(), wanted, "each by itself");
}
