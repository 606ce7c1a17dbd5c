//! What can be wrong with a request, and Kong's answer to it.

use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sluice_hooks::Refused;

use crate::reply;
use crate::violations::Violations;

/// Why a request is not done.
#[derive(Debug)]
pub(crate) enum Error {
    /// A status and a sentence.
    Plain(StatusCode, &'static str),
    /// A request that cannot be meant, and why.
    Bad(String),
    /// There is nothing here.
    NotFound,
    /// Fields that are missing, unknown or wrong.
    Schema(Violations),
    /// The id is taken.
    IdTaken(uuid::Uuid),
    /// The name is taken.
    NameTaken(String),
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
            Self::NotFound => reply::message(StatusCode::NOT_FOUND, "Not found"),
            Self::Schema(violations) => kong(bad, (2, "schema violation"), &violations.message(), Some(violations.fields())),
            Self::IdTaken(id) => {
                let message = format!("primary key violation on key '{{id=\"{id}\"}}'");
                kong(bad, (3, "primary key violation"), &message, Some(json!({ "id": id })))
            }
            Self::NameTaken(name) => {
                let message = format!("UNIQUE violation detected on '{{name=\"{name}\"}}'");
                kong(StatusCode::CONFLICT, (5, "unique constraint violation"), &message, Some(json!({ "name": name })))
            }
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
