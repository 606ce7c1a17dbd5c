//! How slow a client may be with what it has begun: it has so much time to spend waiting, and earns it back by the bytes
//! that it sends or takes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A client's way with one body, one way.
#[derive(Debug)]
pub(crate) struct Pace {
    /// How long it may be waited for in one go.
    most: Duration,
    /// Bytes a second that make up for a second; 0: any bytes make up for all.
    rate: u64,
    /// What is left of the time.
    left: Duration,
    /// Since when it is waited for, if it is.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// It was too slow.
    over: bool,
}

impl Pace {
    /// Nothing is waited for yet.
    pub fn new(most: Duration, rate: u64) -> Self {
        Self { most, rate, left: most, since: None, timer: None, over: false }
    }

    /// So many bytes moved.
    pub fn moved(&mut self, bytes: usize) {
        let Some(since) = self.since.take() else { return };
        let waited = self.left.saturating_sub(since.elapsed());
        let micros = (bytes as u64).saturating_mul(1_000_000).checked_div(self.rate).unwrap_or(u64::MAX);
        self.left = waited.saturating_add(Duration::from_micros(micros)).min(self.most);
    }

    /// Nothing moves. Ready when that was so for too long.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = *self.since.get_or_insert_with(Instant::now) + self.left;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // A timer that is too early is set again when it fires, and one that is too late at once.
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= until {
                self.over = true;
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
        Poll::Pending
    }

    /// Whether it was too slow once.
    pub fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const MOST: Duration = Duration::from_secs(30);

    /// So many bytes every so often: after how long it was too slow, if it was within the hour.
    async fn slow_after(rate: u64, bytes: usize, every: Duration) -> Option<u64> {
        let (mut pace, began) = (Pace::new(MOST, rate), Instant::now());
        while began.elapsed() < Duration::from_secs(3600) {
            if timeout(every, poll_fn(|cx| pace.poll_over(cx))).await.is_ok() {
                return Some(began.elapsed().as_secs());
            }
            pace.moved(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_fast_enough_goes_on_and_who_is_not_is_too_slow_soon() {
        let second = Duration::from_secs(1);
        assert_eq!(slow_after(240, 240, second).await, None);
        assert_eq!(slow_after(240, 240 * 25, 25 * second).await, None);
        assert_eq!(slow_after(240, 1, second).await, Some(30));
        assert_eq!(slow_after(240, 120, second).await, Some(59));
        assert_eq!(slow_after(240, 1 << 20, 31 * second).await, Some(30));
        assert_eq!(slow_after(0, 1, 29 * second).await, None);
        assert_eq!(slow_after(0, 1, 31 * second).await, Some(30));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_for_it_is_not_the_clients() {
        let mut pace = Pace::new(MOST, 240);
        for _ in 0..10 {
            assert!(poll_fn(|cx| Poll::Ready(pace.poll_over(cx))).await.is_pending());
            pace.moved(1);
            advance(MOST).await;
        }
    }
}
