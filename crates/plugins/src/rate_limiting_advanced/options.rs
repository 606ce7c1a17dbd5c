//! The options of `rate-limiting-advanced`, and what must hold between them.

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_config::Problem;
use sluice_events::Window;

use super::windows::{WindowType, Windows};
use crate::limiting::{
    Cost, CounterKey, Exempt, Headers, Identifier, Identity, Limit, RateLimit, Refusal, Strategy, Style, Throttling, Told,
    WarnAt, check_strategy, ipv6_prefix, problem, rate_limit_exceeded, status, too_many_requests,
};
use crate::plugin::BuildCx;
use crate::reply::Body;

/// Options of `rate-limiting-advanced`.
#[derive(Deserialize, Serialize, JsonSchema)]
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
    identifier: Identifier,
    /// Several identifiers that make two requests those of one client together; counts instead of `identifier`.
    #[serde(default)]
    compound_identifier: Option<Vec<Identifier>>,
    /// By what of a consumer requests are counted: its id, if nothing is said.
    #[serde(default)]
    counter_key: Option<CounterKey>,
    /// The header of `identifier = "header"`.
    #[serde(default)]
    header_name: Option<String>,
    /// The path of `identifier = "path"`.
    #[serde(default)]
    path: Option<String>,
    /// How many bits of an IPv6 address are one client.
    #[serde(default = "ipv6_prefix")]
    #[schemars(range(min = 1, max = 128))]
    ipv6_prefix: u64,
    /// Plugins with the same namespace count together in windows of the same length and type, each up to a limit of its
    /// own; with another `disable_penalty`, or of type "gcra" with another limit, they count apart. Without a namespace
    /// a plugin counts for itself.
    #[serde(default)]
    namespace: Option<String>,
    /// Where counts are kept. Only "local" is available.
    #[serde(default)]
    strategy: Strategy,
    /// How often counts are exchanged. With `strategy = "local"` never, which is -1.
    #[serde(default)]
    sync_rate: Option<f64>,
    /// The status of a refusal.
    #[serde(default = "too_many_requests")]
    error_code: u16,
    /// The message of a refusal.
    #[serde(default = "rate_limit_exceeded")]
    error_message: String,
    /// Whether answers say nothing of limits.
    #[serde(default)]
    hide_client_headers: bool,
    /// Whether refused requests are not counted. Kong's default is false. In fixed windows both are the same.
    #[serde(default = "yes")]
    disable_penalty: bool,
    /// Up to how many seconds are added to Retry-After by chance.
    #[serde(default)]
    retry_after_jitter_max: u64,
    /// Holds requests above the limit open instead of refusing them.
    #[serde(default)]
    throttling: Throttling,
    /// What `window_type = "gcra"` admits at once; the limit, if not written.
    #[serde(default)]
    burst: Option<u64>,
    /// Whether the limit only looks on: requests are counted, events and headers tell of it, nobody is refused.
    #[serde(default)]
    shadow: bool,
    /// Which part of a limit may be used up before that is an event, such as 0.8.
    #[serde(default)]
    warn_at: Option<WarnAt>,
    /// Who is not limited: not counted, and told nothing.
    #[serde(default)]
    exempt: Exempt,
    /// What a request costs: a number, or a header that says it.
    #[serde(default)]
    cost: Cost,
    /// Whether answers carry the IETF draft's `RateLimit-Policy` and `RateLimit` instead of `RateLimit-Limit`,
    /// `-Remaining` and `-Reset`, and refusals are `application/problem+json`.
    #[serde(default)]
    standard_headers: bool,
}

impl Options {
    /// The limit, if everything is right. Its events are those of `source`.
    pub(super) fn check(&self, source: &str, cx: &BuildCx<'_>) -> Result<RateLimit, Vec<Problem>> {
        let mut problems = Vec::new();
        let policy = self.windows().check(cx, &mut problems);
        let client = self.identity().check(cx, &mut problems);
        let exempt = self.exempt.check(cx, &mut problems);
        let queue = self.throttling.check(cx, &mut problems);
        let status = status(self.error_code, cx, &mut problems);
        check_strategy("strategy", self.strategy, self.sync_rate, cx, &mut problems);
        self.cost.check(cx, self.windows().smallest(), &mut problems);
        self.check_pairs(cx, &mut problems);
        match (policy, client, status) {
            (Some(policy), Some(client), Some(status)) if problems.is_empty() => {
                let windows: Vec<Window> = self.window_size.iter().map(|size| Window(*size)).collect();
                let style = if self.standard_headers { Style::Draft } else { Style::Kong };
                let headers = (!self.hide_client_headers).then(|| Headers::new(&windows, &policy, style));
                let limit = Limit::new(cx, source, windows.clone(), policy);
                Ok(RateLimit {
                    exempt,
                    client,
                    cost: self.cost.clone(),
                    headers,
                    told: Told::new(cx, source, &limit, self.warn_at, self.shadow),
                    limit,
                    shadow: self.shadow,
                    queue,
                    refusal: Refusal {
                        status,
                        bodies: windows.iter().map(|window| self.body(status, *window)).collect(),
                        retry_after: (!self.hide_client_headers).then_some(self.retry_after_jitter_max),
                    },
                })
            }
            _ => Err(problems),
        }
    }

    fn windows(&self) -> Windows<'_> {
        Windows {
            limits: &self.limit,
            sizes: &self.window_size,
            window_type: self.window_type,
            burst: self.burst,
            charge_rejected: !self.disable_penalty,
            namespace: self.namespace.as_deref(),
        }
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            counter_key: self.counter_key,
            header_name: self.header_name.as_deref(),
            path: self.path.as_deref(),
            ipv6_prefix: self.ipv6_prefix,
            ..Identity::by(&self.identifier, self.compound_identifier.as_deref())
        }
    }

    /// Options that contradict each other.
    fn check_pairs(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) {
        if self.standard_headers && self.hide_client_headers {
            let message = "`hide_client_headers` hides what this shows";
            problems.push(cx.block.problem_at("standard_headers", message).help("take one of them out"));
        }
        if self.window_type == WindowType::Gcra && !self.disable_penalty {
            let message = "with `window_type = \"gcra\"` refused requests are never counted";
            problems.push(cx.block.problem_at("disable_penalty", message).help("write true, or take it out"));
        } else if self.throttling.enabled && !self.disable_penalty {
            let message = "a request that is held would be counted at every try";
            problems.push(cx.block.problem_at("disable_penalty", message).help("with `throttling` write true, or take it out"));
        }
        if self.throttling.enabled && self.shadow {
            let message = "nothing is held where nothing is refused";
            problems.push(cx.block.problem_at("throttling.enabled", message).help("take `shadow` or `throttling` out"));
        }
    }

    fn body(&self, status: StatusCode, window: Window) -> Body {
        if self.standard_headers {
            return problem(status, &self.error_message, window);
        }
        Body::Json(json!({ "message": self.error_message }).to_string().into_bytes().into())
    }
}

fn yes() -> bool {
    true
}
