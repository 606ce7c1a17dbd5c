//! Plugins as Kong shows them: with the ids of what they belong to, and without their secrets.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use serde_json::{Value, json};
use sluice_config::{Config, Consumer, ConsumerGroup, PluginEntry, Route, Scope, Service};
use uuid::Uuid;

use crate::entities::{Entity, Scoped, find};
use crate::error::Error;
use crate::{Shared, mask, pages};

/// `GET` of the plugins of one entity.
pub(crate) async fn of<E: Scoped>(State(app): Shared, Path(key): Path<String>, uri: Uri) -> Result<Response, Error> {
    let config = app.control.config();
    let scope = find::<E>(&config, &key)?.scope();
    pages::page(&config, config.plugins.iter().filter(|plugin| plugin.scope == scope), &uri)
}

impl Entity for PluginEntry {
    fn all(config: &Config) -> &[Self] {
        &config.plugins
    }

    fn id(&self) -> Uuid {
        self.id
    }

    /// That of this instance: several plugins have the same name, each in its scope.
    fn name(&self) -> Option<&str> {
        self.instance_name.as_deref()
    }

    fn show(&self, config: &Config) -> Value {
        let mut options = self.block.to_json();
        mask::hide(&mut options);
        let [mut service, mut route, mut consumer, mut group] = [const { Value::Null }; 4];
        match &self.scope {
            Scope::Global => {}
            Scope::Service(name) => service = reference::<Service>(config, name),
            Scope::Route(name) => route = reference::<Route>(config, name),
            Scope::Consumer(name) => consumer = reference::<Consumer>(config, name),
            Scope::ConsumerGroup(name) => group = reference::<ConsumerGroup>(config, name),
        }
        json!({
            "id": self.id,
            "name": self.name,
            "instance_name": self.instance_name,
            "service": service,
            "route": route,
            "consumer": consumer,
            "consumer_group": group,
            "enabled": self.enabled,
            "config": options,
            "protocols": self.protocols,
            "tags": (!self.tags.is_empty()).then_some(&self.tags),
            "created_at": self.stamps.created_at,
            "updated_at": self.stamps.updated_at,
        })
    }

    fn unshown(&self) -> Value {
        self.block.to_json()
    }
}

fn reference<E: Entity>(config: &Config, name: &str) -> Value {
    E::all(config).iter().find(|entity| entity.name() == Some(name)).map_or(Value::Null, |entity| json!({ "id": entity.id() }))
}
