//! How many requests and connections there were, and how many there are; what is known of requests without a route.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::access_log::Lines;
use crate::complaints::Complaints;
use crate::floods::Floods;
use crate::tally::{Sums, Tally};

/// Counters of the proxy.
#[derive(Default)]
pub struct Traffic {
    begun: AtomicU64,
    ended: AtomicU64,
    failed_handshakes: AtomicU64,
    plain: AtomicU64,
    tls: AtomicU64,
    accepted: AtomicU64,
    closed: AtomicU64,
    pub(crate) unrouted: Tally,
    pub(crate) lines: Lines,
    pub(crate) complaints: Complaints,
    pub(crate) floods: Floods,
}

impl Traffic {
    /// Requests since the start.
    pub fn total(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Requests under way.
    pub fn active(&self) -> u64 {
        // In this order a request that ends between the two is counted as ended, never as more than begun.
        let ended = self.ended.load(Ordering::Acquire);
        self.begun.load(Ordering::Acquire).saturating_sub(ended)
    }

    /// What was counted of requests that were of no route.
    pub fn unrouted(&self) -> Sums {
        self.unrouted.sums()
    }

    /// The lines of the access log that nobody has written yet.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// What clients did that they were refused for.
    pub fn complaints(&self) -> &Complaints {
        &self.complaints
    }

    /// Connections of clients.
    pub fn connections(&self) -> Connections {
        let closed = self.closed.load(Ordering::Acquire);
        let [plain, tls] = [&self.plain, &self.tls].map(|counter| counter.load(Ordering::Acquire));
        // In this order no connection is closed before it was accepted.
        let accepted = self.accepted.load(Ordering::Acquire);
        Connections { plain, tls, open: accepted.saturating_sub(closed) }
    }

    /// A client has connected. It is gone when what is returned is.
    pub(crate) fn accept(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Ordering::AcqRel);
        Open(self.clone())
    }

    /// Connections that did not come in because their TLS handshake failed.
    pub fn failed_handshakes(&self) -> u64 {
        self.failed_handshakes.load(Ordering::Relaxed)
    }

    pub(crate) fn handshake_failed(&self) {
        self.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::AcqRel);
        UnderWay(Some(self.clone()))
    }
}

/// How many connections of clients there were, and how many are open.
pub struct Connections {
    /// Without TLS, since the start.
    pub plain: u64,
    /// With TLS, since the start.
    pub tls: u64,
    /// Of both, and of those that are not in yet, now.
    pub open: u64,
}

/// A connection that is open.
pub(crate) struct Open(Arc<Traffic>);

impl Open {
    /// It came in, with TLS or without.
    pub fn came_in(&self, tls: bool) {
        if tls { &self.0.tls } else { &self.0.plain }.fetch_add(1, Ordering::AcqRel);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::AcqRel);
    }
}

/// A request under way; dropping it ends it, on whatever way the request leaves.
pub(crate) struct UnderWay(Option<Arc<Traffic>>);

impl UnderWay {
    /// It has not begun after all: somebody else begins it again.
    pub fn undo(&mut self) {
        if let Some(traffic) = self.0.take() {
            traffic.begun.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(traffic) = &self.0 {
            traffic.ended.fetch_add(1, Ordering::AcqRel);
        }
    }
}
