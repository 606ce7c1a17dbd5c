//! Plugin `request-transformer`: changes requests before the upstream gets them, by Kong's rules.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_config::Problem;

use crate::body_change::BodyChange;
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::Reply;
use crate::transforming::{Env, Fields, Kind, Pairs, Query, Reader, Rules, Template, apply, check_name};

/// The plugin.
pub struct RequestTransformer {
    method: Option<Method>,
    uri: Option<Template>,
    headers: Rules,
    query: Rules,
    body: Arc<Rules>,
}

/// Options of `request-transformer`, as Kong's. A value may hold `$(headers.NAME)`, `$(query_params.NAME)` and
/// `$(uri_captures.NAME)`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct Options {
    /// The method that the upstream sees. A form in the body stays in the body.
    http_method: Option<String>,
    /// Names of what is taken out.
    remove: Lists,
    /// What gets another name: `old:new`.
    rename: Lists,
    /// What gets another value if it is there: `name:value`; and `uri`, the whole path.
    replace: Replace,
    /// What is put in if it is not there: `name:value`.
    add: Lists,
    /// What is put in beside what is there: `name:value`.
    append: Lists,
}

/// What rules are about.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Lists {
    /// Headers.
    headers: Vec<String>,
    /// Arguments of the query.
    querystring: Vec<String>,
    /// Fields of a body that is a JSON object or a form.
    body: Vec<String>,
}

/// What rules are about that put another value in the place of one.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Replace {
    /// Headers; `host` is that of the upstream.
    headers: Vec<String>,
    /// Arguments of the query.
    querystring: Vec<String>,
    /// Fields of a body that is a JSON object or a form.
    body: Vec<String>,
    /// The path that the upstream sees.
    uri: Option<String>,
}

impl Configured for RequestTransformer {
    const NAME: &'static str = "request-transformer";
    const SUMMARY: &'static str = "Changes the method, the path, the query, the headers and the body that the upstream gets";
    const PRIORITY: u32 = 801;
    const PHASES: Phases = Phases { request: true, upstream_request: true, whole: true, ..Phases::NONE };
    const LATER: &'static [&'static str] = &["dots_in_keys"];
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let method = options.http_method.as_deref().and_then(|name| {
            let method = Method::from_bytes(name.to_ascii_uppercase().as_bytes()).ok();
            let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
            let sound = method.filter(|method| known.contains(&method.as_str()));
            if sound.is_none() {
                let message = format!("`{name}` is none of {}", known.join(", "));
                problems.push(cx.block.problem_at("http_method", message).help("an answer to HEAD has no body to pass on"));
            }
            sound
        });
        let uri = options.replace.uri.as_deref().and_then(|uri| match Template::read(uri) {
            Ok(template) if uri.starts_with('/') || uri.starts_with("$(") => Some(template),
            Ok(_) => {
                problems.push(cx.block.problem_at("replace.uri", "must begin with a slash"));
                None
            }
            Err(why) => {
                problems.push(cx.block.problem_at("replace.uri", why));
                None
            }
        });
        let Options { remove, rename, replace, add, append, .. } = &options;
        let mut reader = Reader { cx, problems: &mut problems, templates: true, check: check_name };
        let headers = [&remove.headers, &rename.headers, &replace.headers, &add.headers, &append.headers];
        let headers = reader.rules("headers", headers.map(Vec::as_slice));
        reader.check = |_| None;
        let query = [&remove.querystring, &rename.querystring, &replace.querystring, &add.querystring, &append.querystring];
        let query = reader.rules("querystring", query.map(Vec::as_slice));
        let body = [&remove.body, &rename.body, &replace.body, &add.body, &append.body];
        let body = Arc::new(reader.rules("body", body.map(Vec::as_slice)));
        for (key, pairs) in [("add.headers", &headers.add), ("append.headers", &headers.append)] {
            if pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
                problems.push(cx.block.problem_at(key, "a request has one `host`, always").help("write it under `replace`"));
            }
        }
        let moved = headers.remove.iter().chain(headers.rename.iter().flat_map(|(from, to)| [from, to]));
        if moved.into_iter().any(|name| name.eq_ignore_ascii_case("host")) {
            problems.push(cx.block.problem("a request has one `host`, always").help("write it under `replace`"));
        }
        if problems.is_empty() { Ok(Self { method, uri, headers, query, body }) } else { Err(problems) }
    }
}

