//! What an answer says of limits: Kong's `X-RateLimit-*` for each window, and of the tightest Kong's `RateLimit-*`, or of
//! all of them the fields of the IETF draft (draft-ietf-httpapi-ratelimit-headers-11).

use std::cmp::Reverse;
use std::time::Duration;

use sluice_events::Window;
use sluice_limits::{Decision, MAX_WINDOWS, Policy, Quota, Verdict};
use smallvec::SmallVec;

use crate::response_headers::{Prepared, ResponseHeaders};

/// What is said beside `X-RateLimit-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` of the tightest window.
    Kong,
    /// `RateLimit-Policy` and `RateLimit`, an item for each window.
    Draft,
}

/// The headers of a limit: all but the numbers is made once.
pub(crate) struct Headers {
    windows: Vec<Window>,
    style: Style,
    lines: Prepared,
}

/// The numbers of an answer: of each window what remains, and that again with its reset.
type Numbers = SmallVec<[u64; 3 * MAX_WINDOWS]>;

impl Headers {
    /// The headers of these windows and their limits.
    pub fn new(windows: &[Window], limits: &Policy, style: Style) -> Self {
        let quotas = || windows.iter().zip(limits.windows()).map(|(window, limiter)| (window, limiter.quota()));
        let of_window = |(window, quota): (&Window, &Quota)| {
            let (name, limit) = (window.header_name(), quota.burst.unwrap_or(quota.limit));
            [format!("X-RateLimit-Limit-{name}: {limit}"), format!("X-RateLimit-Remaining-{name}: {{}}")]
        };
        let mut lines: Vec<String> = quotas().flat_map(of_window).collect();
        match style {
            Style::Kong => lines.extend(["Limit", "Remaining", "Reset"].map(|what| format!("RateLimit-{what}: {{}}"))),
            Style::Draft => {
                let policy = quotas().map(|(window, quota)| format!("\"{}\";q={};w={}", window.label(), quota.limit, window.0));
                let stands = windows.iter().map(|window| format!("\"{}\";r={{}};t={{}}", window.label()));
                lines.push(format!("RateLimit-Policy: {}", policy.collect::<Vec<_>>().join(", ")));
                lines.push(format!("RateLimit: {}", stands.collect::<Vec<_>>().join(", ")));
            }
        }
        Self { windows: windows.to_vec(), style, lines: Prepared::lines(&lines) }
    }

    /// Writes how each window stands.
    pub fn write(&self, verdict: &Verdict<'_>, out: &mut ResponseHeaders) {
        let mut numbers: Numbers = verdict.decisions.iter().map(|decision| decision.remaining).collect();
        match self.style {
            Style::Kong => {
                let tightest = self.tightest(verdict);
                numbers.extend([tightest.limit, tightest.remaining, seconds(tightest.reset)]);
            }
            Style::Draft => {
                numbers.extend(verdict.decisions.iter().flat_map(|decision| [decision.remaining, seconds(decision.reset)]));
            }
        }
        out.put(&self.lines, &numbers);
    }

    /// Of a refusal the window that refused is the tightest, whatever remains elsewhere. Of two that leave the same it is
    /// the longer: it takes longer to come back.
    fn tightest<'a>(&self, verdict: &'a Verdict<'_>) -> &'a Decision {
        let key = |index: usize| (verdict.decisions[index].remaining, Reverse(self.windows[index].0));
        let tightest = verdict.refused_by.or_else(|| (0..verdict.decisions.len()).min_by_key(|index| key(*index)));
        &verdict.decisions[tightest.expect("a limit has a window")]
    }
}

/// Whole seconds, rounded up, at least one.
pub(super) fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}
