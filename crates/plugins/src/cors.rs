//! Plugin `cors`: tells browsers from where scripts may call (the CORS protocol of the Fetch standard), by Kong's rules.

mod origins;

use http::header::{HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use smallvec::SmallVec;

use crate::cx::{Cx, Memory};
use crate::head::Head;
use crate::number::number;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::{Body, Reply};
use origins::Origins;

/// The plugin.
pub struct Cors {
    origins: Origins,
    methods: HeaderValue,
    headers: Option<HeaderValue>,
    exposed_headers: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<u64>,
    private_network: bool,
    preflight_continue: bool,
    allow_origin_absent: bool,
}

/// Options of `cors`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Origins from where scripts may call: `*`, or such as `https://example.com`, or regular expressions, which stand for
    /// whole origins, or for whole host names if they have no colon. None: all.
    origins: Vec<String>,
    /// Methods that scripts may use.
    methods: Vec<String>,
    /// Headers that scripts may send; none: whatever they ask for.
    headers: Vec<String>,
    /// Headers that scripts may read.
    exposed_headers: Vec<String>,
    /// Whether scripts may send cookies and the like. With `origins = ["*"]` any script may: the origin that asks is the
    /// one that is allowed.
    credentials: bool,
    /// For how many seconds browsers remember the answer to a preflight request.
    max_age: Option<u64>,
    /// Whether scripts of public sites may call a private network.
    private_network: bool,
    /// Whether the upstream answers preflight requests itself.
    preflight_continue: bool,
    /// Whether answers to requests without an origin have the headers as well.
    allow_origin_absent: bool,
}

impl Default for Options {
    fn default() -> Self {
        let methods = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
        Self {
            origins: Vec::new(),
            methods: methods.map(str::to_owned).to_vec(),
            headers: Vec::new(),
            exposed_headers: Vec::new(),
            credentials: false,
            max_age: None,
            private_network: false,
            preflight_continue: false,
            allow_origin_absent: true,
        }
    }
}

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
static REQUEST_METHOD: HeaderName = HeaderName::from_static("access-control-request-method");
static REQUEST_HEADERS: HeaderName = HeaderName::from_static("access-control-request-headers");
static REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const VARY: HeaderValue = HeaderValue::from_static("Origin");

impl Configured for Cors {
    const NAME: &'static str = "cors";
    const SUMMARY: &'static str = "Tells browsers from where scripts may call";
    const PRIORITY: u32 = 2000;
    const PHASES: Phases = Phases { request: true, response: true, ..Phases::NONE };
    const CONSUMER_SCOPE: bool = false;
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (index, method) in options.methods.iter().enumerate() {
            let known = Options::default().methods;
            if !known.contains(method) {
                let path = cx.block.path().key("methods").index(index);
                problems.push(Problem::at(path, format!("`{method}` is none of {}", known.join(", "))));
            }
        }
        let mut list = |key: &str, names: &[String]| {
            for (index, name) in names.iter().enumerate() {
                if name != "*" && HeaderName::try_from(name).is_err() {
                    problems.push(Problem::at(cx.block.path().key(key).index(index), format!("`{name}` is no header name")));
                }
            }
            Some(names.join(",")).filter(|names| !names.is_empty()).and_then(|names| HeaderValue::try_from(names).ok())
        };
        let (headers, exposed_headers) = (list("headers", &options.headers), list("exposed_headers", &options.exposed_headers));
        let origins = Origins::read(&options.origins, cx, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            origins,
            methods: HeaderValue::try_from(options.methods.join(",")).expect("methods are known words"),
            headers,
            exposed_headers,
            credentials: options.credentials,
            max_age: options.max_age,
            private_network: options.private_network,
            preflight_continue: options.preflight_continue,
            allow_origin_absent: options.allow_origin_absent,
        })
    }
}

impl Plugin for Cors {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if self.preflight_continue || !is_preflight(cx.request) {
            return Flow::Continue;
        }
        Flow::Respond(Reply { status: StatusCode::OK, headers: SmallVec::new(), body: Body::Nothing })
    }

    fn on_response(&self, request: &Parts, _: &Memory, head: &mut Head) {
        if !is_preflight(request) {
            if request.headers.contains_key(ORIGIN) || self.allow_origin_absent {
                self.allow(request, head);
                if let Some(exposed) = &self.exposed_headers {
                    head.set("Access-Control-Expose-Headers", exposed.clone());
                }
            }
        } else if !self.preflight_continue {
            self.allow(request, head);
            self.answer_preflight(request, head);
        }
    }
}

/// Whether a browser asks before it sends what a script wants to send.
fn is_preflight(request: &Parts) -> bool {
    let has = |name: &HeaderName| request.headers.contains_key(name);
    request.method == Method::OPTIONS && has(&ORIGIN) && has(&REQUEST_METHOD)
}

