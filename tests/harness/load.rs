//! Clients that ask without a pause, by connections that they keep and by a new one each time, and count what they get.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{DEADLINE, eventually};

/// What became of requests.
#[derive(Default)]
pub struct Sums {
    pub answered: AtomicU64,
    /// No connection came to be.
    pub refused: AtomicU64,
    /// A new connection ended before the first byte of the answer.
    pub unanswered: AtomicU64,
    /// An answer ended before its end.
    pub truncated: AtomicU64,
    /// A kept connection was closed as the next request was on its way; clients ask again.
    pub again: AtomicU64,
    /// Answers after which the client was to come by another connection.
    pub told_to_go: AtomicU64,
    /// What was seen that is no answer.
    seen: Mutex<Vec<String>>,
}

pub struct Load {
    pub sums: Arc<Sums>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Half of the clients keep their connections, and half of each send a body along.
    pub fn start(address: SocketAddr, path: &'static str, clients: usize) -> Self {
        let (sums, stop) = (Arc::<Sums>::default(), Arc::<AtomicBool>::default());
        let client = |nth: usize| {
            let (sums, stop) = (sums.clone(), stop.clone());
            let (keep, body) = (nth.is_multiple_of(2), if nth % 4 < 2 { String::new() } else { "x".repeat(3000) });
            let connection = if keep { "keep-alive" } else { "close" };
            let (method, length) = match body.len() {
                0 => ("GET", String::new()),
                length => ("POST", format!("Content-Length: {length}\r\n")),
            };
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n{length}");
            let request = head + "\r\n" + &body;
            std::thread::spawn(move || ask_on(address, &request, keep, (&sums, &stop)))
        };
        let clients = (0..clients).map(client).collect();
        let load = Self { sums, stop, clients };
        load.goes_on();
        load
    }

    /// Waits for another hundred answers.
    pub fn goes_on(&self) {
        let enough = self.sums.answered.load(Ordering::Relaxed) + 100;
        eventually("answers come", || (self.sums.answered.load(Ordering::Relaxed) >= enough).then_some(()));
    }

    /// Has all clients end. What became of all requests: refused, unanswered, truncated.
    pub fn end(mut self) -> ([u64; 3], Arc<Sums>) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.drain(..).for_each(|client| client.join().unwrap());
        let sums = &self.sums;
        let failed = [&sums.refused, &sums.unanswered, &sums.truncated].map(|sum| sum.load(Ordering::Relaxed));
        println!("what was no answer: {:?}", self.sums.seen.lock().unwrap());
        (failed, self.sums.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn ask_on(address: SocketAddr, request: &str, keep: bool, (sums, stop): (&Sums, &AtomicBool)) {
    let mut kept: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let reused = kept.is_some();
        let count = |sum: &AtomicU64, what: String| {
            sum.fetch_add(1, Ordering::Relaxed);
            let mut seen = sums.seen.lock().unwrap();
            if seen.len() < 20 {
                seen.push(what);
            }
        };
        let mut stream = match kept.take().map_or_else(|| TcpStream::connect(address), Ok) {
            Ok(stream) => stream,
            Err(error) => {
                count(&sums.refused, error.to_string());
                // Who is refused at once would count thousands.
                std::thread::yield_now();
                continue;
            }
        };
        match exchange(&mut stream, request) {
            Ok(stays) => {
                sums.answered.fetch_add(1, Ordering::Relaxed);
                if keep && !stays {
                    sums.told_to_go.fetch_add(1, Ordering::Relaxed);
                }
                kept = (keep && stays).then_some(stream);
            }
            Err((0, error)) if reused => count(&sums.again, error.to_string()),
            Err((0, error)) => count(&sums.unanswered, error.to_string()),
            Err((bytes, error)) => count(&sums.truncated, format!("{error} after {bytes} bytes")),
        }
    }
}

/// Asks and reads the whole answer; whether the connection may be used again. Else how much of an answer came, and why
/// there was no more.
fn exchange(stream: &mut TcpStream, request: &str) -> Result<bool, (usize, io::Error)> {
    let mut answer = Vec::new();
    let mut talk = || {
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(request.as_bytes())?;
        let head = loop {
            if let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            more(stream, &mut answer)?;
        };
        let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let length = length.ok_or_else(|| io::Error::other(format!("no length: {text}")))?;
        if !text.starts_with("http/1.1 200 ") {
            return Err(io::Error::other(text));
        }
        while answer.len() < head + length {
            more(stream, &mut answer)?;
        }
        Ok(!text.contains("\nconnection: close"))
    };
    let result = talk();
    result.map_err(|error| (answer.len(), error))
}

fn more(stream: &mut TcpStream, into: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            into.extend_from_slice(&bytes[..count]);
            Ok(())
        }
    }
}
