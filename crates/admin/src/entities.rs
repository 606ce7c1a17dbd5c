//! Entities as the Admin API reads them: what all kinds have in common, and services, routes and consumers.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::Value;
use sluice_config::{Config, Consumer, ConsumerGroup, EventHook, Route, Scope, Service};
use uuid::Uuid;

use crate::error::Error;
use crate::{App, Shared, pages, reply};

/// A kind of entity.
pub(crate) trait Entity: Sized + Send + Sync + 'static {
    /// All of this kind, in the order of the file.
    fn all(config: &Config) -> &[Self];
    /// Its id.
    fn id(&self) -> Uuid;
    /// What may stand in a path in the place of its id.
    fn name(&self) -> Option<&str>;
    /// What a client sees of it.
    fn show(&self, config: &Config) -> Value;
    /// What nobody sees of it; two versions may differ in that alone.
    fn unshown(&self) -> Value {
        Value::Null
    }
}

/// An entity that may have plugins of its own.
pub(crate) trait Scoped: Entity {
    /// The scope of its plugins.
    fn scope(&self) -> Scope;
}

/// An id as Kong writes ids; anything else is a name.
pub(crate) fn as_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|_| text.len() == 36)
}

/// The entity of this id or name.
pub(crate) fn find<'a, E: Entity>(config: &'a Config, key: &str) -> Result<&'a E, Error> {
    let all = E::all(config);
    let by_id = as_id(key).and_then(|id| all.iter().find(|entity| entity.id() == id));
    by_id.or_else(|| all.iter().find(|entity| entity.name() == Some(key))).ok_or(Error::NotFound)
}

/// A list and what is in it, to look at only.
pub(crate) fn list<E: Entity>() -> MethodRouter<Arc<App>> {
    read_only(get(list_all::<E>))
}

/// One of them.
pub(crate) fn one<E: Entity>() -> MethodRouter<Arc<App>> {
    read_only(get(show_one::<E>))
}

/// Every method but the given is refused with the reason.
pub(crate) fn read_only(methods: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    methods.fallback(|| async {
        Error::Unsupported(
            "the Admin API only shows these entities so far; change them in gateway.toml, which is live at once".to_owned(),
        )
    })
}

/// `GET` of a list.
pub(crate) async fn list_all<E: Entity>(State(app): Shared, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    pages::page(&config, E::all(&config).iter(), &uri)
}

/// `GET` of one.
pub(crate) async fn show_one<E: Entity>(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    let config = app.control.config();
    Ok(reply::json(StatusCode::OK, &find::<E>(&config, &key)?.show(&config)))
}

/// `GET /services/{services}/routes`.
pub(crate) async fn routes_of_service(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let service = find::<Service>(&config, &key)?.id;
    let routes = config.routes.iter().filter(|route| route.service.as_ref().is_some_and(|(_, id)| *id == service));
    pages::page(&config, routes, &uri)
}

pub(crate) fn to_json(entity: &impl serde::Serialize) -> Value {
    serde_json::to_value(entity).unwrap_or_default()
}

impl Entity for Service {
    fn all(config: &Config) -> &[Self] {
        &config.services
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Scoped for Service {
    fn scope(&self) -> Scope {
        Scope::Service(self.name.clone())
    }
}

impl Entity for Route {
    fn all(config: &Config) -> &[Self] {
        &config.routes
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Scoped for Route {
    fn scope(&self) -> Scope {
        Scope::Route(self.name.clone())
    }
}

impl Entity for Consumer {
    fn all(config: &Config) -> &[Self] {
        &config.consumers
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.username)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Scoped for Consumer {
    fn scope(&self) -> Scope {
        Scope::Consumer(self.username.clone())
    }
}

impl Entity for ConsumerGroup {
    fn all(config: &Config) -> &[Self] {
        &config.consumer_groups
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        to_json(self)
    }
}

impl Scoped for ConsumerGroup {
    fn scope(&self) -> Scope {
        Scope::ConsumerGroup(self.name.clone())
    }
}

/// `GET /consumers/{consumers}/consumer_groups`.
pub(crate) async fn groups_of_consumer(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let consumer = find::<Consumer>(&config, &key)?;
    let groups = config.consumer_groups.iter().filter(|group| consumer.groups.contains(&group.name));
    pages::page(&config, groups, &uri)
}

/// `GET /consumer_groups/{consumer_groups}/consumers`.
pub(crate) async fn consumers_of_group(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let group = find::<ConsumerGroup>(&config, &key)?;
    pages::page(&config, config.consumers.iter().filter(|consumer| consumer.groups.contains(&group.name)), &uri)
}

impl Entity for EventHook {
    fn all(config: &Config) -> &[Self] {
        &config.event_hooks
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
    fn show(&self, _: &Config) -> Value {
        sluice_hooks::entity_json(self)
    }
    fn unshown(&self) -> Value {
        self.fingerprint()
    }
}
