//! What a `webhook-custom` sends: its options, ready for use, and the request that they make of a delivery.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName};
use serde_json::Value;
use tera::Context;
use url::{Url, form_urlencoded::Serializer};

use crate::context::Shape;
use crate::exchange::Request;
use crate::handler::Delivery;
use crate::headers;
use crate::template::{Template, context};

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
