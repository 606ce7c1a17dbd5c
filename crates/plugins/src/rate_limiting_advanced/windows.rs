//! The windows of `rate-limiting-advanced`: a limiter for each, found again after a reload.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use sluice_limits::{MAX_WINDOWS, Policy, Quota, QuotaError, algorithm};

use crate::plugin::BuildCx;

/// How requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowType {
    /// The last window counts by how much of it is still in sight (Kong's formula).
    #[default]
    Sliding,
    /// Windows that begin at multiples of their length, in UTC.
    Fixed,
    /// Evenly spaced, with a burst (governor's GCRA).
    Gcra,
    /// The time of every request is remembered: never more than the limit in any window. For limits up to 10,000.
    Exact,
}

/// The options that say how much is admitted in how long.
pub(super) struct Windows<'a> {
    pub limits: &'a [u64],
    pub sizes: &'a [u64],
    pub window_type: WindowType,
    pub burst: Option<u64>,
    pub charge_rejected: bool,
    pub namespace: Option<&'a str>,
}

impl Windows<'_> {
    /// The policy, if all is right.
    pub fn check(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<Policy> {
        if self.limits.len() != self.sizes.len() {
            let message = "You must provide the same number of windows and limits";
            problems.push(cx.block.problem_at("window_size", message).help(format!("there are {} limits", self.limits.len())));
            return None;
        }
        if self.limits.is_empty() || self.limits.len() > MAX_WINDOWS {
            problems.push(cx.block.problem_at("limit", format!("needs between one and {MAX_WINDOWS} limits")));
            return None;
        }
        if self.burst.is_some() && self.window_type != WindowType::Gcra {
            problems.push(cx.block.problem_at("burst", "is for `window_type = \"gcra\"` only"));
        }
        if self.namespace == Some("") {
            problems
                .push(cx.block.problem_at("namespace", "must not be empty").help("take it out, or name what counts together"));
        }
        for (index, size) in self.sizes.iter().enumerate() {
            if self.sizes[..index].contains(size) {
                let path = cx.block.path().key("window_size").index(index);
                problems.push(Problem::at(path, format!("there is a window of {size} seconds already")));
            }
        }
        self.policy(cx, problems)
    }

    /// Under which name it counts: its own path, or that of its namespace.
    fn owner(&self, cx: &BuildCx<'_>) -> String {
        // No path begins like this.
        self.namespace.map_or_else(|| cx.block.path().to_string(), |name| format!("namespace {name}"))
    }

    /// The most that one request may cost and still fit into every window.
    pub fn smallest(&self) -> Option<u64> {
        let burst = self.burst.filter(|_| self.window_type == WindowType::Gcra);
        burst.or_else(|| self.limits.iter().min().copied())
    }

    fn policy(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<Policy> {
        let name = match self.window_type {
            WindowType::Sliding => "sliding",
            WindowType::Fixed => "fixed",
            WindowType::Gcra => "gcra",
            WindowType::Exact => "exact",
        };
        let algorithm = algorithm(name).expect("every window type is an algorithm");
        let owner = self.owner(cx);
        let mut limiters = Vec::new();
        for (index, (limit, size)) in self.limits.iter().zip(self.sizes).enumerate() {
            match cx.limiters.get(&owner, algorithm, &self.quota(*limit, *size)) {
                Ok(limiter) => limiters.push(limiter),
                Err(error) => problems.push(quota_problem(cx, index, error)),
            }
        }
        Policy::new(limiters).ok()
    }

    fn quota(&self, limit: u64, size: u64) -> Quota {
        Quota { charge_rejected: self.charge_rejected, burst: self.burst, ..Quota::new(limit, Duration::from_secs(size)) }
    }
}

/// Points at the very limit, window or burst.
fn quota_problem(cx: &BuildCx<'_>, index: usize, error: QuotaError) -> Problem {
    let path = match error {
        QuotaError::Limit(_) => cx.block.path().key("limit").index(index),
        QuotaError::Window(_) => cx.block.path().key("window_size").index(index),
        QuotaError::Burst(_) => cx.block.path().key("burst"),
    };
    Problem::at(path, error.to_string())
}
