//! What can be wrong with a request, and Kong's answer to it.

use std::time::Duration;

use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sluice_hooks::Refused;

use crate::entities::as_id;
use crate::reply;
use crate::violations::Violations;

/// Why a request is not done.
#[derive(Debug)]
pub enum Error {
    /// A status and a sentence.
    Plain(StatusCode, &'static str),
    /// A request that cannot be meant, and why.
    Bad(String),
    /// The token of this name is for looking only.
    ReadOnlyToken(String),
    /// Too many wrong tokens came from there: how long to wait.
    TooManyGuesses(Duration),
    /// The body is longer than so many bytes.
    TooLong(usize),
    /// There is nothing here.
    NotFound,
    /// There is no such thing of this kind: `entity` or `plugin`.
    NoneNamed(&'static str, String),
    /// Fields that are missing, unknown or wrong.
    Schema(Violations),
    /// The id is taken.
    IdTaken(uuid::Uuid),
    /// These fields are another entity's already.
    Unique(Vec<(&'static str, Value)>),
    /// A field names an entity that there is not.
    Foreign {
        /// The field.
        field: String,
        /// The id or the name.
        key: String,
        /// The table in which it is not.
        table: &'static str,
    },
    /// Entities of the first table need one of the second.
    Referenced(&'static str, &'static str),
    /// The rest of the configuration needs what would be gone; one line a problem.
    Needed(Vec<String>),
    /// The version in force is another than was expected; this is the one.
    Stale(u64),
    /// `tags` of a query mixes its two forms.
    Tags,
    /// `offset` is not ours.
    Offset(String),
    /// `size` is out of bounds.
    Size(&'static str),
    /// This cannot be done here, and what to do instead.
    Unsupported(String),
    /// It stands in the way of how things are, and what to do about it.
    Conflict(String),
    /// Something that it needs is not to be had now.
    Unavailable(String),
    /// A whole configuration that was sent is wrong; one line a problem.
    Declarative(Vec<String>),
    /// The file was broken by somebody else; one line a problem.
    FileBroken(Vec<String>),
    /// The file could not be written.
    File(String),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let bad = StatusCode::BAD_REQUEST;
        match self {
            Self::Plain(status, text) => reply::message(status, text),
            Self::Bad(reason) => reply::message(bad, &reason),
            Self::ReadOnlyToken(name) => {
                let message = format!("{name}, you do not have permissions to update this resource");
                reply::message(StatusCode::FORBIDDEN, &message)
            }
            Self::TooManyGuesses(wait) => {
                let seconds = wait.as_millis().div_ceil(1000).max(1) as u64;
                let message = format!("too many wrong tokens came from this address; the next one is looked at in {seconds} s");
                let mut response = reply::message(StatusCode::TOO_MANY_REQUESTS, &message);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Self::TooLong(most) => {
                let message = format!("Payload too large: a body has at most {} MiB", most / (1024 * 1024));
                reply::message(StatusCode::PAYLOAD_TOO_LARGE, &message)
            }
            Self::NotFound => reply::message(StatusCode::NOT_FOUND, "Not found"),
            Self::NoneNamed(kind, name) => reply::message(StatusCode::NOT_FOUND, &format!("No {kind} named '{name}'")),
            Self::Schema(violations) => kong(bad, (2, "schema violation"), &violations.message(), Some(violations.fields())),
            Self::IdTaken(id) => {
                let message = format!("primary key violation on key '{{id=\"{id}\"}}'");
                kong(bad, (3, "primary key violation"), &message, Some(json!({ "id": id })))
            }
            Self::Unique(fields) => {
                let told: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let message = format!("UNIQUE violation detected on '{{{}}}'", told.join(","));
                let fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                kong(StatusCode::CONFLICT, (5, "unique constraint violation"), &message, Some(fields.into()))
            }
            Self::Foreign { field, key, table } => {
                let by = if as_id(&key).is_some() { "id" } else { "name" };
                let message = format!("the foreign key '{{{by}=\"{key}\"}}' does not reference an existing '{table}' entity.");
                kong(bad, (4, "foreign key violation"), &message, Some(json!({ field: { by: key } })))
            }
            Self::Referenced(by, table) => {
                let message = format!("an existing '{by}' entity references this '{table}' entity");
                kong(bad, (4, "foreign key violation"), &message, Some(json!({ "@referenced_by": by })))
            }
            Self::Needed(problems) => {
                let message = format!("nothing was changed: the configuration would be wrong then: {}", problems.join("; "));
                reply::json(bad, &json!({ "message": message, "problems": problems }))
            }
            Self::Stale(version) => {
                let message = format!("the configuration in force is version {version}: read it again, and change that");
                let mut response = reply::message(StatusCode::PRECONDITION_FAILED, &message);
                reply::tag(&mut response, version);
                response
            }
            Self::Tags => kong(bad, (11, "invalid options"), "invalid option (tags: invalid filter syntax)", None),
            Self::Offset(offset) => {
                let message = format!("'{offset}' is not a valid offset: bad base64 encoding");
                kong(bad, (7, "invalid offset"), &message, None)
            }
            Self::Size(message) => kong(bad, (9, "invalid size"), message, None),
            Self::Unsupported(message) => {
                let mut response = kong(StatusCode::METHOD_NOT_ALLOWED, (12, "operation unsupported"), &message, None);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            Self::Conflict(reason) => reply::message(StatusCode::CONFLICT, &reason),
            Self::Unavailable(reason) => reply::message(StatusCode::SERVICE_UNAVAILABLE, &reason),
            Self::Declarative(problems) => {
                let message = format!("declarative config is invalid: {}", problems.join("; "));
                kong(bad, (14, "invalid declarative configuration"), &message, Some(json!({ "problems": problems })))
            }
            Self::FileBroken(problems) => {
                let message = format!(
                    "nothing was changed: the configuration file itself is broken; mend it first: {}",
                    problems.join("; ")
                );
                reply::json(StatusCode::CONFLICT, &json!({ "message": message, "problems": problems }))
            }
            Self::File(reason) => {
                let message = format!("nothing was changed: {reason}");
                reply::message(StatusCode::INTERNAL_SERVER_ERROR, &message)
            }
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        let reason = refused.to_string();
        match refused {
            Refused::NoDelivery => Self::NotFound,
            // It is configured, or it would not have been asked.
            Refused::NoHook => Self::Conflict("the hook is not enabled".into()),
            Refused::Conflict(_) => Self::Conflict(reason),
            Refused::Unsupported(_) => Self::Bad(reason),
            Refused::Outbox(_) => Self::Unavailable(reason),
        }
    }
}

/// An error as Kong's data layer tells it.
fn kong(status: StatusCode, (code, name): (u8, &str), message: &str, fields: Option<Value>) -> Response {
    let mut body = json!({ "code": code, "name": name, "message": message });
    if let Some(fields) = fields {
        body["fields"] = fields;
    }
    reply::json(status, &body)
}
