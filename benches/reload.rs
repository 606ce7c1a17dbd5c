//! 300 good and 60 broken edits of gateway.toml in 60 seconds under wrk: no request fails, and every good edit is live soon.
//!
//! `cargo bench --bench reload`
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, dead_code, unused_imports, missing_docs)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use harness::{Gateway, httpbin, run};

const GOOD: u32 = 300;
const BROKEN: u32 = 60;
const SECONDS: u32 = 60;

fn main() {
    let upstream = httpbin();
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [1000000]\nwindow_size = [1]\nwindow_type = \"fixed\"\n",
        upstream.url("/status/200")
    ));
    let url = format!("http://{}/demo", gateway.proxy);
    let (out, mut live) = std::thread::scope(|scope| {
        let wrk = scope.spawn(|| run("wrk", &["-t1", "-c16", &format!("-d{}s", SECONDS + 2), &url]));
        let live = edit(&gateway);
        (wrk.join().unwrap(), live)
    });
    live.sort();
    let at = |share: f64| live[((live.len() - 1) as f64 * share) as usize];
    println!("{out}");
    println!(
        "{GOOD} good and {BROKEN} broken edits; a good one is live after: p50 {:?}  p99 {:?}  max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert!(!out.contains("Non-2xx") && !out.contains("Socket errors"), "a request failed");
    assert_eq!(gateway.version(), u64::from(GOOD) + 1, "each good edit is a version, and no broken one");
}

/// Makes the edits, and tells how long each good one took to be seen by a request.
fn edit(gateway: &Gateway) -> Vec<Duration> {
    let mut probe = TcpStream::connect(gateway.proxy).unwrap();
    let mut limit = 1_000_000;
    let mut live = Vec::new();
    let started = Instant::now();
    for n in 0..GOOD + BROKEN {
        let due = started + Duration::from_secs(1) * SECONDS / (GOOD + BROKEN) * n;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = format!("limit = [{limit}]");
        if n % 6 == 5 {
            gateway.edit_in_place(|text| text.replace(&before, "limit = [broken"));
            gateway.wait_for_log("broken");
            std::thread::sleep(Duration::from_millis(50));
            gateway.edit_in_place(|text| text.replace("limit = [broken", &before));
            continue;
        }
        limit += 1;
        let after = format!("limit = [{limit}]");
        let begun = Instant::now();
        match n % 2 {
            0 => gateway.edit_by_rename(|text| text.replace(&before, &after)),
            _ => gateway.edit_in_place(|text| text.replace(&before, &after)),
        }
        while !limit_is(&mut probe, limit) {
            assert!(begun.elapsed() < Duration::from_secs(10), "the edit is not seen");
        }
        live.push(begun.elapsed());
    }
    live
}

/// Asks for the limit over the one connection.
fn limit_is(probe: &mut TcpStream, limit: u32) -> bool {
    probe.write_all(b"GET /demo HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let read = probe.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).contains(&format!("RateLimit-Limit: {limit}\r\n"))
}
