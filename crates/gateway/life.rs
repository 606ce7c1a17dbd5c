//! Where the gateway is in its life, from the start to the stop; all parts look at the same.

use tokio::sync::watch;

/// A part of the gateway's life. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    /// Everything listens.
    Ready,
    Stopping(Why),
}

/// Why the gateway stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A signal asked for it.
    Asked,
    /// Another process has its listeners.
    Replaced,
}

/// The life of this process.
pub struct Life(watch::Sender<Phase>);

impl Default for Life {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Starting))
    }
}

impl Life {
    /// Everything listens, unless the gateway stops by now.
    pub fn ready(&self) {
        self.0.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = Phase::Ready;
            }
            starting
        });
    }

    /// Begins a stop; whether none had begun before.
    pub fn stop(&self, why: Why) -> bool {
        self.0.send_if_modified(|phase| {
            let first = !matches!(phase, Phase::Stopping(_));
            if first {
                *phase = Phase::Stopping(why);
            }
            first
        })
    }

    /// Whether new requests are welcome: here, or where this process was replaced.
    pub fn is_ready(&self) -> bool {
        matches!(*self.0.borrow(), Phase::Ready | Phase::Stopping(Why::Replaced))
    }

    /// Whether a stop has begun.
    pub fn is_stopping(&self) -> bool {
        matches!(*self.0.borrow(), Phase::Stopping(_))
    }

    /// Resolves when everything listens, or the gateway stops before.
    pub async fn started(&self) {
        // The sender is ours, so the wait ends with a phase.
        let _ = self.0.subscribe().wait_for(|phase| *phase != Phase::Starting).await;
    }

    /// Why it stops, once it does.
    pub async fn stopping(&self) -> Why {
        loop {
            // The sender is ours, so the wait ends with a phase.
            if let Ok(phase) = self.0.subscribe().wait_for(|phase| matches!(phase, Phase::Stopping(_))).await
                && let Phase::Stopping(why) = *phase
            {
                return why;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_ready_after_a_stop_but_what_was_replaced() {
        for (why, ready) in [(Why::Asked, false), (Why::Replaced, true)] {
            let life = Life::default();
            life.ready();
            life.stop(why);
            assert_eq!(life.is_ready(), ready, "{why:?}");
        }
    }

    #[tokio::test]
    async fn a_stop_has_the_reason_that_came_first() {
        let life = Life::default();
        assert!(!life.is_ready(), "nothing listens yet");
        life.ready();
        life.started().await;
        assert!(life.is_ready() && !life.is_stopping());
        assert!(life.stop(Why::Asked), "the first");
        assert!(!life.stop(Why::Replaced), "the second");
        life.ready();
        assert!(!life.is_ready() && life.is_stopping());
        assert_eq!(life.stopping().await, Why::Asked);
    }
}
