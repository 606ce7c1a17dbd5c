//! What an answer says of limits: Kong's `X-RateLimit-*` for each window, and `RateLimit-*` for the tightest.

use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use sluice_events::Window;
use sluice_limits::{Decision, Verdict};

use crate::cx::ResponseHeaders;
use crate::number::number;

static LIMIT: Bytes = Bytes::from_static(b"RateLimit-Limit");
static REMAINING: Bytes = Bytes::from_static(b"RateLimit-Remaining");
static RESET: Bytes = Bytes::from_static(b"RateLimit-Reset");

/// The names of the headers of each window, made once.
pub(super) struct Names(Vec<(Window, Bytes, Bytes)>);

impl Names {
    pub fn new(windows: &[Window]) -> Self {
        let name = |kind: &str, window: &Window| Bytes::from(format!("X-RateLimit-{kind}-{}", window.header_name()));
        Self(windows.iter().map(|window| (*window, name("Limit", window), name("Remaining", window))).collect())
    }

    pub fn write(&self, verdict: &Verdict<'_>, out: &mut ResponseHeaders) {
        let mut tightest: Option<(Window, &Decision)> = None;
        for ((window, limit, remaining), decision) in self.0.iter().zip(verdict.decisions) {
            out.push((limit.clone(), number(decision.limit)));
            out.push((remaining.clone(), number(decision.remaining)));
            let tighter = tightest.is_none_or(|(than, best)| (decision.remaining, than.0) < (best.remaining, window.0));
            if tighter {
                tightest = Some((*window, decision));
            }
        }
        // Of a refusal the window that refused is the tightest, whatever remains elsewhere.
        let refused = verdict.refused_by.map(|index| &verdict.decisions[index]);
        if let Some(decision) = refused.or(tightest.map(|(_, decision)| decision)) {
            out.push((LIMIT.clone(), number(decision.limit)));
            out.push((REMAINING.clone(), number(decision.remaining)));
            out.push((RESET.clone(), number(seconds(decision.reset))));
        }
    }
}

pub(super) fn retry_after(seconds: u64) -> (Bytes, HeaderValue) {
    (Bytes::from_static(b"Retry-After"), number(seconds))
}

/// Whole seconds, rounded up, at least one.
pub(super) fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}
