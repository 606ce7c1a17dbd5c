//! How right the decisions are: replays a million requests of 5,000 clients, and prints a table.
//!
//! `cargo run --release -p sluice-limits --example accuracy`
//!
//! The clock is set by the trace, so that the numbers are the same on every machine.

#![allow(clippy::print_stdout)]

#[path = "../tests/limits/replay.rs"]
mod replay;

use std::time::Duration;

use sluice_limits::{ALGORITHMS, Quota};

const MINUTE: Duration = Duration::from_secs(60);
const REQUESTS: usize = 1_000_000;
const CLIENTS: usize = 5_000;
const WINDOWS: u32 = 60;

fn main() {
    let trace = replay::trace(REQUESTS, CLIENTS, MINUTE, WINDOWS);
    println!("{REQUESTS} requests in {WINDOWS} minutes, {CLIENTS} clients by Zipf's law, a third in bursts at the edges.");
    println!("A decision is wrong if the log of all that was admitted says otherwise. Clients never wait as they are told:");
    println!("one that is refused asks again all the time, and each refusal that comes a moment too long is counted.\n");
    println!("| limit | algorithm | admitted | unlike its definition | wrongly admitted | wrongly refused | most in a minute |");
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for limit in [60, 600, 1_500] {
        for algorithm in ALGORITHMS {
            let report = replay::replay(algorithm, &Quota::new(limit, MINUTE), &trace);
            let [admitted, refused] = [report.wrongly_admitted, report.wrongly_refused].map(share);
            let (name, passed, differences, most) = (algorithm.name, report.admitted, report.differences, report.most);
            println!("| {limit} | `{name}` | {passed} | {differences} | {admitted} | {refused} | {most} |");
        }
    }
}

/// How many, and what part of all.
fn share(wrong: usize) -> String {
    format!("{wrong} ({:.3} %)", 100.0 * wrong as f64 / REQUESTS as f64)
}
