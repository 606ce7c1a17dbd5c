//! What a `webhook-custom` sends: its options, ready for use, and the request that they make of a delivery.

use std::borrow::Cow;
use std::cell::Cell;

use http::header::{HeaderMap, HeaderName};
use serde_json::Value;
use tera::Context;
use url::{Url, form_urlencoded::Serializer};

use crate::context::Shape;
use crate::exchange::Request;
use crate::handler::Delivery;
use crate::headers;
use crate::template::{Template, context};

/// How long a body may be, and the query of a GET, and all that is printed for it.
pub(crate) const BODY_LIMIT: usize = 256 * 1024;

const TOO_LONG: &str = "what the hook sends is more than 256 KiB";

/// The options, ready for use.
pub(crate) struct Content {
    pub method: http::Method,
    pub url: Url,
    pub verify: bool,
    pub headers: Vec<(HeaderName, Text)>,
    pub body: Body,
    pub shapes: Vec<Shape>,
}

/// What the body is made of.
pub(crate) enum Body {
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
pub(crate) enum Text {
    Plain(String),
    Template(Box<Template>),
}

/// A payload, with texts where it has strings.
pub(crate) enum Tree {
    Text(Text),
    Value(Value),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
}

/// Prints texts until they are too long together.
struct Printer<'a> {
    fields: &'a Context,
    printed: Cell<usize>,
}

impl Printer<'_> {
    fn print<'t>(&self, text: &'t Text) -> Result<Cow<'t, str>, String> {
        let text = match text {
            Text::Plain(text) => Cow::Borrowed(text.as_str()),
            Text::Template(template) => Cow::Owned(template.render(self.fields)?),
        };
        self.printed.set(self.printed.get() + text.len());
        fits(self.printed.get()).map(|()| text)
    }

    fn pairs<'t>(&self, pairs: &'t [(String, Text)]) -> Result<Vec<(&'t str, Cow<'t, str>)>, String> {
        pairs.iter().map(|(key, text)| Ok((key.as_str(), self.print(text)?))).collect()
    }
}

fn fits(length: usize) -> Result<(), String> {
    if length > BODY_LIMIT { Err(TOO_LONG.to_owned()) } else { Ok(()) }
}

impl Tree {
    fn print(&self, printer: &Printer<'_>) -> Result<Value, String> {
        Ok(match self {
            Self::Text(text) => Value::String(printer.print(text)?.into_owned()),
            Self::Value(value) => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(|item| item.print(printer)).collect::<Result<_, _>>()?),
            Self::Table(entries) => {
                let print = |(key, entry): &(String, Tree)| Ok::<_, String>((key.clone(), entry.print(printer)?));
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
        let printer = Printer { fields: &fields, printed: Cell::new(0) };
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 4);
        for (name, text) in &self.headers {
            let of_header = |error| format!("header {name}: {error}");
            let value = printer.print(text).and_then(|text| headers::value(&text)).map_err(of_header)?;
            headers.insert(name, value);
        }
        let (url, body) = self.body(&printer)?;
        Ok(Request { method: self.method.clone(), url, headers, body: body.into(), verify: self.verify })
    }

    /// Tries the body on every sample, for what only shows in the whole.
    pub fn try_body(&self) -> Result<(), String> {
        self.shapes.iter().try_for_each(|shape| {
            let fields = context(&shape.fields(&shape.full()));
            self.body(&Printer { fields: &fields, printed: Cell::new(0) }).map(|_| ())
        })
    }

    fn body(&self, printer: &Printer<'_>) -> Result<(Url, String), String> {
        let mut url = self.url.clone();
        let body = match &self.body {
            Body::Nothing => String::new(),
            Body::Json(tree) => tree.print(printer)?.to_string(),
            Body::Form(pairs) => Serializer::new(String::new()).extend_pairs(printer.pairs(pairs)?).finish(),
            Body::Query(pairs) => {
                url.query_pairs_mut().extend_pairs(printer.pairs(pairs)?);
                String::new()
            }
            Body::Text(text) => printer.print(text)?.into_owned(),
        };
        fits(body.len().max(url.as_str().len())).map(|()| (url, body))
    }
}
