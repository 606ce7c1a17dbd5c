//! What every test starts: a gateway in a fresh folder, an upstream, a receiver of webhooks, a raw socket.

mod client;
mod gateway;
mod receiver;
mod server;
mod wait;

pub use client::{Answer, Request, get, raw, request};
pub use gateway::Gateway;
pub use receiver::{Behaviour, Received, Receiver};
pub use server::{Server, httpbin};
pub use wait::{DEADLINE, eventually};

use std::net::{SocketAddr, TcpListener};

/// An address that is free now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Whether a program is on the PATH; `.ci/setup` installs those that tests need.
pub fn run(program: &str, args: &[&str]) -> String {
    let out = std::process::Command::new(program).args(args).output();
    let out = out.unwrap_or_else(|error| panic!("{program}: {error}; .ci/setup installs it"));
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}
