//! Makes a [`Content`] of a `webhook-custom`'s options: every template is compiled and tried, and every mistake is told.

use std::mem::take;

use http::header::{CONTENT_TYPE, HeaderName};
use serde_json::{Map, Value};
use sluice_config::{EventHook, KeyPath, Problem};
use sluice_events::EventKind;

use crate::content::{Body, Content, Text, Tree};
use crate::context::Shape;
use crate::headers;
use crate::template::{Escape, Refusal, Template};
use crate::webhook_custom::Config;

/// Makes a [`Content`] and collects what is wrong on the way.
pub(crate) struct Writer<'a> {
    hook: &'a EventHook,
    shapes: Vec<Shape>,
    pub problems: Vec<Problem>,
}

impl<'a> Writer<'a> {
    /// A writer for a hook that sees these kinds of events.
    pub fn new(hook: &'a EventHook, kinds: &[&'static EventKind]) -> Self {
        Self { hook, shapes: Shape::all_of(kinds), problems: Vec::new() }
    }

    /// The content. Use it only if there are no problems.
    pub fn content(&mut self, config: &Config) -> Content {
        let method = self.method(&config.method.0);
        let mut headers = self.headers(config);
        let written = config
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()))
            .map(|(_, value)| value.as_str());
        let body = self.body(config, &method, written);
        if written.is_none()
            && let Some(content_type) = body.1
        {
            headers.push((CONTENT_TYPE, Text::Plain(content_type.to_owned())));
        }
        let content = Content {
            method,
            url: config.url.0.clone(),
            verify: config.ssl_verify,
            headers,
            body: body.0,
            shapes: take(&mut self.shapes),
        };
        if self.problems.is_empty()
            && let Err(message) = content.try_body()
        {
            let key = if config.body.is_some() { "body" } else { "payload" };
            self.problems.push(Problem::at(self.path(key), message));
        }
        content
    }

    fn path(&self, key: &str) -> KeyPath {
        self.hook.config.path().key(key)
    }

    fn method(&mut self, name: &str) -> http::Method {
        match name.parse() {
            Ok(http::Method::CONNECT) => self.problems.push(
                Problem::at(self.path("method"), "CONNECT asks for a tunnel; it cannot tell of an event").help("write POST"),
            ),
            Ok(method) => return method,
            Err(_) => self.problems.push(Problem::at(self.path("method"), format!("`{name}` is no HTTP method"))),
        }
        http::Method::POST
    }

    fn headers(&mut self, config: &Config) -> Vec<(HeaderName, Text)> {
        let mut all = Vec::new();
        for (key, value) in &config.headers {
            let path = headers::path(self.hook, key);
            match headers::name(key) {
                Ok(name) => all.push((name, self.text(&path, value, config.headers_format, Escape::No))),
                Err(message) => self.problems.push(Problem::at_key(path.clone(), message)),
            }
            // A template may hold a line break; what it prints may not, and that is seen when it is printed.
            if !config.headers_format
                && let Err(message) = headers::value(value)
            {
                self.problems.push(Problem::at(path, message));
            }
        }
        all
    }

    /// The body, and the content type that it has if none is written.
    fn body(&mut self, config: &Config, method: &http::Method, written: Option<&str>) -> (Body, Option<&'static str>) {
        if let Some(text) = &config.body {
            let json = written.map_or_else(|| self.is_json(text, config.body_format), headers::is_json);
            return (Body::Text(self.explicit_body(text, config.body_format, json)), json.then_some("application/json"));
        }
        let Some(payload) = &config.payload else { return (Body::Nothing, None) };
        if [http::Method::GET, http::Method::HEAD].contains(method) {
            return (Body::Query(self.pairs(payload, config.payload_format)), None);
        }
        if written.is_some_and(headers::is_form) {
            return (Body::Form(self.pairs(payload, config.payload_format)), None);
        }
        let tree = self.table(&self.path("payload"), payload, config.payload_format);
        (Body::Json(tree), Some("application/json"))
    }

    /// Whether a body without a content type is JSON: it is if all that it prints of the samples is.
    fn is_json(&self, text: &str, format: bool) -> bool {
        let is_json = |text: &String| matches!(serde_json::from_str(text), Ok(Value::Object(_) | Value::Array(_)));
        if !format {
            return is_json(&text.to_owned());
        }
        let Ok(template) = Template::compile(text, Escape::Json) else { return false };
        self.shapes.iter().all(|shape| template.try_on(shape).is_ok_and(|printed| printed.iter().all(is_json)))
    }

    /// A body of its own. One that says it is JSON must be, whatever is absent in an event.
    fn explicit_body(&mut self, text: &str, format: bool, json: bool) -> Text {
        let path = self.path("body");
        let text = self.text(&path, text, format, if json { Escape::Json } else { Escape::No });
        let Text::Template(template) = &text else { return text };
        for shape in self.shapes.iter().filter(|_| json) {
            for printed in template.try_on(shape).into_iter().flatten() {
                if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&printed) {
                    let problem = Problem::at(path, format!("the body is not valid JSON when it is tried on a sample: {error}"));
                    self.problems.push(
                        problem.help("write {{ … | json }} where a whole value stands, such as {{ consumer.created_at | json }}"),
                    );
                    return text;
                }
            }
        }
        text
    }

    /// A payload for a form or a query, which have no room for tables and lists.
    fn pairs(&mut self, payload: &Map<String, Value>, format: bool) -> Vec<(String, Text)> {
        let mut pairs = Vec::new();
        for (key, value) in payload {
            let path = self.path("payload").key(key);
            let text = match value {
                Value::String(text) => self.text(&path, text, format, Escape::No),
                Value::Array(_) | Value::Object(_) => {
                    self.problems.push(
                        Problem::at(path, "a form or a query has plain values only")
                            .help("send it as JSON, or give each value a key of its own"),
                    );
                    continue;
                }
                value => Text::Plain(value.to_string()),
            };
            pairs.push((key.clone(), text));
        }
        pairs
    }

    fn table(&mut self, path: &KeyPath, table: &Map<String, Value>, format: bool) -> Tree {
        Tree::Table(table.iter().map(|(key, value)| (key.clone(), self.tree(&path.key(key), value, format))).collect())
    }

    fn tree(&mut self, path: &KeyPath, value: &Value, format: bool) -> Tree {
        match value {
            Value::String(text) => Tree::Text(self.text(path, text, format, Escape::No)),
            Value::Array(items) => {
                Tree::List(items.iter().enumerate().map(|(index, item)| self.tree(&path.index(index), item, format)).collect())
            }
            Value::Object(table) => self.table(path, table, format),
            value => Tree::Value(value.clone()),
        }
    }

    /// A text at this path; a template is compiled and tried on every event that the hook will see.
    fn text(&mut self, path: &KeyPath, text: &str, format: bool, escape: Escape) -> Text {
        if !format {
            return Text::Plain(text.to_owned());
        }
        let template = match Template::compile(text, escape) {
            Ok(template) => template,
            Err(refusal) => {
                self.problems.push(problem(path, refusal));
                return Text::Plain(String::new());
            }
        };
        let several = self.shapes.len() > 1;
        let sources = self.shapes.iter().any(|shape| shape.kind.source != self.shapes[0].kind.source);
        let mut refused: Vec<&EventKind> = Vec::new();
        for shape in &self.shapes {
            // What is wrong with one name of an event is wrong with its others.
            if refused.iter().any(|kind| kind.is_like(shape.kind)) {
                continue;
            }
            if let Err(mut refusal) = template.try_on(shape) {
                refused.push(shape.kind);
                if several {
                    let of = if sources { format!(" of \"{}\"", shape.kind.source) } else { String::new() };
                    refusal.message = format!("{} (for the event \"{}\"{of})", refusal.message, shape.kind.name);
                }
                self.problems.push(problem(path, refusal));
            }
        }
        Text::Template(Box::new(template))
    }
}

fn problem(path: &KeyPath, refusal: Refusal) -> Problem {
    let problem = Problem::at(path.clone(), refusal.message);
    match refusal.help {
        Some(help) => problem.help(help),
        None => problem,
    }
}
