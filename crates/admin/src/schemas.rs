//! `/schemas`: what the fields of each kind of entity and the options of each plugin are, in Kong's shape, and whether an
//! entity would be taken.

mod described;
mod fields;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sluice_config::{
    CaCertificate, Certificate, Consumer, ConsumerGroup, EventHook, PluginEntry, Route, Service, Sni, Target, Upstream,
};

pub(crate) use described::{AUTO, Described, FIXED, FOREIGN, foreign};

use crate::editable::Editable;
use crate::entities::Entity;
use crate::error::Error;
use crate::kinds::{ACLS, BASIC_AUTHS, Credential, JWTS, KEY_AUTHS};
use crate::openapi::{Body, Operation};
use crate::{App, Shared, crud, event_hooks, reply};

/// A kind of entity.
pub(crate) struct Kind {
    pub name: &'static str,
    /// The field that may stand in a path in the place of the id.
    pub key: &'static str,
    pub described: fn() -> Described,
    /// Whether no more is shown of one than the file says.
    pub sparse: bool,
    rehearse: fn(Arc<App>, Request) -> BoxFuture<'static, Result<(), Error>>,
}

impl Kind {
    /// The kind of this table.
    pub fn named(table: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == table)
    }

    const fn of<E: Editable>() -> Self {
        Self {
            name: E::TABLE,
            key: E::KEY,
            described: E::described,
            sparse: E::SPARSE,
            rehearse: |app, request| crud::rehearse::<E>(app, request).boxed(),
        }
    }
}

/// Every kind, under Kong's name of its table.
pub(crate) const KINDS: &[Kind] = &[
    Kind::of::<Service>(),
    Kind::of::<Route>(),
    Kind::of::<Consumer>(),
    Kind::of::<ConsumerGroup>(),
    Kind::of::<PluginEntry>(),
    Kind::of::<Upstream>(),
    Kind::of::<Target>(),
    Kind::of::<Certificate>(),
    Kind::of::<Sni>(),
    Kind::of::<CaCertificate>(),
    Kind::of::<Credential<KEY_AUTHS>>(),
    Kind::of::<Credential<BASIC_AUTHS>>(),
    Kind::of::<Credential<JWTS>>(),
    Kind::of::<Credential<ACLS>>(),
    Kind {
        name: EventHook::TABLE,
        key: "name",
        described: EventHook::described,
        sparse: EventHook::SPARSE,
        rehearse: |app, request| event_hooks::rehearse(app, request).boxed(),
    },
];

/// `GET /schemas/{entity}`.
pub(crate) async fn of_entity(Path(name): Path<String>) -> Result<Response, Error> {
    let kind = kind(&name)?;
    Ok(shown(&fields::fields(&(kind.described)().into_schema())))
}

/// `GET /schemas/plugins/{name}`: what of a plugin is its own, and where it may stand.
pub(crate) async fn of_plugin(Path(name): Path<String>) -> Result<Response, Error> {
    let kind = sluice_plugins::plugin(&name).ok_or(Error::NoneNamed("plugin", name))?;
    let beside = ["id", "created_at", "updated_at", "name", "instance_name", "enabled", "tags", "config"];
    let scopes = PluginEntry::described().without(beside).needed("config").with("config", (kind.schema)());
    Ok(shown(&fields::fields(&scopes.into_schema())))
}

/// To try an entity without making it.
pub(crate) fn tries(body: Body) -> Operation {
    Operation::shows("Whether it would be taken", "message").takes(body).refuses(&[404])
}

/// `POST /schemas/{entity}/validate`.
pub(crate) async fn validate(State(app): Shared, Path(name): Path<String>, request: Request) -> Result<Response, Error> {
    (kind(&name)?.rehearse)(app, request).await?;
    Ok(reply::message(StatusCode::OK, "schema validation successful"))
}

/// `POST /schemas/plugins/validate`.
pub(crate) async fn validate_plugin(state: Shared, request: Request) -> Result<Response, Error> {
    validate(state, Path(PluginEntry::TABLE.to_owned()), request).await
}

/// The fields of the entities of a table.
#[cfg(test)]
pub(crate) fn described(table: &str) -> Option<Described> {
    Kind::named(table).map(|kind| (kind.described)())
}

fn kind(name: &str) -> Result<&'static Kind, Error> {
    Kind::named(name).ok_or_else(|| Error::NoneNamed("entity", name.to_owned()))
}

fn shown(fields: &Value) -> Response {
    reply::json(StatusCode::OK, &json!({ "fields": fields }))
}
