//! How the gateway stops: it accepts no more, ends what is under way, lets the hooks deliver or keep what waits, and goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch, ShutdownWatch};
use pingora_core::services::background::BackgroundService;
use sluice_proxy::Traffic;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often it is looked whether the last request has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Waits for SIGTERM or SIGINT; a second one ends the process at once.
pub struct Signals;

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
            tracing::error!("signals cannot be waited for");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("stopping: no more requests are accepted, those under way end");
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(130);
        });
        ShutdownSignal::GracefulTerminate
    }
}

/// Tells when the last request has ended after a stop began, or when the time for that is over.
pub struct Drain {
    pub traffic: Arc<Traffic>,
    pub timeout: Duration,
    pub drained: watch::Sender<bool>,
}

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        begun(&mut shutdown).await;
        let deadline = Instant::now() + self.timeout;
        while self.traffic.active() > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK).await;
        }
        let left = self.traffic.active();
        if left > 0 {
            tracing::warn!(left, "requests are cut off: shutdown_timeout is over");
        }
        self.drained.send_replace(true);
    }
}

/// Resolves when a stop begins.
pub async fn begun(shutdown: &mut ShutdownWatch) {
    // A sender that is gone means the same.
    let _ = shutdown.wait_for(|stopping| *stopping).await;
}

/// Resolves when the last request has ended.
pub async fn drained(mut drained: watch::Receiver<bool>) {
    let _ = drained.wait_for(|done| *done).await;
}
