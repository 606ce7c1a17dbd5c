//! `/limits`: who is limited now, what clients have spent, and how to let them start afresh. Sluice's own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use sluice_plugins::Limit;

use crate::endpoint::{Endpoint, get};
use crate::error::Error;
use crate::openapi::{Operation, PAGE};
use crate::{App, Shared, pages, reply};

/// How many clients stand beside each limit in the list of limits.
const FIRST: usize = 10;

/// One limit.
pub(crate) fn endpoint() -> Endpoint {
    let resets = Operation::does("Lets all its clients start afresh");
    get(one, Operation::shows("A limit and its clients", "limit").asks(PAGE)).delete(reset_limit, resets)
}

/// `GET /limits`: every limit with the first of its clients, and how much room for clients there is.
pub(crate) async fn all(State(app): Shared) -> Response {
    let limiters = app.control.limiters();
    let data: Vec<Value> = limiters.limits().iter().map(|limit| with_clients(limit, 0, FIRST)).collect();
    let budget = limiters.budget();
    let body = json!({
        "data": data,
        "keys": budget.keys(),
        "max_keys": budget.max_keys(),
        "overflowed": budget.overflowed(),
        "next": null,
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /limits/{limiter}`: one limit, and a page of its clients.
async fn one(State(app): Shared, Path(path): Path<String>, uri: Uri) -> Result<Response, Error> {
    let limit = find(&app, &path)?;
    let (size, start) = pages::by_position(&uri)?;
    Ok(reply::json(StatusCode::OK, &with_clients(&limit, start, size)))
}

/// `GET /limits/{limiter}/{key}`: one client of it, by id or name.
pub(crate) async fn client(State(app): Shared, Path((path, key)): Path<(String, String)>) -> Result<Response, Error> {
    let client = find(&app, &path)?.find(&key).ok_or(Error::NotFound)?;
    Ok(reply::json(StatusCode::OK, &serde_json::to_value(client).unwrap_or_default()))
}

/// `DELETE /limits`: everybody starts afresh, everywhere.
pub(crate) async fn reset_all(State(app): Shared) -> Response {
    app.control.limiters().limits().iter().for_each(|limit| limit.clear());
    reply::empty(StatusCode::NO_CONTENT)
}

/// `DELETE /limits/{limiter}`: everybody starts afresh under this limit.
async fn reset_limit(State(app): Shared, Path(path): Path<String>) -> Result<Response, Error> {
    find(&app, &path)?.clear();
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `DELETE /limits/{limiter}/{key}`: this client starts afresh.
pub(crate) async fn reset_client(State(app): Shared, Path((path, key)): Path<(String, String)>) -> Result<Response, Error> {
    let known = find(&app, &path)?.reset(&key);
    if known { Ok(reply::empty(StatusCode::NO_CONTENT)) } else { Err(Error::NotFound) }
}

fn find(app: &App, path: &str) -> Result<Arc<Limit>, Error> {
    app.control.limiters().limits().into_iter().find(|limit| limit.path() == path).ok_or(Error::NotFound)
}

/// A limit, and so many of its clients from this position on.
fn with_clients(limit: &Limit, start: usize, size: usize) -> Value {
    // One more than is shown tells whether there are more.
    let mut clients = limit.clients(start..start.saturating_add(size).saturating_add(1));
    let more = clients.len() > size;
    clients.truncate(size);
    let mut shown = serde_json::to_value(limit.shown()).unwrap_or_default();
    shown["clients"] = json!(clients);
    let next = format!("/limits/{}?offset={}&size={size}", encoded(limit.path()), pages::offset_of(start + size));
    shown["next"] = if more { next.into() } else { Value::Null };
    shown
}

/// A path's segment: what a limit is called may hold anything that a key of a file may.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
