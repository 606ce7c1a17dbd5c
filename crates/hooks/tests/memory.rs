//! What a delivery takes in memory at most, whatever its receiver says. A test binary of its own, since its allocator counts.

// clippy knows tests by their attribute, but not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[allow(dead_code, unused_imports, reason = "other tests use the rest of it")]
#[path = "hooks/support.rs"]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Running, webhook};

/// How many deliveries are under way at once.
const AT_ONCE: usize = 64;
const MIB: u64 = 1 << 20;

/// A receiver that lets all in before it says anything, on a thread of its own: what it takes is not counted. Then it says
/// the beginning to each, and the rest again and again, as long as anybody listens. It tells when all were in.
fn says(beginning: &'static [u8], rest: Vec<u8>, pause: Duration) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, all_in) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
    let told = all_in.clone();
    thread::spawn(move || {
        let visit = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 8192]).unwrap() > 0);
            stream
        };
        let mut streams: Vec<TcpStream> = (0..AT_ONCE).map(visit).collect();
        told.store(true, Ordering::SeqCst);
        streams.retain_mut(|stream| stream.write_all(beginning).is_ok());
        while !streams.is_empty() {
            streams.retain_mut(|stream| stream.write_all(&rest).is_ok());
            thread::sleep(pause);
        }
    });
    (addr, all_in)
}

/// The most bytes that one of many deliveries to such a receiver had, and everything around them.
fn most(what: &str, beginning: &'static [u8], rest: &[u8], pause: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let (addr, all_in) = says(beginning, rest.to_vec(), Duration::from_millis(pause));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hook = webhook("hook", addr, &format!("concurrency = {AT_ONCE}\ntimeout = \"4s\"\nretry = {{ schedule = [] }}"));
    let deliver = async {
        let running = Running::start(dir.path(), &hook);
        (0..AT_ONCE).for_each(|n| running.emit(n as u32));
        running.until("hook", |stats| stats.delivered + stats.failed == AT_ONCE as u64).await;
        running.stop().await;
    };
    let counted = allocation_counter::measure(|| runtime.block_on(deliver));
    assert!(all_in.load(Ordering::SeqCst), "{what}: they were not under way at once");
    let each = counted.bytes_max / AT_ONCE as u64;
    // Shown with `--nocapture`; the figures stand in benches/README.md.
    eprintln!("{what}: {} KiB a delivery", each / 1024);
    each
}

#[test]
fn no_receiver_makes_a_delivery_take_a_mebibyte() {
    let head = b"HTTP/1.1 200 OK\r\n";
    let body = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n";
    let lines = b"x-line: 0123456789\r\n".repeat(10_000);
    for (what, beginning, rest, pause) in [
        ("a body without an end", &body[..], vec![b'x'; 64 * 1024], 0),
        ("a byte of a body a second", body, vec![b'x'], 1_000),
        ("10,000 headers", head, lines, 0),
        ("a header without an end", b"HTTP/1.1 200 OK\r\nx-long: ", vec![b'x'; 64 * 1024], 0),
        ("a byte of a head a second", head, vec![b'x'], 1_000),
    ] {
        let each = most(what, beginning, &rest, pause);
        assert!(each < MIB, "{what}: {each} bytes a delivery");
    }
}
