//! How the gateway stops: it accepts no more, ends what is under way, lets the hooks deliver or keep what waits, and goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use sluice_proxy::Traffic;
use tokio::sync::watch;

/// How often it is looked whether the last request has ended.
const LOOK: Duration = Duration::from_millis(5);

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
