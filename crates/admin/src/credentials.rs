//! The credentials of consumers, as Kong's plugins show them: all of a kind, those of one consumer, and one of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use sluice_config::{Config, Consumer};
use sluice_plugins::credentials;
use uuid::Uuid;

use crate::entities::{as_id, find, read_only};
use crate::error::Error;
use crate::tables::{Row, credential};
use crate::{App, Shared, pages, reply};

/// `GET` of all in a table.
pub(crate) fn list(table: &'static str) -> MethodRouter<Arc<App>> {
    read_only(get(async move |State(app): Shared, uri: Uri| {
        pages::page_of_rows(&rows(&app.control.config(), table, |_| true), &uri)
    }))
}

/// `GET` of one in a table.
pub(crate) fn one(table: &'static str) -> MethodRouter<Arc<App>> {
    read_only(get(async move |State(app): Shared, Path(key): Path<String>| {
        show(rows(&app.control.config(), table, |_| true), &key)
    }))
}

/// `GET` of a consumer's in a table.
pub(crate) fn list_of_consumer(table: &'static str) -> MethodRouter<Arc<App>> {
    read_only(get(async move |State(app): Shared, Path(consumer): Path<String>, uri: Uri| {
        pages::page_of_rows(&of_consumer(&app, table, &consumer)?, &uri)
    }))
}

/// `GET` of one of a consumer's in a table.
pub(crate) fn one_of_consumer(table: &'static str) -> MethodRouter<Arc<App>> {
    read_only(get(async move |State(app): Shared, Path((consumer, key)): Path<(String, String)>| {
        show(of_consumer(&app, table, &consumer)?, &key)
    }))
}

fn of_consumer(app: &App, table: &'static str, key: &str) -> Result<Vec<Row>, Error> {
    let config = app.control.config();
    let consumer = find::<Consumer>(&config, key)?.id;
    Ok(rows(&config, table, |owner| owner == consumer))
}

fn rows(config: &Config, table: &'static str, wants: impl Fn(Uuid) -> bool) -> Vec<Row> {
    let all = credentials(config, table).filter(|(_, consumer, _)| wants(consumer.id));
    all.map(|(id, consumer, block)| credential(id, consumer, block)).collect()
}

/// The one of this id. Their other names are secrets, or a part of one.
fn show(rows: Vec<Row>, key: &str) -> Result<Response, Error> {
    let row = as_id(key).and_then(|id| rows.into_iter().find(|row| row.id == id)).ok_or(Error::NotFound)?;
    Ok(reply::json(StatusCode::OK, &row.shown))
}
