//! Plugin `response-transformer`: changes answers before the client gets them, by Kong's rules.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_config::Problem;

use crate::cx::{Memory, UpstreamRequest};
use crate::head::Head;
use crate::plugin::{BuildCx, Configured, Phases, Plugin};
use crate::transforming::{Env, Fields, Kind, Reader, Rules, apply, check_name};

/// The plugin.
pub struct ResponseTransformer {
    headers: Rules,
    json: Option<Arc<Fields>>,
}

/// Options of `response-transformer`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Names of what is taken out.
    remove: Names,
    /// What gets another name: `old:new`.
    rename: Names,
    /// What gets another value if it is there: `name:value`.
    replace: Values,
    /// What is put in if it is not there: `name:value`.
    add: Values,
    /// What is put in beside what is there: `name:value`.
    append: Values,
}

/// What rules are about.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// Headers.
    headers: Vec<String>,
    /// Fields of a body that is a JSON object.
    json: Vec<String>,
}

/// What rules are about that put values in.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Values {
    /// Headers.
    headers: Vec<String>,
    /// Fields of a body that is a JSON object.
    json: Vec<String>,
    /// What the values of `json` are, one by one; texts, if nothing is said.
    json_types: Vec<Type>,
}

/// What a value is.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Type {
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A text.
    String,
}

impl Configured for ResponseTransformer {
    const NAME: &'static str = "response-transformer";
    const SUMMARY: &'static str = "Changes the headers and the JSON of answers";
    const PRIORITY: u32 = 800;
    const PHASES: Phases = Phases { upstream_request: true, response: true, whole: true, ..Phases::NONE };
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let Options { remove, rename, replace, add, append } = &options;
        let mut reader = Reader { cx, problems: &mut problems, templates: false, check: check_name };
        let headers = [&remove.headers, &rename.headers, &replace.headers, &add.headers, &append.headers];
        let headers = reader.rules("headers", headers.map(Vec::as_slice));
        reader.check = |_| None;
        let json = reader.rules("json", [&remove.json, &rename.json, &replace.json, &add.json, &append.json].map(Vec::as_slice));
        let mut typed = |key: &str, values: &Values| typed(values, key, cx, &mut problems);
        let fields = Fields {
            remove: json.remove.clone(),
            rename: json.rename.clone(),
            replace: typed("replace", replace),
            add: typed("add", add),
            append: typed("append", append),
        };
        let json = (!json.is_empty()).then(|| Arc::new(fields));
        if problems.is_empty() { Ok(Self { headers, json }) } else { Err(problems) }
    }
}

