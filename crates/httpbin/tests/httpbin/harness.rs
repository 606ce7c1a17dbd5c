//! A running server, and a client that sees every byte.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

/// A step of a test that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("this should not take so long")
}

/// The server, on a port of its own.
pub struct Server {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub stopped: JoinHandle<io::Result<()>>,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = oneshot::channel();
        let shutdown = async {
            drop(stopping.await);
        };
        let stopped = tokio::spawn(sluice_httpbin::serve(listener, shutdown));
        Self { address, stop, stopped }
    }

    pub async fn connect(&self) -> Client {
        Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()))
    }
}

/// The answer to one request, to a server that lives as long.
pub async fn ask(method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let length = body.len();
    client.send(&format!("{method} {path} HTTP/1.1\r\nHost: bin.test\r\nContent-Length: {length}\r\n{headers}\r\n{body}")).await;
    if method == "HEAD" { client.head().await } else { client.reply().await }
}

/// The answer to a plain GET.
pub async fn get(path: &str) -> Reply {
    ask("GET", path, "", "").await
}

/// One connection.
pub struct Client(BufReader<TcpStream>);

/// One response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    pub async fn send(&mut self, data: &str) {
        self.try_send(data.as_bytes()).await.unwrap();
    }

    pub async fn try_send(&mut self, data: &[u8]) -> io::Result<()> {
        soon(self.0.write_all(data)).await
    }

    /// One response without its body: all of it after a HEAD, its start otherwise.
    pub async fn head(&mut self) -> Reply {
        let status = self.line().await;
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, headers, body: Vec::new() }
    }

    /// One response with its body.
    pub async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        if [204, 304].contains(&reply.status) {
            return reply;
        }
        if let Some(length) = reply.header("Content-Length") {
            reply.body = self.bytes(length.parse().unwrap()).await;
        } else if reply.header("Transfer-Encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().await {
                reply.body.extend(chunk);
            }
        } else {
            reply.body = self.rest().await;
        }
        reply
    }

    /// One chunk of a chunked body, or `None` after the last.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line().await, 16).unwrap();
        let chunk = self.bytes(length).await;
        assert_eq!(self.line().await, "");
        (length > 0).then_some(chunk)
    }

    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        line.strip_suffix("\r\n").expect("the line is whole").to_owned()
    }

    pub async fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut data = vec![0; length];
        soon(self.0.read_exact(&mut data)).await.unwrap();
        data
    }

    /// Everything until the server closes the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut data = Vec::new();
        soon(self.0.read_to_end(&mut data)).await.unwrap();
        data
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("Content-Type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }
}
