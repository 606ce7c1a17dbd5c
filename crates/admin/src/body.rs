//! The body of a request as an object: JSON, a form, or multipart, within bounds.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures_util::stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use sluice_config::EventHook;

use crate::coerce::{coerce, table_of};
use crate::entities::Entity;
use crate::error::Error;
use crate::form::Misplaced;
use crate::violations::Violations;
use crate::{dotted, filter, form};

/// How long a body may be where nothing else is said.
const MOST_BYTES: usize = 1024 * 1024;
/// How long one may be that is a whole configuration.
pub(crate) const MOST_BYTES_OF_A_CONFIGURATION: usize = 16 * 1024 * 1024;
/// How long its sender may take.
const PATIENCE: Duration = Duration::from_secs(30);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

const NO_JSON: Error = Error::Plain(StatusCode::BAD_REQUEST, "Cannot parse JSON body");
const NO_MULTIPART: Error = Error::Plain(StatusCode::BAD_REQUEST, "Cannot parse multipart body");
const NO_TYPE: Error = Error::Plain(
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "send application/json, application/x-www-form-urlencoded or multipart/form-data",
);

/// Reads the body of a hook. A body that is empty is an empty object.
pub(crate) async fn read(request: Request) -> Result<Map<String, Value>, Error> {
    let (mut fields, is_form) = read_as_sent(request).await?;
    if is_form {
        let mut value = Value::Object(fields);
        coerce(&mut value, table_of(EventHook::TABLE));
        fields = value.as_object().cloned().unwrap_or_default();
    } else {
        fields = dotted::expand(fields).map_err(misplaced)?;
    }
    filter::with_dotted_names(fields).map_err(misplaced)
}

/// Reads the body as it was sent, and whether it is a form, in which everything is a string.
pub(crate) async fn read_as_sent(request: Request) -> Result<(Map<String, Value>, bool), Error> {
    read_up_to(request, MOST_BYTES).await
}

/// The same of a body of another length.
pub(crate) async fn read_up_to(request: Request, most: usize) -> Result<(Map<String, Value>, bool), Error> {
    let content_type = content_type(request.headers())?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["", JSON, FORM, MULTIPART].contains(&media_type.as_str()) {
        return Err(NO_TYPE);
    }
    let bytes = collect(request.into_body(), most).await?;
    match media_type.as_str() {
        _ if bytes.is_empty() => Ok((Map::new(), false)),
        JSON => Ok((json(&bytes)?, false)),
        FORM => Ok((object(form_urlencoded::parse(&bytes).into_owned())?, true)),
        MULTIPART => Ok((object(multipart(&content_type, bytes).await.ok_or(NO_MULTIPART)?)?, true)),
        _ => Err(NO_TYPE),
    }
}

fn content_type(headers: &HeaderMap) -> Result<String, Error> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let first = all.next();
    if all.next().is_some() {
        return Err(Error::Plain(StatusCode::BAD_REQUEST, "there is more than one Content-Type"));
    }
    Ok(first.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default())
}

/// The bytes of a body.
pub(crate) async fn collect(body: Body, most: usize) -> Result<Vec<u8>, Error> {
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, most).collect()).await;
    match collected.map_err(|_| Error::Plain(StatusCode::REQUEST_TIMEOUT, "Request timeout"))? {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLong(most)),
        Err(_) => Err(Error::Plain(StatusCode::BAD_REQUEST, "the body could not be read to its end")),
    }
}

fn json(bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(NO_JSON),
    }
}

/// The object of a form's fields.
fn object(fields: impl IntoIterator<Item = (String, String)>) -> Result<Map<String, Value>, Error> {
    match form::parse(fields).map_err(misplaced)? {
        Value::Object(object) => Ok(object),
        _ => Ok(Map::new()),
    }
}

fn misplaced(Misplaced(path, why): Misplaced) -> Error {
    Error::Schema(Violations::one(path, why))
}

/// The named parts of a multipart body; files count as texts.
async fn multipart(content_type: &str, bytes: Vec<u8>) -> Option<Vec<(String, String)>> {
    let boundary = multer::parse_boundary(content_type).ok()?;
    let body = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let mut parts = multer::Multipart::new(body, boundary);
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.ok()? {
        let name = part.name()?.to_owned();
        fields.push((name, part.text().await.ok()?));
    }
    Some(fields)
}