/// The fields of `json` with values of their types.
fn typed(values: &Values, key: &str, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Vec<(String, Value)> {
    if values.json_types.len() > values.json.len() {
        let message = format!("has {} types for {} values", values.json_types.len(), values.json.len());
        problems.push(cx.block.problem_at(&format!("{key}.json_types"), message));
    }
    let mut fields = Vec::new();
    for (index, (name, text)) in values.json.iter().filter_map(|pair| pair.split_once(':')).enumerate() {
        let of = values.json_types.get(index).copied().unwrap_or(Type::String);
        let value = match of {
            Type::String => Some(Value::from(text)),
            Type::Boolean => text.parse::<bool>().ok().map(Value::from),
            Type::Number => serde_json::from_str::<serde_json::Number>(text).ok().map(Value::from),
        };
        match value {
            Some(value) => fields.push((name.to_owned(), value)),
            None => {
                let path = cx.block.path().key(key).key("json").index(index);
                problems.push(Problem::at(path, format!("`{text}` is not of its type in `json_types`")));
            }
        }
    }
    fields
}

impl Plugin for ResponseTransformer {
    fn narrowed(&self, phases: Phases) -> Phases {
        let json = self.json.is_some();
        Phases { upstream_request: json, whole: json, ..phases }
    }

    fn on_upstream_request(&self, _: &Memory, request: &mut dyn UpstreamRequest) {
        if self.json.is_some() {
            // What is compressed cannot be looked into.
            request.remove_header(&ACCEPT_ENCODING);
        }
    }

    fn on_response(&self, request: &Parts, memory: &Memory, head: &mut Head) {
        let has_body = request.method != Method::HEAD && !matches!(head.status.as_u16(), 204 | 304);
        let text = |name: &str| head.get(name).and_then(|value| value.to_str().ok());
        let is_json = text(CONTENT_TYPE.as_str()).and_then(Kind::of) == Some(Kind::Json);
        let coded = text(CONTENT_ENCODING.as_str()).is_some_and(|coding| coding != "identity");
        if let (Some(fields), true) = (&self.json, head.whole && has_body && is_json && !coded) {
            let fields = fields.clone();
            head.body_change = Some(Arc::new(move |body: Bytes| fields.change(body)));
        }
        apply(&self.headers, head, &Env { headers: &request.headers, query: "", memory });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, check_problems};
    use http::{HeaderValue, StatusCode};

    fn answered(options: &str, upstream: &[(&'static str, &'static str)], body: &'static str) -> (String, Option<String>) {
        let bench = Bench::new(&format!("[plugins.response-transformer]\n{options}"));
        let field =
            |(name, value): &(&'static str, &'static str)| (Bytes::from_static(name.as_bytes()), HeaderValue::from_static(value));
        let mut head = Head::new(StatusCode::OK, upstream.iter().map(field).collect());
        head.whole = true;
        bench.answer("GET", &[], &mut head);
        let lines = head
            .fields()
            .iter()
            .map(|(name, value)| format!("{}={}", String::from_utf8_lossy(name), value.to_str().unwrap_or_default()));
        let body = head.body_change.as_ref().map(|change| change.change(Bytes::from_static(body.as_bytes())));
        (lines.collect::<Vec<_>>().join(" "), body.map(|body| String::from_utf8_lossy(&body).into_owned()))
    }

    #[test]
    fn headers_are_changed_in_kongs_order() {
        let check = |options: &str, expected: &str| {
            let (headers, body) = answered(options, &[("X-A", "1"), ("X-A", "2"), ("X-B", "3")], "");
            assert_eq!((headers.as_str(), body), (expected, None), "{options}");
        };
        check("remove.headers = [\"x-a\"]", "X-B=3");
        check("rename.headers = [\"x-a:X-C\"]", "X-C=1 X-C=2 X-B=3");
        check("replace.headers = [\"x-b:9\", \"x-none:9\"]", "X-A=1 X-A=2 x-b=9");
        check("add.headers = [\"x-b:9\", \"X-N:$(a)\"]", "X-A=1 X-A=2 X-B=3 X-N=$(a)");
        check("append.headers = [\"X-B:9\"]", "X-A=1 X-A=2 X-B=3 X-B=9");
    }

    #[test]
    fn json_is_changed_and_nothing_else() {
        let options = "remove.json = [\"secret\"]\nadd.json = [\"n:5\", \"t:x\"]\nadd.json_types = [\"number\"]";
        let check = |headers: &[(&'static str, &'static str)], expected: Option<&str>| {
            let (_, body) = answered(options, headers, r#"{"secret":1,"a":2}"#);
            assert_eq!(body.as_deref(), expected, "{headers:?}");
        };
        check(&[("Content-Type", "application/json")], Some(r#"{"a":2,"n":5,"t":"x"}"#));
        check(&[("Content-Type", "text/html")], None);
        check(&[("Content-Type", "application/json"), ("Content-Encoding", "gzip")], None);
        check(&[], None);
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.response-transformer]\n{text}"), expected);
        check("add.json = [\"a:x\"]\nadd.json_types = [\"number\"]", &["add.json[0]: `x` is not of its type"]);
        check("add.json_types = [\"number\"]", &["add.json_types: has 1 types for 0 values"]);
        check("remove.headers = [\"Transfer-Encoding\"]", &["remove.headers[0]"]);
        check("add.body = [\"a:b\"]", &["body"]);
    }
}
