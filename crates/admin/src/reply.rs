//! Answers in JSON.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An answer of this status and value.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// `{"message":"…"}`.
pub(crate) fn message(status: StatusCode, message: &str) -> Response {
    json(status, &json!({ "message": message }))
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Whether an answer is JSON already.
pub(crate) fn is_json(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE) == Some(&JSON)
}

/// Says which version of the configuration an answer is of.
pub(crate) fn tag(response: &mut Response, version: u64) {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
}
