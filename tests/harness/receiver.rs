//! A receiver of webhooks that remembers what arrived, and can behave badly.

use std::convert::Infallible;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::{DEADLINE, Server};

/// What it answers.
#[derive(Clone)]
pub enum Behaviour {
    /// This status.
    Status(u16),
    /// This status to the first that many requests, then 200.
    FailFirst(usize, u16),
    /// Nothing, ever.
    Hang,
    /// Nothing to the first that many requests, then 200.
    HangFirst(usize),
    /// 200 and a body without an end.
    Endless,
}

/// A webhook that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// How many events the webhook stands for.
    pub fn count(&self) -> u64 {
        self.json()["count"].as_u64().unwrap()
    }
}

type Shared = Arc<(Mutex<Vec<Received>>, Condvar)>;

pub struct Receiver {
    server: Server,
    received: Shared,
}

impl Receiver {
    pub fn start(behaviour: Behaviour) -> Self {
        let received = Shared::default();
        let shared = received.clone();
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let nth = remember(&shared, Received { method, uri, headers, body, at: Instant::now() });
            answer(behaviour.clone(), nth)
        };
        Self { server: Server::start(Router::new().fallback(handler)), received }
    }

    pub fn url(&self) -> String {
        self.server.url("/hook")
    }

    /// What has arrived by now.
    pub fn received(&self) -> Vec<Received> {
        self.received.0.lock().unwrap().clone()
    }

    /// Waits until this many have arrived.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(&format!("{count} webhooks"), |all| all.len() >= count)
    }

    /// Waits until what has arrived is enough.
    #[track_caller]
    pub fn wait_until(&self, what: &str, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let all = self.received.0.lock().unwrap();
        let (all, waited) = self.received.1.wait_timeout_while(all, DEADLINE, |all| !enough(all)).unwrap();
        assert!(!waited.timed_out(), "not within {DEADLINE:?}: {what}; {} arrived", all.len());
        all.clone()
    }
}

fn remember(shared: &Shared, received: Received) -> usize {
    let mut all = shared.0.lock().unwrap();
    all.push(received);
    shared.1.notify_all();
    all.len()
}

async fn answer(behaviour: Behaviour, nth: usize) -> Response {
    let status = |code: u16| StatusCode::from_u16(code).unwrap().into_response();
    match behaviour {
        Behaviour::Status(code) => status(code),
        Behaviour::FailFirst(failing, code) => status(if nth <= failing { code } else { 200 }),
        Behaviour::HangFirst(hanging) if nth > hanging => status(200),
        Behaviour::Hang | Behaviour::HangFirst(_) => std::future::pending().await,
        Behaviour::Endless => {
            let chunks = futures_util::stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024])));
            Body::from_stream(chunks).into_response()
        }
    }
}
