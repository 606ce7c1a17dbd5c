//! An upstream that can be killed and come back at the same address, that counts what it is asked, and can misbehave.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{free_address, read_head};

/// What a node does with a request: it writes the answer and says whether the connection stays.
pub type Answer = dyn Fn(&str, &mut TcpStream) -> bool + Send + Sync;

pub struct Node {
    pub address: SocketAddr,
    hits: Arc<AtomicUsize>,
    answer: Arc<Answer>,
    running: Option<Running>,
}

struct Running {
    over: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    accepting: JoinHandle<()>,
}

impl Node {
    /// A node that answers 200 and its own address.
    pub fn start() -> Self {
        let address = free_address();
        Self::at(address, Arc::new(move |_, stream| ok(stream, &address.to_string())))
    }

    /// A node that answers so.
    pub fn answering(answer: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        Self::at(free_address(), Arc::new(answer))
    }

    fn at(address: SocketAddr, answer: Arc<Answer>) -> Self {
        let mut node = Self { address, hits: Arc::default(), answer, running: None };
        node.revive();
        node
    }

    /// How many requests came.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// It is gone, with all of its connections.
    pub fn kill(&mut self) {
        let Some(Running { over, streams, accepting }) = self.running.take() else { return };
        over.store(true, Ordering::SeqCst);
        // Whoever waits for a connection gets one.
        let _ = TcpStream::connect(self.address);
        accepting.join().unwrap();
        for stream in streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// It is back.
    pub fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        let (over, streams) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (hits, answer) = (self.hits.clone(), self.answer.clone());
        let (ends, opened) = (over.clone(), streams.clone());
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                opened.lock().unwrap().push(stream.try_clone().unwrap());
                let (hits, answer) = (hits.clone(), answer.clone());
                std::thread::spawn(move || {
                    loop {
                        let head = read_head(&mut stream);
                        if head.is_empty() {
                            return;
                        }
                        if let Some(length) = head
                            .lines()
                            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                        {
                            let mut body = vec![0; length.parse().unwrap()];
                            if stream.read_exact(&mut body).is_err() {
                                return;
                            }
                        }
                        hits.fetch_add(1, Ordering::SeqCst);
                        if !answer(&head, &mut stream) {
                            let _ = stream.shutdown(Shutdown::Both);
                            return;
                        }
                    }
                });
            }
        });
        self.running = Some(Running { over, streams, accepting });
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Answers 200 with this body.
pub fn ok(stream: &mut TcpStream, body: &str) -> bool {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).is_ok()
}
