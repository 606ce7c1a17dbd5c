//! The options of `rate-limiting`, and what must hold between them, in Kong's words.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use sluice_events::Window;
use sluice_limits::{Algorithm, Policy, Quota, algorithm};

use crate::limiting::{
    Cost, Exempt, Headers, Identifier, Identity, Limit, RateLimit, Refusal, Strategy, Style, Told, WarnAt, calendar,
    check_strategy, ipv6_prefix, rate_limit_exceeded, status, too_many_requests,
};
use crate::plugin::BuildCx;
use crate::reply::Body;

/// Options of `rate-limiting`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// How many requests are admitted a second.
    #[serde(default)]
    second: Option<u64>,
    /// How many a minute.
    #[serde(default)]
    minute: Option<u64>,
    /// How many an hour.
    #[serde(default)]
    hour: Option<u64>,
    /// How many a day, in UTC.
    #[serde(default)]
    day: Option<u64>,
    /// How many a month of the calendar, in UTC.
    #[serde(default)]
    month: Option<u64>,
    /// How many a year of the calendar, in UTC.
    #[serde(default)]
    year: Option<u64>,
    /// What makes two requests those of one client. Where it is missing, the IP address counts.
    #[serde(default)]
    limit_by: Identifier,
    /// The header of `limit_by = "header"`.
    #[serde(default)]
    header_name: Option<String>,
    /// The path of `limit_by = "path"`.
    #[serde(default)]
    path: Option<String>,
    /// Where counts are kept. Only "local" is available.
    #[serde(default)]
    policy: Strategy,
    /// Whether requests pass while the place of the counts cannot be reached. Both values do the same while counts are
    /// kept in this process, which can always reach them.
    #[serde(default = "yes", rename = "fault_tolerant")]
    _fault_tolerant: bool,
    /// Whether answers say nothing of limits.
    #[serde(default)]
    hide_client_headers: bool,
    /// The status of a refusal.
    #[serde(default = "too_many_requests")]
    error_code: u16,
    /// The message of a refusal.
    #[serde(default = "rate_limit_exceeded")]
    error_message: String,
    /// How often counts are exchanged. With `policy = "local"` never, which is -1.
    #[serde(default = "never")]
    sync_rate: f64,
    /// How many bits of an IPv6 address are one client.
    #[serde(default = "ipv6_prefix")]
    #[schemars(range(min = 1, max = 128))]
    ipv6_prefix: u64,
    /// Whether the limit only looks on: requests are counted, events and headers tell of it, nobody is refused.
    #[serde(default)]
    shadow: bool,
    /// Which part of a limit may be used up before that is an event, such as 0.8.
    #[serde(default)]
    warn_at: Option<WarnAt>,
    /// Who is not limited: not counted, and told nothing.
    #[serde(default)]
    exempt: Exempt,
}

/// The options that limit, the shortest period first.
const PERIODS: [&str; 6] = ["second", "minute", "hour", "day", "month", "year"];

/// A period with its limit.
struct Period {
    name: &'static str,
    limit: u64,
    window: Window,
    algorithm: &'static Algorithm,
}

impl Options {
    /// The limit, if everything is right. Its events are those of `source`.
    pub(super) fn check(&self, source: &str, cx: &BuildCx<'_>) -> Result<RateLimit, Vec<Problem>> {
        let mut problems = Vec::new();
        let periods = self.periods();
        check_periods(&periods, cx, &mut problems);
        let policy = policy(&periods, cx, &mut problems);
        let client = self.identity().check(cx, &mut problems);
        let exempt = self.exempt.check(cx, &mut problems);
        let status = status(self.error_code, cx, &mut problems);
        check_strategy("policy", self.policy, Some(self.sync_rate), cx, &mut problems);
        match (policy, client, status) {
            (Some(policy), Some(client), Some(status)) if problems.is_empty() => {
                let windows: Vec<Window> = periods.iter().map(|period| period.window).collect();
                let headers = (!self.hide_client_headers).then(|| Headers::new(&windows, &policy, Style::Kong));
                let limit = Limit::new(cx, source, windows.clone(), policy);
                Ok(RateLimit {
                    exempt,
                    client,
                    cost: Cost::default(),
                    headers,
                    told: Told::new(cx, source, &limit, self.warn_at, self.shadow),
                    limit,
                    shadow: self.shadow,
                    queue: None,
                    refusal: Refusal {
                        status,
                        bodies: vec![Body::Message(self.error_message.clone().into()); windows.len()],
                        retry_after: (!self.hide_client_headers).then_some(0),
                    },
                })
            }
            _ => Err(problems),
        }
    }

    /// The periods that are limited, the shortest first.
    fn periods(&self) -> Vec<Period> {
        let fixed = algorithm("fixed").expect("it is registered");
        let all = [
            (self.second, 1, fixed),
            (self.minute, 60, fixed),
            (self.hour, 3_600, fixed),
            (self.day, 86_400, fixed),
            (self.month, 2_592_000, &calendar::MONTH),
            (self.year, 31_536_000, &calendar::YEAR),
        ];
        let limited = PERIODS.into_iter().zip(all).filter_map(|(name, (limit, seconds, algorithm))| {
            limit.map(|limit| Period { name, limit, window: Window(seconds), algorithm })
        });
        limited.collect()
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            option: "limit_by",
            identifiers: std::slice::from_ref(&self.limit_by),
            counter_key: None,
            header_name: self.header_name.as_deref(),
            path: self.path.as_deref(),
            ipv6_prefix: self.ipv6_prefix,
        }
    }
}

fn check_periods(periods: &[Period], cx: &BuildCx<'_>, problems: &mut Vec<Problem>) {
    // What is written but wrong is told of elsewhere.
    let written = cx.block.to_json();
    if PERIODS.iter().all(|name| written.get(name).is_none()) {
        let message = "at least one of these fields must be non-empty: 'config.second', 'config.minute', 'config.hour', \
                       'config.day', 'config.month', 'config.year'";
        problems.push(cx.block.problem(message).help("such as `minute = 60`"));
    }
    for (index, longer) in periods.iter().enumerate() {
        if let Some(shorter) = periods[..index].iter().find(|shorter| shorter.limit > longer.limit) {
            let message = format!(
                "The limit for {}({}.0) cannot be lower than the limit for {}({}.0)",
                longer.name, longer.limit, shorter.name, shorter.limit
            );
            problems.push(cx.block.problem_at(longer.name, message));
        }
    }
}

fn policy(periods: &[Period], cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<Policy> {
    let owner = cx.block.path().to_string();
    let mut limiters = Vec::new();
    for period in periods {
        let quota = Quota::new(period.limit, Duration::from_secs(period.window.0));
        match cx.limiters.get(&owner, period.algorithm, &quota) {
            Ok(limiter) => limiters.push(limiter),
            Err(error) => problems.push(cx.block.problem_at(period.name, error.to_string())),
        }
    }
    Policy::new(limiters).ok()
}

fn yes() -> bool {
    true
}

fn never() -> f64 {
    -1.0
}
