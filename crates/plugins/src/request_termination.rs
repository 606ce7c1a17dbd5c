//! Plugin `request-termination`: answers in the place of the upstream.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_config::Problem;

use crate::cx::Cx;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::{Body, Reply};

/// The plugin.
pub struct RequestTermination {
    status: StatusCode,
    body: Body,
    message: Option<String>,
    echo: bool,
    trigger: Option<(HeaderName, String)>,
}

/// Options of `request-termination`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The status of the answer.
    #[serde(default = "unavailable")]
    #[schemars(range(min = 200, max = 599))]
    status_code: u16,
    /// The message of the answer, in a JSON object.
    message: Option<String>,
    /// The answer as it is.
    body: Option<String>,
    /// What the answer is; `application/json; charset=utf-8`, if nothing is said.
    content_type: Option<String>,
    /// Whether the answer tells what the request was: its method, path, query and headers. Its body is not read.
    #[serde(default)]
    echo: bool,
    /// The header or argument without which the request goes its way.
    trigger: Option<String>,
}

impl Configured for RequestTermination {
    const NAME: &'static str = "request-termination";
    const SUMMARY: &'static str = "Answers in the place of the upstream";
    const PRIORITY: u32 = 2;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let status = StatusCode::from_u16(options.status_code).ok().filter(|status| (200..600).contains(&status.as_u16()));
        if status.is_none() {
            problems.push(cx.block.problem_at("status_code", "must be a status between 200 and 599"));
        }
        if options.message.is_some() && (options.body.is_some() || options.content_type.is_some()) {
            problems.push(cx.block.problem_at("message", "cannot be used with `body` or `content_type`"));
        }
        if options.content_type.is_some() && options.body.is_none() {
            problems.push(cx.block.problem_at("content_type", "is that of a `body`, and there is none"));
        }
        if options.echo && options.body.is_some() {
            problems.push(cx.block.problem_at("body", "cannot be used with `echo`, which is another"));
        }
        let trigger = options.trigger.and_then(|name| {
            let header = HeaderName::try_from(&name).ok();
            if header.is_none() {
                problems.push(cx.block.problem_at("trigger", format!("`{name}` is no header name")));
            }
            header.map(|header| (header, name))
        });
        let content_type = options.content_type.as_deref().unwrap_or("application/json; charset=utf-8");
        let content_type = HeaderValue::from_str(content_type).ok();
        if content_type.is_none() {
            problems.push(cx.block.problem_at("content_type", "no header can hold it"));
        }
        let (Some(status), Some(content_type), true) = (status, content_type, problems.is_empty()) else { return Err(problems) };
        let message = options.message.or_else(|| usual(status).map(str::to_owned));
        let body = match (options.body, &message) {
            _ if matches!(status.as_u16(), 204 | 304) => Body::Nothing,
            (Some(body), _) => Body::Typed { content_type, bytes: body.into() },
            (None, Some(message)) => Body::Json(object(&json!({ "message": message }))),
            (None, None) => Body::Nothing,
        };
        Ok(Self { status, body, message, echo: options.echo, trigger })
    }
}

impl Plugin for RequestTermination {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if let Some((header, argument)) = &self.trigger {
            let query = cx.request.uri.query().unwrap_or_default().as_bytes();
            let asked = || form_urlencoded::parse(query).any(|(name, _)| name == argument.as_str());
            if !cx.request.headers.contains_key(header) && !asked() {
                return Flow::Continue;
            }
        }
        let body = if self.echo { Body::Json(self.told(cx)) } else { self.body.clone() };
        Flow::Respond(Reply { status: self.status, headers: Default::default(), body })
    }
}

impl RequestTermination {
    /// What the request was.
    fn told(&self, cx: &Cx<'_>) -> Bytes {
        let request = cx.request;
        let mut query = Map::new();
        for (name, value) in form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes()) {
            add(&mut query, &name, &value);
        }
        let host = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        object(&json!({
            "message": self.message,
            "request": {
                "method": request.method.as_str(),
                "path": request.uri.path(),
                "host": host,
                "query": query,
                "headers": headers(&request.headers),
            },
            "matched_route": cx.route.json(),
            "matched_service": cx.service.map(|service| service.json()),
        }))
    }
}

fn headers(all: &HeaderMap) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in all {
        add(&mut map, name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    map
}

/// Adds a value under a name; several under one name are a list.
fn add(map: &mut Map<String, Value>, name: &str, value: &str) {
    let value = Value::from(value);
    match map.get_mut(name) {
        None => drop(map.insert(name.to_owned(), value)),
        Some(Value::Array(list)) => list.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

fn object(json: &Value) -> Bytes {
    json.to_string().into()
}

/// What is said with a status if nothing else is.
fn usual(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        401 => "Unauthorized",
        404 => "Not found",
        405 => "Method not allowed",
        500 => "An unexpected error occurred",
        502 => "Bad Gateway",
        503 => "Service unavailable",
        _ => return None,
    })
}

fn unavailable() -> u16 {
    503
}

#[cfg(test)]
mod tests {
    use crate::Body;
    use crate::testing::{Bench, check_problems};

    fn answer(options: &str, target: &str, headers: &[(&str, &str)]) -> Option<(u16, String)> {
        let mut bench = Bench::new(&format!("[plugins.request-termination]\n{options}"));
        let reply = bench.ask(target, headers, "192.0.2.1")?;
        let body = match &reply.body {
            Body::Message(message) => message.to_string(),
            Body::Json(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Body::Typed { content_type, bytes } => format!("{content_type:?} {}", String::from_utf8_lossy(bytes)),
            Body::Nothing => String::new(),
        };
        Some((reply.status.as_u16(), body))
    }

    #[test]
    fn it_answers_what_it_is_told_to() {
        let check = |options: &str, status: u16, body: &str| {
            assert_eq!(answer(options, "/", &[]), Some((status, body.to_owned())), "{options}");
        };
        check("", 503, r#"{"message":"Service unavailable"}"#);
        check("status_code = 403\nmessage = \"no\"", 403, r#"{"message":"no"}"#);
        check("status_code = 200", 200, "");
        check("status_code = 204\nbody = \"x\"", 204, "");
        check("status_code = 200\nbody = \"<p>\"\ncontent_type = \"text/html\"", 200, "\"text/html\" <p>");
    }

    #[test]
    fn with_a_trigger_only_those_are_answered_that_have_it() {
        let options = "trigger = \"X-Stop\"";
        assert_eq!(answer(options, "/", &[]), None);
        assert!(answer(options, "/", &[("x-stop", "")]).is_some());
        assert!(answer(options, "/?X-Stop", &[]).is_some());
    }

    #[test]
    fn an_echo_tells_what_the_request_was() {
        let (status, body) = answer("echo = true\nstatus_code = 404", "/a?b=1&b=2", &[("x-a", "1")]).expect("it answers");
        let body: serde_json::Value = serde_json::from_str(&body).expect("it is JSON");
        assert_eq!((status, &body["message"]), (404, &"Not found".into()));
        assert_eq!((&body["request"]["path"], &body["request"]["query"]["b"][1]), (&"/a".into(), &"2".into()));
        assert_eq!((&body["request"]["headers"]["x-a"], &body["matched_route"]["name"]), (&"1".into(), &"demo".into()));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.request-termination]\n{text}"), expected);
        check("status_code = 99", &["status_code"]);
        check("message = \"a\"\nbody = \"b\"", &["message: cannot be used with"]);
        check("content_type = \"a/b\"", &["content_type"]);
        check("trigger = \"a b\"", &["trigger"]);
    }
}
