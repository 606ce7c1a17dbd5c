//! `/config`: the configuration as a whole, as the file has it.

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use sluice_hooks::MASK;

use crate::change::{Expected, refused};
use crate::control::Refusal;
use crate::endpoint::{Endpoint, get};
use crate::error::Error;
use crate::openapi::{Body, Operation};
use crate::{Shared, body, reply};

const TOML: HeaderValue = HeaderValue::from_static("application/toml; charset=utf-8");
const BAD: StatusCode = StatusCode::BAD_REQUEST;
const NO_TEXT: Error = Error::Plain(BAD, "send the text of gateway.toml as application/toml, or as the field `config`");

/// What may be done with all of it.
pub(crate) fn endpoint() -> Endpoint {
    let shows = Operation::writes("The text of gateway.toml", "application/toml");
    let replaces = Operation::shows("Makes a text the configuration", "config_replaced").status(201);
    get(show, shows).post(replace, replaces.asks(&["check_hash"]).takes(Body::Toml).changes().refuses(&[304]))
}

/// `GET /config`: gateway.toml, with masks in the place of secrets.
pub(crate) async fn show(State(app): Shared) -> Response {
    let mut response = Response::new(app.control.text().into());
    response.headers_mut().insert(CONTENT_TYPE, TOML);
    response
}

/// `POST /config/check`: what is wrong with a text, or what it would change.
pub(crate) async fn check(State(app): Shared, request: Request) -> Result<Response, Error> {
    let text = text_of(request).await?;
    let changes = app.control.check(text).await.map_err(whole)?;
    Ok(reply::json(StatusCode::OK, &json!({ "message": "the configuration is good", "changes": changes })))
}

/// `POST /config`: the text is the configuration from now on, and the file's.
pub(crate) async fn replace(State(app): Shared, uri: Uri, request: Request) -> Result<Response, Error> {
    let expected = Expected::of(request.headers())?;
    let text = text_of(request).await?;
    if text.contains(&format!("\"{MASK}\"")) {
        return Err(Error::Plain(
            BAD,
            "a \"***\" stands for a secret that was not shown: write the secret, or a reference such as ${NAME}",
        ));
    }
    let replaced = app.control.replace(text, expected.0).await.map_err(whole)?;
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let asks = query.any(|(key, value)| key == "check_hash" && ["1", "true", "on"].contains(&&*value));
    if asks && !replaced.is_new {
        return Ok(reply::empty(StatusCode::NOT_MODIFIED));
    }
    let body = json!({
        "version": replaced.version,
        "changes": replaced.changes,
        "waiting_for_start": replaced.waiting_for_start,
    });
    let mut response = reply::json(StatusCode::CREATED, &body);
    reply::tag(&mut response, replaced.version);
    Ok(response)
}

/// The text that a body is, or has as its field `config`.
async fn text_of(request: Request) -> Result<String, Error> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if ["", "application/toml", "text/plain", "application/octet-stream"].contains(&kind.as_str()) {
        let bytes = body::collect(request.into_body(), body::MOST_BYTES_OF_A_CONFIGURATION).await?;
        if bytes.is_empty() {
            // Meant is hardly that everything should go.
            return Err(NO_TEXT);
        }
        return String::from_utf8(bytes).map_err(|_| Error::Plain(BAD, "the configuration is no UTF-8 text"));
    }
    let (mut fields, _) = body::read_up_to(request, body::MOST_BYTES_OF_A_CONFIGURATION).await?;
    match fields.shift_remove("config") {
        Some(Value::String(text)) => Ok(text),
        _ => Err(NO_TEXT),
    }
}

/// What is wrong with a text is told of the text, whatever entity it is at.
fn whole(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Invalid(diagnostics, _) => Error::Declarative(diagnostics.0.iter().map(crate::violations::line).collect()),
        other => refused(other, "declarative_config"),
    }
}
