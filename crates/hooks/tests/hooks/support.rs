//! A receiver on a free port, a running engine, and waiting with a deadline.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sluice_config::{EventHook, ProcessEnvironment, Source};
use sluice_events::{Bus, Emitter, Entity, RateLimitExceeded, Window};
use sluice_hooks::{Egress, Engine, HookStats, Options, Record, WantedRecords, build};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// What a test waits at most.
const DEADLINE: Duration = Duration::from_secs(20);

/// The hooks of a configuration that is good as far as config knows.
pub fn entries(text: &str) -> Vec<EventHook> {
    let draft = sluice_config::read(Source::new("gateway.toml", text), &ProcessEnvironment);
    assert_eq!(draft.problems, []);
    draft.config.event_hooks
}

/// A hook on rejections with this handler and these further lines.
pub fn hook(name: &str, rest: &str) -> String {
    format!("[event_hooks.{name}]\nsource = \"rate-limiting-advanced\"\nevent = \"rate-limit-exceeded\"\n{rest}\n")
}

/// A `webhook` to this address, with lines beside `config`.
pub fn webhook(name: &str, to: SocketAddr, beside: &str) -> String {
    hook(name, &format!("handler = \"webhook\"\n{beside}\nconfig.url = \"http://{to}/in\""))
}

/// A request as the receiver got it.
#[derive(Debug)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A receiver that keeps what it gets.
pub struct Receiver {
    pub addr: SocketAddr,
    requests: mpsc::UnboundedReceiver<Received>,
}

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

impl Receiver {
    /// Answers the n-th request (from 0) with what `answer` gives.
    pub async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let (answer, number) = (Arc::new(answer), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let app = axum::Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // Nobody listens any more once the test is over.
            let _ = sender.send(Received { method, uri, headers, body });
            answer(number)
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { addr, requests }
    }

    pub async fn good() -> Self {
        Self::start(|_| Box::pin(async { "ok".into_response() })).await
    }

    /// Answers with these statuses in turn, and the last of them from then on.
    pub async fn statuses(statuses: &'static [u16]) -> Self {
        Self::start(move |n| Box::pin(async move { status(statuses[n.min(statuses.len() - 1)]) })).await
    }

    /// Never answers.
    pub async fn hanging() -> Self {
        Self::start(|_| Box::pin(std::future::pending())).await
    }

    pub async fn next(&mut self) -> Received {
        in_time("a request", self.requests.recv()).await.unwrap()
    }

    /// What came so far and was not asked for.
    pub fn rest(&mut self) -> Vec<Received> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

pub fn status(status: u16) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

/// An address where nobody listens.
pub async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// An engine at work.
pub struct Running {
    pub engine: Arc<Engine>,
    pub emitter: Emitter<RateLimitExceeded>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub fn start(state_dir: &Path, text: &str) -> Self {
        Self::start_after(None, state_dir, text)
    }

    /// One that replaces another, which may go on for so long.
    pub fn start_after(predecessor: Option<Duration>, state_dir: &Path, text: &str) -> Self {
        // The binary does this; in a test nobody else has.
        static RING: Once = Once::new();
        RING.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let bus = Arc::new(Bus::default());
        let engine =
            Engine::new(bus.clone(), Options { state_dir: state_dir.into(), grace: Duration::from_millis(200), predecessor });
        let (stop, stopped) = oneshot::channel();
        let (runner, hooks) = (engine.clone(), built(text));
        engine.replace(hooks);
        let task = tokio::spawn(async move { runner.run(async { drop(stopped.await) }).await });
        Self { engine, emitter: bus.emitter(), stop, task }
    }

    pub fn reload(&self, text: &str) {
        self.engine.replace(built(text));
    }

    /// A rejection of Joe's request from this address.
    pub fn emit(&self, ip: u32) {
        self.emit_of(json!({ "id": "00000000-0000-0000-0000-000000000007", "username": "Joe" }), ip);
    }

    pub fn emit_of(&self, consumer: Value, ip: u32) {
        let entity = |id, json| Arc::new(Entity::new(id, json));
        let consumer = (!consumer.is_null()).then(|| entity(7, consumer));
        let service = Some(entity(8, json!({ "id": "00000000-0000-0000-0000-000000000008", "name": "demo", "port": 80 })));
        let ip = IpAddr::from(ip.to_be_bytes());
        self.emitter.emit(|| RateLimitExceeded {
            consumer,
            ip,
            service,
            route: None,
            rate: 4,
            limit: 3,
            window: Window(60),
            shadow: false,
        });
    }

    /// The id of the hook of this name.
    pub fn id(&self, name: &str) -> uuid::Uuid {
        self.stats(name).id
    }

    /// What the outbox has of this state, the newest first.
    pub async fn records(&self, state: &'static str) -> Vec<Record> {
        let wanted = WantedRecords { state: Some(state), limit: 100_000, ..WantedRecords::default() };
        self.engine.records(wanted).await.unwrap()
    }

    pub fn stats(&self, name: &str) -> HookStats {
        let stats = self.engine.stats().into_iter().find(|stats| stats.name == name).expect("a hook of this name");
        let HookStats { matched, delivered, filtered, swallowed, waiting, failed, dropped, .. } = stats;
        assert_eq!(matched, delivered + filtered + swallowed + waiting + failed + dropped, "nothing is lost");
        stats
    }

    /// Waits until the counters of a hook are as they should be.
    pub async fn until(&self, name: &str, good: impl Fn(&HookStats) -> bool) -> HookStats {
        let wait = async {
            loop {
                let stats = self.stats(name);
                if good(&stats) {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        in_time("the counters", wait).await
    }

    /// Ends it nearly as a kill does: nobody says goodbye to the outbox.
    pub async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        in_time("the stop", self.task).await.unwrap();
    }
}

fn built(text: &str) -> Vec<sluice_hooks::Hook> {
    let (hooks, problems) = build(&entries(text), &Egress::default());
    assert_eq!(problems, []);
    hooks
}

pub async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("{what} did not come in time"))
}

/// How many deliveries in the outbox of a process that is gone wait, and for how many events they stand.
pub fn left(state_dir: &Path) -> (u64, u64) {
    let database = rusqlite::Connection::open(state_dir.join("outbox.db")).unwrap();
    let sql = "SELECT count(*), coalesce(sum(count), 0) FROM deliveries WHERE state = 0";
    database.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))).unwrap()
}

/// Waits until the outbox is as it should be.
pub async fn outbox_is(running: &Running, state: &str) {
    let wait = async {
        while running.engine.outbox().state != state {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(state, wait).await;
}