impl Cors {
    /// Says from where scripts may call.
    fn allow(&self, request: &Parts, head: &mut Head) {
        let origin = request.headers.get(ORIGIN);
        if self.origins.are_all() {
            match origin.filter(|_| self.credentials) {
                // To browsers `*` is nobody with credentials.
                Some(origin) => {
                    head.append("Vary", VARY);
                    head.set(ALLOW_ORIGIN, origin.clone());
                    head.set(ALLOW_CREDENTIALS, TRUE);
                }
                None => head.set(ALLOW_ORIGIN, HeaderValue::from_static("*")),
            }
            return;
        }
        head.append("Vary", VARY);
        match self.origins.allowed(origin.and_then(|origin| origin.to_str().ok())) {
            Some(allowed) => head.set(ALLOW_ORIGIN, allowed),
            None => head.remove(ALLOW_ORIGIN),
        }
        if self.credentials {
            head.set(ALLOW_CREDENTIALS, TRUE);
        }
    }

    fn answer_preflight(&self, request: &Parts, head: &mut Head) {
        if let Some(headers) = self.headers.as_ref().or_else(|| request.headers.get(&REQUEST_HEADERS)) {
            head.set("Access-Control-Allow-Headers", headers.clone());
        }
        head.set("Access-Control-Allow-Methods", self.methods.clone());
        if let Some(seconds) = self.max_age {
            head.set("Access-Control-Max-Age", number(seconds));
        }
        if self.private_network && request.headers.get(&REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == "true") {
            head.set("Access-Control-Allow-Private-Network", TRUE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, check_problems};
    use bytes::Bytes;

    /// What stands in the answer, in its order, of what CORS is about.
    fn said(options: &str, method: &str, headers: &[(&str, &str)], upstream: &[(&'static str, &'static str)]) -> String {
        let bench = Bench::new(&format!("[plugins.cors]\n{options}"));
        let field =
            |(name, value): &(&'static str, &'static str)| (Bytes::from_static(name.as_bytes()), HeaderValue::from_static(value));
        let mut head = Head::new(StatusCode::OK, upstream.iter().map(field).collect());
        bench.answer(method, headers, &mut head);
        let line = |(name, value): &(Bytes, HeaderValue)| {
            let name = String::from_utf8_lossy(name).replace("Access-Control-", "");
            format!("{name}={}", value.to_str().unwrap_or_default())
        };
        head.fields().iter().map(line).collect::<Vec<_>>().join(" ")
    }

    const FROM_A: &[(&str, &str)] = &[("origin", "https://a.example")];
    const PREFLIGHT: &[(&str, &str)] =
        &[("origin", "https://a.example"), ("access-control-request-method", "PUT"), ("access-control-request-headers", "x-a")];

    #[test]
    fn answers_say_who_may_read_them() {
        let check = |options: &str, headers: &[(&str, &str)], expected: &str| {
            assert_eq!(said(options, "GET", headers, &[]), expected, "{options}");
        };
        check("", FROM_A, "Allow-Origin=*");
        check("", &[], "Allow-Origin=*");
        check("allow_origin_absent = false", &[], "");
        check("credentials = true", FROM_A, "Vary=Origin Allow-Origin=https://a.example Allow-Credentials=true");
        check("credentials = true", &[], "Allow-Origin=*");
        check("exposed_headers = [\"x-a\", \"x-b\"]", FROM_A, "Allow-Origin=* Expose-Headers=x-a,x-b");
        let list = "origins = [\"https://a.example\", \"https://b.example\"]\n";
        check(list, FROM_A, "Vary=Origin Allow-Origin=https://a.example");
        check(list, &[("origin", "https://c.example")], "Vary=Origin");
        check(list, &[], "Vary=Origin");
    }

    #[test]
    fn what_the_upstream_says_of_it_does_not_stand_and_its_vary_does() {
        let upstream = &[("Vary", "Accept"), ("access-control-allow-origin", "*")];
        let list = "origins = [\"https://b.example\", \"https://d.example\"]";
        assert_eq!(said(list, "GET", FROM_A, upstream), "Vary=Accept Vary=Origin");
        assert_eq!(said("", "GET", FROM_A, upstream), "Vary=Accept Allow-Origin=*");
    }

    #[test]
    fn preflight_requests_are_answered_unless_the_upstream_does() {
        let check = |options: &str, expected: &str| assert_eq!(said(options, "OPTIONS", PREFLIGHT, &[]), expected, "{options}");
        check("methods = [\"GET\", \"PUT\"]", "Allow-Origin=* Allow-Headers=x-a Allow-Methods=GET,PUT");
        check(
            "methods = [\"GET\"]\nheaders = [\"X-B\"]\nmax_age = 60",
            "Allow-Origin=* Allow-Headers=X-B Allow-Methods=GET Max-Age=60",
        );
        check("preflight_continue = true", "");
        let mut bench = Bench::new("[plugins.cors]");
        assert!(bench.ask("/", PREFLIGHT, "192.0.2.1").is_none(), "a GET is no preflight request");
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.cors]\n{text}"), expected);
        check("methods = [\"get\"]", &["methods[0]"]);
        check("headers = [\"a b\"]", &["headers[0]"]);
        check("origins = [\"(\", \"ftp://x y\"]", &["origins[0]"]);
    }
}
