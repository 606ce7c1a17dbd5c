//! The options of `rate-limiting-advanced`, and what must hold between them.

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_config::Problem;
use sluice_events::Window;
use sluice_limits::{MAX_WINDOWS, Policy, Quota, algorithm};

use crate::plugin::BuildCx;

/// Kong's options that are not available yet.
pub(super) const LATER: &[&str] = &[
    "compound_identifier",
    "consumer_groups",
    "counter_key",
    "dictionary_name",
    "enforce_consumer_groups",
    "lock_dictionary_name",
    "namespace",
    "redis",
    "strategy",
    "sync_rate",
    "throttling",
];

/// Options of `rate-limiting-advanced`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// How many requests each window admits.
    limit: Vec<u64>,
    /// The length of each window, in seconds.
    window_size: Vec<u64>,
    /// How requests are counted.
    #[serde(default)]
    window_type: WindowType,
    /// What makes two requests those of one client. Where it is missing, the IP address counts.
    #[serde(default)]
    pub(super) identifier: Identifier,
    /// The header of `identifier = "header"`.
    #[serde(default)]
    header_name: Option<String>,
    /// The path of `identifier = "path"`.
    #[serde(default)]
    pub(super) path: Option<String>,
    /// The status of a refusal.
    #[serde(default = "too_many_requests")]
    error_code: u16,
    /// The message of a refusal.
    #[serde(default = "exceeded")]
    pub(super) error_message: String,
    /// Whether answers say nothing of limits.
    #[serde(default)]
    pub(super) hide_client_headers: bool,
    /// Whether refused requests are not counted. Kong's default is false.
    #[serde(default = "yes")]
    disable_penalty: bool,
    /// Up to how many seconds are added to Retry-After by chance.
    #[serde(default)]
    pub(super) retry_after_jitter_max: u64,
    /// What `window_type = "gcra"` admits at once; the limit, if not written.
    #[serde(default)]
    burst: Option<u64>,
}

/// How requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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

/// How many times the logs of one `exact` window remember at most; 8 bytes each.
const LOGGED_TIMES: u64 = 32_000_000;

/// What makes two requests those of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Identifier {
    /// The client's address; of IPv6 its /64.
    Ip,
    /// The consumer.
    #[default]
    Consumer,
    /// The service: all its clients together.
    Service,
    /// The value of a header.
    Header,
    /// One path: all its clients together.
    Path,
}

/// What is left when everything is right.
pub(super) struct Checked {
    pub policy: Policy,
    pub windows: Vec<Window>,
    pub header_name: Option<HeaderName>,
    pub status: StatusCode,
}

impl Options {
    pub(super) fn check(&self, cx: &BuildCx<'_>) -> Result<Checked, Vec<Problem>> {
        let mut problems = Vec::new();
        let policy = self.policy(cx, &mut problems);
        let header_name = self.header_name(cx, &mut problems);
        match (self.identifier, &self.path) {
            (Identifier::Path, None) => {
                problems.push(cx.block.problem("required field missing: path").help("`identifier = \"path\"` counts one path"));
            }
            (Identifier::Path, Some(path)) => {
                if let Err(message) = sluice_config::PathPrefix::try_from(path.clone()) {
                    problems.push(cx.block.problem_at("path", message));
                }
            }
            _ => {}
        }
        let status =
            StatusCode::from_u16(self.error_code).ok().filter(|status| status.is_client_error() || status.is_server_error());
        if status.is_none() {
            problems.push(cx.block.problem_at("error_code", "must be a status between 400 and 599"));
        }
        match (policy, status) {
            (Some(policy), Some(status)) if problems.is_empty() => {
                let windows = self.window_size.iter().map(|size| Window(*size)).collect();
                Ok(Checked { policy, windows, header_name, status })
            }
            _ => Err(problems),
        }
    }

    fn policy(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<Policy> {
        if self.limit.len() != self.window_size.len() {
            let message = "You must provide the same number of windows and limits";
            problems.push(cx.block.problem_at("window_size", message).help(format!("there are {} limits", self.limit.len())));
            return None;
        }
        if self.limit.is_empty() || self.limit.len() > MAX_WINDOWS {
            problems.push(cx.block.problem_at("limit", format!("needs between one and {MAX_WINDOWS} limits")));
            return None;
        }
        if self.burst.is_some() && self.window_type != WindowType::Gcra {
            problems.push(cx.block.problem_at("burst", "is for `window_type = \"gcra\"` only"));
        }
        for (index, size) in self.window_size.iter().enumerate() {
            if self.window_size[..index].contains(size) {
                problems.push(Problem::at(
                    cx.block.path().key("window_size").index(index),
                    format!("there is a window of {size} seconds already"),
                ));
            }
        }
        let name = match self.window_type {
            WindowType::Sliding => "sliding",
            WindowType::Fixed => "fixed",
            WindowType::Gcra => "gcra",
            WindowType::Exact => "exact",
        };
        let algorithm = algorithm(name).expect("every window type is an algorithm");
        let mut limiters = Vec::new();
        for (index, (limit, window)) in self.limit.iter().zip(&self.window_size).enumerate() {
            let usual = Quota::new(*limit, Duration::from_secs(*window));
            let max_keys = match self.window_type {
                WindowType::Exact => {
                    usual.max_keys.min(usize::try_from(LOGGED_TIMES / (*limit).max(1)).unwrap_or(usize::MAX)).max(1)
                }
                _ => usual.max_keys,
            };
            let quota = Quota { charge_rejected: !self.disable_penalty, burst: self.burst, max_keys, ..usual };
            let owner = format!("{}#{index}", cx.block.path());
            match cx.limiters.get(&owner, algorithm, &quota) {
                Ok(limiter) => limiters.push(limiter),
                Err(error) => problems.push(quota_problem(cx, index, error)),
            }
        }
        Policy::new(limiters).ok()
    }

    fn header_name(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<HeaderName> {
        let name = match (&self.header_name, self.identifier) {
            (Some(name), _) => name,
            (None, Identifier::Header) => {
                problems.push(
                    cx.block
                        .problem("required field missing: header_name")
                        .help("`identifier = \"header\"` counts by one header"),
                );
                return None;
            }
            (None, _) => return None,
        };
        let parsed = HeaderName::try_from(name).ok();
        if parsed.is_none() {
            problems.push(cx.block.problem_at("header_name", format!("`{name}` is no header name")));
        }
        parsed
    }
}

/// Points at the very limit, window or burst.
fn quota_problem(cx: &BuildCx<'_>, index: usize, error: sluice_limits::QuotaError) -> Problem {
    use sluice_limits::QuotaError::{Burst, Limit, NoKeys, Window};
    let path = match error {
        Limit(_) => cx.block.path().key("limit").index(index),
        Window(_) => cx.block.path().key("window_size").index(index),
        Burst(_) => cx.block.path().key("burst"),
        NoKeys => cx.block.path().clone(),
    };
    Problem::at(path, error.to_string())
}

fn too_many_requests() -> u16 {
    429
}

fn exceeded() -> String {
    "API rate limit exceeded".into()
}

fn yes() -> bool {
    true
}
