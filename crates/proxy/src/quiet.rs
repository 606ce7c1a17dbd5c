//! How long both ends of an upgraded connection may say nothing: silence of one of them alone is no reason to close it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// A watch over a connection.
pub(crate) struct Quiet {
    limit: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Quiet {
    /// Begins to watch.
    pub fn new(limit: Duration) -> Self {
        Self { limit, since: Instant::now(), timer: Box::pin(sleep(limit)) }
    }

    /// Something was said, by whomever.
    pub fn broken(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when it was quiet for too long.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The timer is set once and looked at when it fires; what is said moves only `since`.
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.since.elapsed() >= self.limit {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.since + self.limit);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_nothing_was_said_for_the_whole_time() {
        let mut quiet = Quiet::new(Duration::from_secs(60));
        let started = Instant::now();
        for _ in 0..5 {
            sleep(Duration::from_secs(50)).await;
            assert!(std::future::poll_fn(|cx| Poll::Ready(quiet.poll_over(cx))).await.is_pending());
            quiet.broken();
        }
        std::future::poll_fn(|cx| quiet.poll_over(cx)).await;
        assert_eq!(started.elapsed().as_secs(), 5 * 50 + 60);
    }
}
