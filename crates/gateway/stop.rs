//! How the gateway stops: it says that it is not ready, accepts no more, ends what is under way, lets the hooks deliver or
//! keep what waits, and goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora_core::services::background::BackgroundService;
use sluice_proxy::Traffic;
use tokio::sync::watch;

use crate::life::{Life, Why};
use crate::listeners::Listeners;

/// How often it is looked whether the last request has ended.
const LOOK: Duration = Duration::from_millis(5);
/// How long what was accepted last may need to reach the proxy.
const ARRIVAL: Duration = Duration::from_millis(50);
/// How long clients that keep their connections have to ask once more, and to be told to come by another one. Who was
/// idle for so long loses nothing but by chance.
const LEAVE: Duration = Duration::from_millis(250);
/// How long it may take to close connections that are idle.
const CLOSE: Duration = Duration::from_millis(100);

/// Tells Pingora when to stop: some time after a signal, at once if another process accepts already.
pub struct Stop {
    pub life: Arc<Life>,
    pub listeners: Arc<Listeners>,
    pub delay: Duration,
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        if self.life.stopping().await == Why::Asked && !self.delay.is_zero() {
            tracing::info!("stopping in {:?}: until then requests are accepted, and /status/ready says that it ends", self.delay);
            tokio::time::sleep(self.delay).await;
        }
        tracing::info!("stopping: no more requests are accepted, those under way end");
        // Pingora closes its own; with these open, clients would still connect, and nobody would accept.
        self.listeners.let_go();
        ShutdownSignal::GracefulTerminate
    }
}

/// Tells when the last request has ended after a stop began, or when the time for that is over.
pub struct Drain {
    pub traffic: Arc<Traffic>,
    pub timeout: Duration,
    /// Told when connections that are idle are to be closed.
    pub leave: watch::Sender<bool>,
    pub drained: watch::Sender<bool>,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        begun(&mut shutdown).await;
        let began = Instant::now();
        while !self.is_over(began.elapsed()) {
            tokio::time::sleep(LOOK).await;
        }
        self.leave.send_replace(true);
        self.drained.send_replace(true);
    }
}

impl Drain {
    fn is_over(&self, elapsed: Duration) -> bool {
        let (active, open) = (self.traffic.active(), self.traffic.connections().open);
        if elapsed >= LEAVE {
            self.leave.send_if_modified(|leave| !std::mem::replace(leave, true));
        }
        // Whoever is connected and asks nothing is not waited for.
        let nobody = active == 0 && (open == 0 && elapsed >= ARRIVAL || elapsed >= LEAVE + CLOSE);
        if !nobody && elapsed >= self.timeout {
            tracing::warn!(left = active, "requests are cut off: shutdown_timeout is over");
        }
        nobody || elapsed >= self.timeout
    }
}

/// Resolves when a stop begins.
pub async fn begun(shutdown: &mut ShutdownWatch) {
    // A sender that is gone means the same.
    let _ = shutdown.wait_for(|stopping| *stopping).await;
}

/// When what serves beside the proxy accepts no more: after the last request, or before, if another process accepts.
#[derive(Clone)]
pub struct Farewell {
    pub life: Arc<Life>,
    pub drained: watch::Receiver<bool>,
}

impl Farewell {
    /// Resolves then.
    pub async fn said(self, mut shutdown: ShutdownWatch) {
        begun(&mut shutdown).await;
        if self.life.stopping().await == Why::Asked {
            drained(self.drained).await;
        }
    }
}

/// Resolves when the last request has ended.
pub async fn drained(mut drained: watch::Receiver<bool>) {
    let _ = drained.wait_for(|done| *done).await;
}
