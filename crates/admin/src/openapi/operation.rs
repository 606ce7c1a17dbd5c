//! What OpenAPI says of one method at one path.

use serde_json::{Value, json};

use super::entities::To;
use super::shared;

/// What one sends, what comes back, and what else may.
#[derive(Clone)]
pub(crate) struct Operation {
    summary: &'static str,
    /// Names of the parameters of the query.
    query: Vec<&'static str>,
    body: Body,
    answer: (u16, Answer),
    refusals: Vec<u16>,
}

/// What one sends.
#[derive(Clone)]
pub(crate) enum Body {
    /// Nothing.
    Nothing,
    /// An entity of this table, or what of it is to change.
    Sent(To, &'static str),
    /// A JSON object.
    Json(Value),
    /// The text of gateway.toml.
    Toml,
}

/// What comes back.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Nothing.
    Nothing,
    /// What this component of the document says.
    Json(&'static str),
    /// Entities of this table.
    Page(&'static str),
    /// Text of this type.
    Text(&'static str),
}

impl Operation {
    /// One that answers with what a component says.
    pub fn shows(summary: &'static str, component: &'static str) -> Self {
        Self::answers(summary, 200, Answer::Json(component))
    }

    /// One that answers with a page of the entities of a table.
    pub fn lists(summary: &'static str, table: &'static str) -> Self {
        Self::answers(summary, 200, Answer::Page(table))
    }

    /// One that answers with a text of this type.
    pub fn writes(summary: &'static str, media: &'static str) -> Self {
        Self::answers(summary, 200, Answer::Text(media))
    }

    /// One that does something, and has nothing to say.
    pub fn does(summary: &'static str) -> Self {
        Self::answers(summary, 204, Answer::Nothing)
    }

    fn answers(summary: &'static str, status: u16, answer: Answer) -> Self {
        Self { summary, query: Vec::new(), body: Body::Nothing, answer: (status, answer), refusals: Vec::new() }
    }

    /// With another status than 200 or 204.
    pub fn status(mut self, status: u16) -> Self {
        self.answer.0 = status;
        self
    }

    /// With parameters of the query.
    pub fn asks(mut self, query: &[&'static str]) -> Self {
        self.query.extend(query);
        self
    }

    /// With a body.
    pub fn takes(mut self, body: Body) -> Self {
        self.body = body;
        self.refuses(&[400, 408, 413, 415])
    }

    /// With statuses that say why it was not done.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    /// One that changes the configuration.
    pub fn changes(mut self) -> Self {
        self.query.push("If-Match");
        self.refuses(&[400, 405, 409, 412, 500])
    }

    /// What a part of a path may be. What is put under a name that is not there yet gets that name.
    fn key(&self, path: &str, key: &str) -> Value {
        match self.body {
            Body::Sent(To::Put, table) if table == key => To::key(table),
            _ => shared::key(path, key),
        }
    }

    /// The whole of it, at this path.
    pub fn at(&self, method: &str, path: &str) -> Value {
        let keys: Vec<&str> = keys(path).collect();
        let mut refusals = self.refusals.clone();
        refusals.extend([400, 401, 403, 429]);
        if !keys.is_empty() {
            refusals.push(404);
        }
        refusals.sort_unstable();
        refusals.dedup();
        let mut responses = json!({ self.answer.0.to_string(): self.answer.1.response() });
        for status in refusals {
            responses[status.to_string()] = json!({ "$ref": format!("#/components/responses/{status}") });
        }
        let of_path =
            keys.iter().map(|key| json!({ "name": key, "in": "path", "required": true, "schema": self.key(path, key) }));
        let shared = self.query.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
        let mut operation = json!({
            "operationId": name(method, path),
            "summary": self.summary,
            "tags": [path.split('/').nth(1).filter(|first| !first.is_empty()).unwrap_or("node")],
            "parameters": of_path.chain(shared).collect::<Vec<_>>(),
            "responses": responses,
        });
        if let Some(body) = self.body.content(&keys) {
            operation["requestBody"] = body;
        }
        operation
    }
}

impl Body {
    fn content(&self, keys: &[&str]) -> Option<Value> {
        let (is_needed, media, schema) = match self {
            Self::Nothing => return None,
            Self::Toml => (true, "application/toml", json!({ "type": "string", "minLength": 1 })),
            Self::Json(schema) => (schema.get("required").is_some(), "application/json", schema.clone()),
            Self::Sent(to, table) => {
                let schema = to.body(table, keys.iter().find(|key| *key != table).copied());
                (to.is_needed(table), "application/json", schema)
            }
        };
        Some(json!({ "required": is_needed, "content": { media: { "schema": schema } } }))
    }
}

impl Answer {
    fn response(&self) -> Value {
        let etag = json!({ "ETag": { "$ref": "#/components/headers/ETag" } });
        let component = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
        let (media, schema) = match self {
            Self::Nothing => return json!({ "description": "It is done.", "headers": etag }),
            Self::Json(name) => ("application/json", component(name)),
            Self::Page(table) => ("application/json", component(&format!("{table}_page"))),
            Self::Text(media) => (*media, json!({ "type": "string" })),
        };
        json!({ "description": "What is there.", "headers": etag, "content": { media: { "schema": schema } } })
    }
}

/// The parts of a path that are no fixed words.
fn keys(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// `get_services_services_routes`.
fn name(method: &str, path: &str) -> String {
    let words: String = path.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { ' ' }).collect();
    words.split_whitespace().fold(method.to_owned(), |name, word| format!("{name}_{word}"))
}
