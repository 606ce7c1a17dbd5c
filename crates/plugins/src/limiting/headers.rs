//! What an answer says of limits: Kong's `X-RateLimit-*` for each window, and of the tightest Kong's `RateLimit-*`, or of
//! all of them the fields of the IETF draft (draft-ietf-httpapi-ratelimit-headers-11).

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use http::header::HeaderValue;
use sluice_events::Window;
use sluice_limits::{Decision, Policy, Quota, Verdict};

use crate::response_headers::{Prepared, ResponseHeaders};

static LIMIT: LazyLock<Prepared> = LazyLock::new(|| Prepared::name("RateLimit-Limit"));
static REMAINING: LazyLock<Prepared> = LazyLock::new(|| Prepared::name("RateLimit-Remaining"));
static RESET: LazyLock<Prepared> = LazyLock::new(|| Prepared::name("RateLimit-Reset"));
const DRAFT_POLICY: &str = "RateLimit-Policy";
const DRAFT: &str = "RateLimit";

/// What is said beside `X-RateLimit-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` of the tightest window.
    Kong,
    /// `RateLimit-Policy` and `RateLimit`, an item for each window.
    Draft,
}

/// The headers of a limit; what does not change is made once.
pub(crate) struct Headers {
    windows: Vec<Names>,
    /// The draft's policy, if that is the style.
    policy: Option<HeaderValue>,
}

struct Names {
    window: Window,
    label: String,
    limit: Prepared,
    remaining: Prepared,
}

impl Headers {
    /// The headers of these windows and their limits.
    pub fn new(windows: &[Window], limits: &Policy, style: Style) -> Self {
        let name = |kind: &str, window: &Window| format!("X-RateLimit-{kind}-{}", window.header_name());
        let quotas = || windows.iter().zip(limits.windows()).map(|(window, limiter)| (window, limiter.quota()));
        let names = quotas().map(|(window, quota)| Names {
            window: *window,
            label: window.label(),
            limit: Prepared::line(&name("Limit", window), quota.burst.unwrap_or(quota.limit)),
            remaining: Prepared::name(&name("Remaining", window)),
        });
        let item = |(window, quota): (&Window, &Quota)| format!("\"{}\";q={};w={}", window.label(), quota.limit, window.0);
        let policy = || quotas().map(item).collect::<Vec<_>>().join(", ");
        let policy = (style == Style::Draft).then(|| HeaderValue::try_from(policy()).expect("names and numbers are ASCII"));
        Self { windows: names.collect(), policy }
    }

    /// Writes how each window stands.
    pub fn write(&self, verdict: &Verdict<'_>, out: &mut ResponseHeaders) {
        for (names, decision) in self.windows.iter().zip(verdict.decisions) {
            out.put_line(&names.limit);
            out.put_under(&names.remaining, decision.remaining);
        }
        match &self.policy {
            Some(policy) => {
                out.put(DRAFT_POLICY, policy);
                if let Some(value) = self.draft(verdict) {
                    out.put(DRAFT, &value);
                }
            }
            None => self.write_tightest(verdict, out),
        }
    }

    fn write_tightest(&self, verdict: &Verdict<'_>, out: &mut ResponseHeaders) {
        // Of a refusal the window that refused is the tightest, whatever remains elsewhere. Of two that leave the same
        // it is the longer: it takes longer to come back.
        let refused = verdict.refused_by.map(|index| &verdict.decisions[index]);
        let all = self.windows.iter().zip(verdict.decisions);
        let tightest = all.min_by_key(|(names, decision)| (decision.remaining, std::cmp::Reverse(names.window.0)));
        if let Some(decision) = refused.or(tightest.map(|(_, decision)| decision)) {
            out.put_under(&LIMIT, decision.limit);
            out.put_under(&REMAINING, decision.remaining);
            out.put_under(&RESET, seconds(decision.reset));
        }
    }

    /// `"minute";r=2;t=50, "hour";r=9;t=3590`
    fn draft(&self, verdict: &Verdict<'_>) -> Option<HeaderValue> {
        let mut value = String::new();
        for (names, Decision { remaining, reset, .. }) in self.windows.iter().zip(verdict.decisions) {
            let comma = if value.is_empty() { "" } else { ", " };
            write!(value, "{comma}\"{}\";r={remaining};t={}", names.label, seconds(*reset)).ok()?;
        }
        HeaderValue::try_from(value).ok()
    }
}

/// Whole seconds, rounded up, at least one.
pub(super) fn seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}
