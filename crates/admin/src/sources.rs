//! `/event-hooks/sources`: what a hook can wait for.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use sluice_events::{EventKind, SOURCES, Source, kind_of, source};

use crate::error::Error;
use crate::reply;

/// `GET /event-hooks/sources`.
pub(crate) async fn all() -> Response {
    let sources: Map<String, Value> = SOURCES.iter().map(|source| (source.name.to_owned(), events(source))).collect();
    data(&sources.into())
}

/// `GET /event-hooks/sources/{source}`.
pub(crate) async fn one(Path(name): Path<String>) -> Result<Response, Error> {
    source(&name).map(|source| data(&events(source))).ok_or(Error::NotFound)
}

/// `GET /event-hooks/sources/{source}/{event}`.
pub(crate) async fn event(Path((source, name)): Path<(String, String)>) -> Result<Response, Error> {
    kind_of(&source, &name).map(|kind| data(&fields(kind))).ok_or(Error::NotFound)
}

fn data(data: &Value) -> Response {
    reply::json(StatusCode::OK, &json!({ "data": data }))
}

fn events(source: &Source) -> Value {
    source.events.iter().map(|kind| (kind.name.to_owned(), fields(kind))).collect::<Map<_, _>>().into()
}

fn fields(kind: &EventKind) -> Value {
    let mut shown = json!({ "fields": kind.fields });
    if !kind.unique.is_empty() {
        shown["unique"] = json!(kind.unique);
    }
    shown["description"] = kind.summary.into();
    shown
}