impl Plugin for RequestTransformer {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        let headers = &cx.request.headers;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = content_type.and_then(Kind::of).filter(|_| !self.body.is_empty());
        let Some(kind) = kind else { return Flow::Continue };
        // What could not be looked into would pass with all that is to be taken out.
        let coded = headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        if coded || kind == Kind::Multipart {
            return Flow::Respond(Reply::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type"));
        }
        let env = Env { headers, query: cx.request.uri.query().unwrap_or_default(), memory: cx.memory };
        let change: Arc<dyn BodyChange> = match kind {
            Kind::Json => {
                let fields = self.fields(&env);
                Arc::new(move |body: Bytes| fields.change(body))
            }
            Kind::Form | Kind::Multipart => {
                let rules = self.known(&env);
                Arc::new(move |body: Bytes| form(&rules, &body))
            }
        };
        cx.memory.body_change = Some(change);
        Flow::Continue
    }

    fn on_upstream_request(&self, memory: &Memory, request: &mut dyn UpstreamRequest) {
        let parts = request.whole().expect("requests that are needed whole go Pingora's way");
        let before = parts.headers.clone();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let env = Env { headers: &before, query: &query, memory };
        apply(&self.headers, &mut parts.headers, &env);
        if self.uri.is_some() || !self.query.is_empty() {
            self.change_target(parts, &env);
        }
        if let Some(method) = &self.method {
            parts.method = method.clone();
        }
    }
}

impl RequestTransformer {
    fn change_target(&self, parts: &mut Parts, env: &Env<'_>) {
        let path = self.uri.as_ref().and_then(|uri| uri.text(env)).map(|path| encoded(&path));
        let path = path.filter(|path| path.starts_with('/')).unwrap_or_else(|| parts.uri.path().to_owned());
        let mut query = Query::read(env.query);
        query.apply(&self.query, env);
        let query = query.text();
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        if let Ok(target) = target.parse::<Uri>() {
            parts.uri = target;
        }
    }

    /// The rules on bodies with their values for this request.
    fn fields(&self, env: &Env<'_>) -> Fields {
        let values = |pairs: &Pairs| {
            pairs.iter().filter_map(|(name, value)| Some((name.clone(), Value::from(value.text(env)?)))).collect()
        };
        Fields {
            remove: self.body.remove.clone(),
            rename: self.body.rename.clone(),
            replace: values(&self.body.replace),
            add: values(&self.body.add),
            append: values(&self.body.append),
        }
    }

    fn known(&self, env: &Env<'_>) -> Rules {
        let plain = |pairs: &Pairs| {
            pairs.iter().filter_map(|(name, value)| Some((name.clone(), Template::plain(value.text(env)?)))).collect()
        };
        Rules {
            remove: self.body.remove.clone(),
            rename: self.body.rename.clone(),
            replace: plain(&self.body.replace),
            add: plain(&self.body.add),
            append: plain(&self.body.append),
        }
    }
}

/// A form with the rules applied, whose values are known.
fn form(rules: &Rules, body: &Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(body) else { return body.clone() };
    let mut form = Query::read(text);
    form.apply(rules, &Env { headers: &http::HeaderMap::new(), query: "", memory: &Memory::default() });
    form.text().into()
}

