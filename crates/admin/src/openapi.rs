//! `/openapi.json`: what all of the Admin API is, for tools. It is made of the table of paths and of the schemas of the file.

mod answers;
mod entities;
mod operation;
mod schema;
mod shared;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

pub(crate) use entities::To;
pub(crate) use operation::{Body, Operation};
pub(crate) use shared::milliseconds;

use crate::endpoint::Endpoint;
use crate::gate::OPEN;
use crate::{Shared, reply, routes};

/// What a list in pages is asked with.
pub(crate) const PAGE: &[&str] = &["size", "offset"];
/// The same of entities, which have tags.
pub(crate) const PAGE_OF_ENTITIES: &[&str] = &["size", "offset", "tags"];

const ABOUT: &str = "Kong's Admin API over gateway.toml. Bodies are JSON, as here, or forms in Kong's notation. HEAD is answered \
                     where GET is, and OPTIONS everywhere.";

/// `GET /openapi.json`.
pub(crate) async fn show(State(app): Shared) -> Response {
    let mut document = document(&routes::endpoints(), app.options.version);
    if app.control.config().admin.tokens.is_empty() {
        // Who is on this machine needs none.
        document["security"] = json!([{}, { "token": [] }, { "bearer": [] }]);
    }
    reply::json(StatusCode::OK, &document)
}

fn document(endpoints: &[(&'static str, Endpoint)], version: &str) -> Value {
    let mut paths = json!({});
    for (path, endpoint) in endpoints {
        for (method, operation) in &endpoint.operations {
            paths[*path][*method] = operation.at(method, path);
            if OPEN.contains(path) {
                paths[*path][*method]["security"] = json!([]);
            }
        }
    }
    let mut schemas = entities::components();
    schemas.extend(answers::components());
    schemas.insert("error".into(), shared::error());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Sluice", "version": version, "description": ABOUT },
        "security": [{ "token": [] }, { "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": shared::parameters(),
            "headers": shared::headers(),
            "responses": shared::responses(),
            "securitySchemes": shared::security(),
        },
    });
    leave_out_unused(&mut document);
    document
}

/// A kind that stands below another only is not sent by itself.
fn leave_out_unused(document: &mut Value) {
    let text = document.to_string();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
    }
}
