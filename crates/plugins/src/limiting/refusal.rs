//! How a request is refused: one answer for each window, made once.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use sluice_config::Problem;
use sluice_events::Window;
use sluice_limits::Decision;

use super::headers::seconds;
use crate::number::number;
use crate::plugin::BuildCx;
use crate::reply::{Body, Reply};

/// The problem type of the IETF draft.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How a request is refused.
pub(crate) struct Refusal {
    pub status: StatusCode,
    /// What is said, for each window.
    pub bodies: Vec<Body>,
    /// Up to how many seconds are added to Retry-After by chance; none: it is not told when to come back.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// The answer where this window refused.
    #[inline(never)]
    pub fn reply(&self, window: usize, decision: &Decision) -> Reply {
        let mut reply = Reply { status: self.status, headers: Default::default(), body: self.bodies[window].clone() };
        if let Some(jitter_max) = self.retry_after {
            let jitter = if jitter_max > 0 { fastrand::u64(0..=jitter_max) } else { 0 };
            reply.headers.push((Bytes::from_static(b"Retry-After"), number(seconds(decision.retry_after) + jitter)));
        }
        reply
    }
}

/// The body of the IETF draft: a problem that names the policy that was violated.
pub(crate) fn problem(status: StatusCode, message: &str, window: Window) -> Body {
    let body = json!({
        "type": QUOTA_EXCEEDED,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": status.as_u16(),
        "detail": message,
        "violated-policies": [window.label()],
    });
    Body::Typed { content_type: PROBLEM_JSON, bytes: body.to_string().into_bytes().into() }
}

/// The status that stands under `error_code`, if it says that something went wrong.
pub(crate) fn status(code: u16, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<StatusCode> {
    let status = StatusCode::from_u16(code).ok().filter(|status| status.is_client_error() || status.is_server_error());
    if status.is_none() {
        problems.push(cx.block.problem_at("error_code", "must be a status between 400 and 599"));
    }
    status
}

/// `error_code`, if nothing is said.
pub(crate) fn too_many_requests() -> u16 {
    429
}

/// `error_message` of a limit on rates, if nothing is said.
pub(crate) fn rate_limit_exceeded() -> String {
    "API rate limit exceeded".into()
}
