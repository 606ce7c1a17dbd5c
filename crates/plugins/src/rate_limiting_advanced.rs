//! Plugin `rate-limiting-advanced`: how many requests a client may make in a window, or in several.
//!
//! Kong's words. Unlike Kong, `disable_penalty` is true if it is not written: a refused request is not counted, so that
//! a client that waits `Retry-After` gets in. The rest of Kong's options is refused by name until it exists.

mod client_key;
mod headers;
mod options;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderName;
use sluice_config::Problem;
use sluice_events::{Emitter, RateLimitExceeded, Window};
use sluice_limits::{Decision, Keys, MAX_WINDOWS, Policy};

use crate::cx::Cx;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::{Body, Reply};

use options::Identifier;
pub use options::Options;

/// The plugin.
pub struct RateLimitingAdvanced {
    policy: Policy,
    windows: Vec<Window>,
    headers: Option<headers::Names>,
    identifier: Identifier,
    header_name: Option<HeaderName>,
    path: Option<String>,
    keys: Keys,
    refusal: Refusal,
    exceeded: Emitter<RateLimitExceeded>,
}

/// How a request is refused.
struct Refusal {
    status: StatusCode,
    body: Bytes,
    jitter_max: u64,
}

impl Configured for RateLimitingAdvanced {
    const NAME: &'static str = "rate-limiting-advanced";
    const SUMMARY: &'static str = "Limits how many requests a client may make in one window or several";
    const PRIORITY: u16 = 910;
    const PHASES: Phases = Phases { request: true, upstream_request: false };
    const LATER: &'static [&'static str] = options::LATER;
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let checked = options.check(cx)?;
        Ok(Self {
            policy: checked.policy,
            headers: (!options.hide_client_headers).then(|| headers::Names::new(&checked.windows)),
            windows: checked.windows,
            identifier: options.identifier,
            header_name: checked.header_name,
            path: options.path,
            keys: cx.limiters.keys().clone(),
            refusal: Refusal {
                status: checked.status,
                body: serde_json::json!({ "message": options.error_message }).to_string().into_bytes().into(),
                jitter_max: options.retry_after_jitter_max,
            },
            exceeded: cx.bus.emitter(),
        })
    }
}

impl Plugin for RateLimitingAdvanced {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        let key = self.key_of(cx);
        let mut room = [Decision::default(); MAX_WINDOWS];
        let verdict = self.policy.check(key, 1, &mut room);
        if let Some(names) = &self.headers {
            names.write(&verdict, &mut cx.memory.response_headers);
        }
        let Some(refused_by) = verdict.refused_by else { return Flow::Continue };
        let decision = verdict.decisions[refused_by];
        let window = self.windows[refused_by];
        self.exceeded.emit(|| RateLimitExceeded {
            consumer: cx.memory.consumer.as_ref().map(|consumer| consumer.entity.clone()),
            ip: cx.client_ip,
            service: cx.service.cloned(),
            route: Some(cx.route.clone()),
            rate: decision.rate,
            limit: decision.limit,
            window,
        });
        Flow::Respond(self.refuse(decision))
    }
}

impl RateLimitingAdvanced {
    fn refuse(&self, decision: Decision) -> Reply {
        let jitter = if self.refusal.jitter_max > 0 { fastrand::u64(0..=self.refusal.jitter_max) } else { 0 };
        let mut reply =
            Reply { status: self.refusal.status, headers: Default::default(), body: Body::Json(self.refusal.body.clone()) };
        if self.headers.is_some() {
            reply.headers.push(headers::retry_after(headers::seconds(decision.retry_after) + jitter));
        }
        reply
    }
}
