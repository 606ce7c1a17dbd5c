//! A client that sends exactly what it is told to.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use sluice_admin::{Listener, Options, router, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::fake::{FILE, Fake};

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JSON: &str = "application/json";

const SOCKET: &str = "admin.sock";

/// A running Admin API.
pub struct Api {
    pub addr: SocketAddr,
    /// Where it is, if not at the address.
    file: Option<tempfile::TempDir>,
    pub gateway: Arc<Fake>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The answer if it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

pub async fn start() -> Api {
    start_with(FILE, None).await
}

pub async fn start_with(file: &str, token: Option<&str>) -> Api {
    let admin = token.map(|token| format!("[admin]\ntoken = \"{token}\"\n")).unwrap_or_default();
    let gateway = Fake::new(&(admin + file));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(serve(Listener::Tcp(listener), router(gateway.clone(), options()), std::future::pending()));
    Api { addr, file: None, gateway }
}

/// One at a socket that is a file.
pub async fn start_at_file(file: &str) -> Api {
    let gateway = Fake::new(file);
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
    tokio::spawn(serve(Listener::Unix(listener), router(gateway.clone(), options()), std::future::pending()));
    Api { addr: ([127, 0, 0, 1], 1).into(), file: Some(folder), gateway }
}

fn options() -> Options {
    Options { version: "0.1.0", plugins: vec![("key-auth", 1250), ("rate-limiting-advanced", 910)] }
}

impl Api {
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], "").await
    }

    pub async fn form(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(method, path, &[("Content-Type", FORM)], &body).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[("Content-Type", JSON)], &body.to_string()).await
    }

    /// Sends a request with these headers; Host is the address unless it is among them.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str(&format!("Host: {}\r\n", self.addr));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        self.raw(&format!("{head}\r\n{body}")).await
    }

    pub async fn raw(&self, request: &str) -> Answer {
        let stream = match &self.file {
            Some(folder) => Either::Left(UnixStream::connect(folder.path().join(SOCKET)).await.unwrap()),
            None => Either::Right(TcpStream::connect(self.addr).await.unwrap()),
        };
        let (mut reader, mut writer) = tokio::io::split(stream);
        let request = request.to_owned();
        // A server that refuses a body may answer before it has all of it.
        let sending = tokio::spawn(async move { writer.write_all(request.as_bytes()).await.map(|()| writer) });
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        drop(sending.await);
        let answer = String::from_utf8(answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head[9..12].parse().unwrap();
        Answer { status, head: head.to_owned(), text: text.to_owned() }
    }
}
