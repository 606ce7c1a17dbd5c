//! What a `webhook-custom` sends: its options with every template compiled and tried, and the request they make.

use std::borrow::Cow;
use std::mem::take;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use serde_json::{Map, Value};
use sluice_config::{EventHook, KeyPath, Problem};
use sluice_events::EventKind;
use tera::Context;
use url::{Url, form_urlencoded::Serializer};

use crate::context::Shape;
use crate::exchange::Request;
use crate::handler::Delivery;
use crate::headers;
use crate::template::{Escape, Refusal, Template, context};
use crate::webhook_custom::Config;

/// The options, ready for use.
pub(crate) struct Content {
    method: http::Method,
    url: Url,
    verify: bool,
    headers: Vec<(HeaderName, Text)>,
    body: Body,
    shapes: Vec<Shape>,
}

enum Body {
    Nothing,
    /// A payload as JSON.
    Json(Tree),
    /// A payload as a form.
    Form(Vec<(String, Text)>),
    /// A payload as the query of the url.
    Query(Vec<(String, Text)>),
    /// An explicit body.
    Text(Text),
}

/// A text, or a template for one.
enum Text {
    Plain(String),
    Template(Box<Template>),
}

/// A payload, with texts where it has strings.
enum Tree {
    Text(Text),
    Value(Value),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
}

impl Text {
    fn print<'a>(&'a self, fields: &Context) -> Result<Cow<'a, str>, String> {
        match self {
            Self::Plain(text) => Ok(Cow::Borrowed(text)),
            Self::Template(template) => template.render(fields).map(Cow::Owned),
        }
    }
}

impl Tree {
    fn print(&self, fields: &Context) -> Result<Value, String> {
        Ok(match self {
            Self::Text(text) => Value::String(text.print(fields)?.into_owned()),
            Self::Value(value) => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(|item| item.print(fields)).collect::<Result<_, _>>()?),
            Self::Table(entries) => {
                let print = |(key, entry): &(String, Tree)| Ok::<_, String>((key.clone(), entry.print(fields)?));
                Value::Object(entries.iter().map(print).collect::<Result<_, _>>()?)
            }
        })
    }
}

impl Content {
    /// The request that tells of this delivery, or why there cannot be one.
    pub fn request(&self, delivery: &Delivery) -> Result<Request, String> {
        let shape =
            self.shapes.iter().find(|shape| std::ptr::eq(shape.kind, delivery.kind)).ok_or("the hook has no such event")?;
        let fields = context(&shape.fields(delivery));
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        for (name, text) in &self.headers {
            let value = headers::value(&text.print(&fields)?).map_err(|error| format!("header {name}: {error}"))?;
            headers.insert(name, value);
        }
        let mut url = self.url.clone();
        let body = match &self.body {
            Body::Nothing => String::new(),
            Body::Json(tree) => tree.print(&fields)?.to_string(),
            Body::Form(pairs) => Serializer::new(String::new()).extend_pairs(print_pairs(pairs, &fields)?).finish(),
            Body::Query(pairs) => {
                url.query_pairs_mut().extend_pairs(print_pairs(pairs, &fields)?);
                String::new()
            }
            Body::Text(text) => text.print(&fields)?.into_owned(),
        };
        Ok(Request { method: self.method.clone(), url, headers, body: body.into(), verify: self.verify })
    }
}

fn print_pairs<'a>(pairs: &'a [(String, Text)], fields: &Context) -> Result<Vec<(&'a str, Cow<'a, str>)>, String> {
    pairs.iter().map(|(key, text)| Ok((key.as_str(), text.print(fields)?))).collect()
}

/// Makes a [`Content`] and collects what is wrong on the way.
pub(crate) struct Writer<'a> {
    hook: &'a EventHook,
    shapes: Vec<Shape>,
    pub problems: Vec<Problem>,
}

impl<'a> Writer<'a> {
    /// A writer for a hook that sees these kinds of events.
    pub fn new(hook: &'a EventHook, kinds: &[&'static EventKind]) -> Self {
        Self { hook, shapes: kinds.iter().map(|kind| Shape::of(kind)).collect(), problems: Vec::new() }
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
        Content {
            method,
            url: config.url.0.clone(),
            verify: config.ssl_verify,
            headers,
            body: body.0,
            shapes: take(&mut self.shapes),
        }
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
        for shape in &self.shapes {
            if let Err(mut refusal) = template.try_on(shape) {
                if several {
                    refusal.message = format!("{} (for the event \"{}\")", refusal.message, shape.kind.name);
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
