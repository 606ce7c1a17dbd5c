//! What every test starts: a gateway in a fresh folder, an upstream, a receiver of webhooks, a raw socket.

mod client;
mod deliveries;
mod gateway;
mod load;
mod node;
mod receiver;
mod server;
mod streams;
mod tls;
mod wait;

pub use client::{Answer, Request, get, parse, raw, read_head, request, unchunked};
pub use deliveries::{DIES, WAITS, consumer_hook, raise, records, texts};
pub use gateway::Gateway;
pub use load::Load;
pub use node::{Node, ok};
pub use receiver::{Behaviour, Received, Receiver};
pub use server::{Server, gated, httpbin};
pub use streams::{Streams, ask, block_on, streaming, whole};
pub use tls::{Authority, TlsClient, exchange, secure_target, secure_upstream, shown};
pub use wait::{DEADLINE, eventually};

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// A year in seconds: no test crosses its end.
pub const YEAR: u64 = 31_536_000;

/// An address that is free now, that no other test of this process gets, and that no client's connection takes: below the
/// ports from which the system gives those.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 97;
        let port = u16::try_from(12_000 + n % 20_000).unwrap();
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// Runs a program to its end and returns what it printed; `.ci/setup` installs those that tests need.
pub fn run(program: &str, args: &[&str]) -> String {
    let out = std::process::Command::new(program).args(args).output();
    let out = out.unwrap_or_else(|error| panic!("{program}: {error}; .ci/setup installs it"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}
