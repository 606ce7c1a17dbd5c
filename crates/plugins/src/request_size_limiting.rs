//! Plugin `request-size-limiting`: how long the body of a request may be.
//!
//! One that says how long it is is refused before the upstream hears of it; one that does not is cut off where it is too long.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;

use crate::cx::Cx;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::Reply;

/// The plugin.
pub struct RequestSizeLimiting {
    most: u64,
    require_content_length: bool,
}

/// Options of `request-size-limiting`, as Kong's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// How long a body may be.
    #[serde(default = "usual")]
    #[schemars(range(min = 1))]
    allowed_payload_size: u64,
    /// In what it is measured.
    #[serde(default)]
    size_unit: Unit,
    /// Whether every request must say how long its body is.
    #[serde(default)]
    require_content_length: bool,
}

/// In what a size is measured: 1024 of each make one of the next.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    /// Megabytes.
    #[default]
    Megabytes,
    /// Kilobytes.
    Kilobytes,
    /// Bytes.
    Bytes,
}

impl Configured for RequestSizeLimiting {
    const NAME: &'static str = "request-size-limiting";
    const SUMMARY: &'static str = "Limits how long the body of a request may be";
    const PRIORITY: u32 = 951;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let unit = match options.size_unit {
            Unit::Megabytes => 1 << 20,
            Unit::Kilobytes => 1 << 10,
            Unit::Bytes => 1,
        };
        if options.allowed_payload_size == 0 {
            return Err(vec![cx.block.problem_at("allowed_payload_size", "must be at least 1")]);
        }
        let most = options.allowed_payload_size.saturating_mul(unit);
        Ok(Self { most, require_content_length: options.require_content_length })
    }
}

impl Plugin for RequestSizeLimiting {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        let headers = &cx.request.headers;
        let waits = headers.get(EXPECT).is_some_and(|what| what.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue"));
        let refused = match body_length(headers) {
            Some(length) if length <= self.most => None,
            Some(_) if waits => Some((StatusCode::EXPECTATION_FAILED, "Request size limit exceeded")),
            Some(_) => Some((StatusCode::PAYLOAD_TOO_LARGE, "Request size limit exceeded")),
            None if self.require_content_length => {
                Some((StatusCode::LENGTH_REQUIRED, "A valid Content-Length header is required"))
            }
            None => None,
        };
        if let Some((status, message)) = refused {
            return Flow::Respond(Reply::error(status, message));
        }
        // Whatever was said: what comes is counted.
        cx.memory.body_limit = Some(self.most);
        Flow::Continue
    }
}

/// The length that a body is said to have. What is no length is not short.
pub fn body_length(headers: &HeaderMap) -> Option<u64> {
    let said = headers.get(CONTENT_LENGTH)?.as_bytes();
    let digits = std::str::from_utf8(said).ok().filter(|said| said.bytes().all(|byte| byte.is_ascii_digit()));
    Some(digits.and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX))
}

fn usual() -> u64 {
    128
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, check_problems};

    #[test]
    fn a_body_that_says_it_is_too_long_is_refused() {
        let check = |options: &str, headers: &[(&str, &str)], expected: Option<u16>| {
            let mut bench = Bench::new(&format!("[plugins.request-size-limiting]\n{options}"));
            let refused = bench.ask("/", headers, "192.0.2.1").map(|reply| reply.status.as_u16());
            assert_eq!(refused, expected, "{options} {headers:?}");
            assert_eq!(bench.memory.body_limit.is_some(), expected.is_none());
        };
        let bytes = "allowed_payload_size = 10\nsize_unit = \"bytes\"";
        check(bytes, &[("content-length", "10")], None);
        check(bytes, &[("content-length", "11")], Some(413));
        for odd in ["99999999999999999999999", "", "+5", "5, 5", "-1", "0x5"] {
            check(bytes, &[("content-length", odd)], Some(413));
        }
        check(bytes, &[("content-length", "11"), ("expect", "100-continue")], Some(417));
        check(bytes, &[("transfer-encoding", "chunked")], None);
        check(bytes, &[], None);
        check("allowed_payload_size = 1\nsize_unit = \"kilobytes\"", &[("content-length", "1024")], None);
        check("allowed_payload_size = 1\nsize_unit = \"kilobytes\"", &[("content-length", "1025")], Some(413));
        check("allowed_payload_size = 1", &[("content-length", "1048576")], None);
        check("allowed_payload_size = 1", &[("content-length", "1048577")], Some(413));
        check("require_content_length = true", &[("transfer-encoding", "chunked")], Some(411));
        check("require_content_length = true", &[("content-length", "5")], None);
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.request-size-limiting]\n{text}"), expected);
        check("allowed_payload_size = 0", &["allowed_payload_size"]);
        check("size_unit = \"gigabytes\"", &["size_unit"]);
    }
}
