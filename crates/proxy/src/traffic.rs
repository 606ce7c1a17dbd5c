//! How many requests there were, and how many are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the proxy.
#[derive(Default)]
pub struct Traffic {
    begun: AtomicU64,
    ended: AtomicU64,
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

    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::AcqRel);
        UnderWay(Some(self.clone()))
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