/// What would end a path, or cannot stand in one, in percents.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, check_problems};

    fn sent(options: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let mut bench = Bench::new(&format!("[plugins.request-transformer]\n{options}"));
        let parts = bench.forward(target, headers);
        let mut lines: Vec<String> =
            parts.headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap_or_default())).collect();
        lines.insert(0, format!("{} {}", parts.method, parts.uri));
        lines.join(" ")
    }

    #[test]
    fn headers_query_path_and_method_are_changed_in_kongs_order() {
        let check = |options: &str, target: &str, headers: &[(&str, &str)], expected: &str| {
            assert_eq!(sent(options, target, headers), expected, "{options}");
        };
        check("remove.headers = [\"X-A\"]", "/", &[("x-a", "1"), ("x-b", "2")], "GET / x-b=2");
        check("rename.headers = [\"x-a:x-c\"]", "/", &[("x-a", "1"), ("x-a", "2")], "GET / x-c=1 x-c=2");
        check("replace.headers = [\"x-a:9\", \"x-none:9\"]", "/", &[("x-a", "1")], "GET / x-a=9");
        check("replace.headers = [\"host:h\"]", "/", &[], "GET / host=h");
        check("add.headers = [\"x-a:9\", \"x-b:a:b\"]", "/", &[("x-a", "1")], "GET / x-a=1 x-b=a:b");
        check("append.headers = [\"x-a:9\"]", "/", &[("x-a", "1")], "GET / x-a=1 x-a=9");
        check("add.headers = [\"x-q:$(query_params.q)\"]", "/?q=1", &[], "GET /?q=1 x-q=1");
        check("add.headers = [\"x-q:$(query_params.q)\"]", "/?q=a%0d%0ab", &[], "GET /?q=a%0d%0ab");
        check("remove.querystring = [\"q\"]\nadd.querystring = [\"a:b\"]", "/x?q=1&c=2", &[], "GET /x?c=2&a=b");
        check("replace.uri = \"/new/$(headers.x_a)\"", "/x?q=1", &[("x-a", "a b?c")], "GET /new/a%20b%3Fc?q=1 x-a=a b?c");
        check("http_method = \"put\"", "/", &[], "PUT /");
        check("remove.headers = [\"x-a\"]\nadd.headers = [\"x-b:$(headers.x_a)\"]", "/", &[("x-a", "1")], "GET / x-b=1");
    }

    fn body(options: &str, content_type: &str, body: &'static str) -> Option<String> {
        let mut bench = Bench::new(&format!("[plugins.request-transformer]\n{options}"));
        assert!(bench.ask("/?q=1", &[("content-type", content_type)], "192.0.2.1").is_none());
        let change = bench.memory.body_change.clone()?;
        Some(String::from_utf8_lossy(&change.change(Bytes::from_static(body.as_bytes()))).into_owned())
    }

    #[test]
    fn bodies_are_changed_that_are_objects_or_forms() {
        let options = "remove.body = [\"admin\"]\nadd.body = [\"q:$(query_params.q)\"]\nrename.body = [\"a:b\"]";
        assert_eq!(body(options, "application/json", r#"{"admin":true,"a":1}"#).as_deref(), Some(r#"{"b":1,"q":"1"}"#));
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(body(options, form, "admin=1&a=%20&c").as_deref(), Some("b=+&c&q=1"));
        assert_eq!(body(options, "text/plain", ""), None);
        assert_eq!(body("add.headers = [\"x:y\"]", "application/json", ""), None);
        let mut bench = Bench::new(&format!("[plugins.request-transformer]\n{options}"));
        for headers in [&[("content-type", "multipart/form-data")][..], &[("content-type", form), ("content-encoding", "gzip")]] {
            let refused = bench.ask("/", headers, "192.0.2.1").map(|reply| reply.status.as_u16());
            assert_eq!(refused, Some(415));
        }
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.request-transformer]\n{text}"), expected);
        check("http_method = \"HEAD\"", &["http_method"]);
        check("replace.uri = \"x\"", &["replace.uri: must begin with a slash"]);
        check("replace.uri = \"/$(os.time())\"", &["Lua is not run here"]);
        check("add.headers = [\"x-a\"]", &["add.headers[0]: `x-a` is no name and value"]);
        check("remove.headers = [\"content-length\"]", &["remove.headers[0]: `content-length` is a matter of the connection"]);
        check("rename.headers = [\"x-a:a b\"]", &["rename.headers[0]: `a b` is no header name"]);
        check("add.headers = [\"host:x\"]", &["one `host`, always"]);
        check("dots_in_keys = false", &["not available yet"]);
        check("remove.json = [\"a\"]", &["json"]);
    }
}
