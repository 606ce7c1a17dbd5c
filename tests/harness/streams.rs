//! HTTP/2 in plain, frame by frame: a client by prior knowledge, and an upstream.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use super::{DEADLINE, Server};

/// Runs a client; one that takes too long has failed.
#[track_caller]
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await }).expect("it takes too long")
}

/// A connection of HTTP/2.
#[derive(Clone)]
pub struct Streams(SendRequest<Bytes>);

impl Streams {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    pub async fn over(stream: TcpStream) -> Self {
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        Self(requests)
    }

    /// Opens a stream; its body follows.
    pub async fn open(&self, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
        self.0.clone().ready().await.unwrap().send_request(request, false).unwrap()
    }

    /// Asks without a body.
    pub async fn send(&self, request: Request<()>) -> ResponseFuture {
        self.0.clone().ready().await.unwrap().send_request(request, true).unwrap().0
    }

    /// Waits until no more can be asked here.
    pub async fn ended(&self) {
        while self.0.clone().ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Asks without a body, for the whole answer.
    pub async fn get(&self, request: Request<()>) -> Answer {
        whole(self.send(request).await.await.unwrap()).await
    }
}

/// A request to `path` of this gateway.
pub fn ask(method: &str, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// An answer with its trailers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    pub trailers: Option<HeaderMap>,
    /// Whether it ended with its head.
    pub head_only: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.as_ref()?.get(name).map(|value| value.to_str().unwrap())
    }
}

/// Reads an answer to its end.
pub async fn whole(answer: Response<RecvStream>) -> Answer {
    let (head, mut stream) = answer.into_parts();
    let head_only = stream.is_end_stream();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        stream.flow_control().release_capacity(data.len()).unwrap();
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await.unwrap();
    let body = String::from_utf8(body).unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, body, trailers, head_only }
}

/// An upstream of HTTP/2 in plain. It says first what it was asked, then every piece of the body as it comes, and ends with
/// trailers; under `/fail` it has only a head, under `/silent` nothing, and under `/large` a MiB.
pub fn streaming() -> Server {
    Server::spawn(async |listener: TcpListener, stopped| {
        tokio::select! {
            () = accept(listener) => {}
            _ = stopped => {}
        }
    })
}

async fn accept(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            // A client that only knocks says nothing.
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(answer(request, respond));
            }
        });
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let kind = head.headers.get("content-type").cloned();
    let answer = || Response::builder().header("content-type", kind.clone().unwrap_or_else(|| "text/plain".parse().unwrap()));
    let path = head.uri.path();
    if path.contains("/silent") {
        std::future::pending::<()>().await;
    }
    if path.contains("/fail") {
        let failed = answer().header("grpc-status", "13").header("grpc-message", "on purpose").body(()).unwrap();
        respond.send_response(failed, true).unwrap();
        return;
    }
    let mut out = respond.send_response(answer().body(()).unwrap(), false).unwrap();
    let names = ["x-forwarded-proto", "x-real-ip", "te", "via", "expect"];
    let said = names.map(|name| format!("{name}={}", head.headers.get(name).map_or("", |value| value.to_str().unwrap())));
    let asked = format!("{} {} {:?} {}\n", head.method, head.uri, head.version, said.join(" "));
    out.send_data(asked.into(), false).unwrap();
    if path.contains("/large") {
        out.send_data(vec![b'x'; 1 << 20].into(), false).unwrap();
    }
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        if out.send_data(data, false).is_err() {
            return;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("x-checksum", "abc".parse().unwrap());
    // Whoever asked may be gone.
    let _ = out.send_trailers(trailers);
}
