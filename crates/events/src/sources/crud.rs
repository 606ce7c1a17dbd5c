//! Source `crud`: what becomes of entities, under the names that Kong's tables have.
//!
//! `services` tells of every change of a service, `services:create` of new ones alone. Who asks for the whole source is
//! told of each change once, by the first of them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::entity::Entity;
use crate::event::{EventKind, EventType, to_value};
use crate::registry::Source;
use crate::samples;

/// The source.
pub const SOURCE: Source = Source { name: NAME, events: TABLES.as_flattened() };

const NAME: &str = "crud";

/// The events of a table, whose names are put together when Sluice is compiled.
macro_rules! table {
    ($schema:literal, $one:literal, $entity:path) => {
        [
            named!($schema, concat!($one, " has been created, changed or deleted"), Update, $schema, $entity),
            named!(concat!($schema, ":create"), concat!($one, " has been created"), Create, $schema, $entity).narrowing($schema),
            named!(concat!($schema, ":update"), concat!($one, " has been changed"), Update, $schema, $entity).narrowing($schema),
            named!(concat!($schema, ":delete"), concat!($one, " has been deleted"), Delete, $schema, $entity).narrowing($schema),
        ]
    };
}

macro_rules! named {
    ($name:expr, $summary:expr, $operation:ident, $schema:literal, $entity:path) => {
        EventKind::of::<Change>()
            .named($name, $summary, Operation::$operation.fields(), || sample(Operation::$operation, $schema, $entity()))
    };
}

const TABLES: &[[EventKind; 4]] = &[
    table!("services", "A service", samples::service),
    table!("upstreams", "An upstream", samples::upstream),
    table!("targets", "A target of an upstream", samples::target),
    table!("routes", "A route", samples::route),
    table!("consumers", "A consumer", samples::consumer),
    table!("certificates", "A certificate", samples::certificate),
    table!("snis", "A name that a certificate is served for", samples::sni),
    table!("ca_certificates", "An authority's certificate", samples::ca_certificate),
    table!("plugins", "A plugin", samples::plugin),
    table!("event_hooks", "An event hook", samples::event_hook),
    table!("consumer_groups", "A group of consumers", samples::consumer_group),
    table!("keyauth_credentials", "A consumer's key", samples::keyauth_credential),
    table!("basicauth_credentials", "A consumer's password", samples::basicauth_credential),
    table!("jwt_secrets", "A consumer's key of tokens", samples::jwt_secret),
    table!("acls", "A consumer's place in a group of `acl`", samples::acl),
];

/// An entity came, changed or went.
#[derive(Clone, Serialize)]
pub struct Change {
    /// What became of it.
    pub operation: Operation,
    /// The entity as the Admin API shows it, without its secrets: as it is now, or was last.
    pub entity: Arc<Entity>,
    /// What it was before, if it changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_entity: Option<Arc<Entity>>,
    /// The name of its table.
    pub schema: &'static str,
}

/// What becomes of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It is new.
    Create,
    /// It is another than before.
    Update,
    /// It is gone.
    Delete,
}

impl Operation {
    /// How names of events say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// What an event of it tells.
    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Update => Change::FIELDS,
            Self::Create | Self::Delete => &["operation", "entity", "schema"],
        }
    }
}

impl EventType for Change {
    const SOURCE: &'static str = NAME;
    const NAME: &'static str = "services";
    const SUMMARY: &'static str = "An entity has been created, changed or deleted";
    const FIELDS: &'static [&'static str] = &["operation", "entity", "old_entity", "schema"];
    /// Two changes are the same one only if they say the same: none of them is lost in another.
    const UNIQUE: &'static [&'static str] = &[];

    fn sample() -> Self {
        let entity = samples::service();
        Self { operation: Operation::Update, old_entity: Some(entity.clone()), entity, schema: Self::NAME }
    }

    fn identify(&self, hasher: &mut impl Hasher) {
        let old = self.old_entity.as_ref().map(|old| old.json());
        (self.operation, self.entity.json(), old, self.schema).hash(hasher);
    }
}

/// The data of such a change.
pub(super) fn sample(operation: Operation, schema: &'static str, entity: Arc<Entity>) -> Value {
    let old_entity = (operation == Operation::Update).then(|| entity.clone());
    to_value(&Change { operation, entity, old_entity, schema })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind_of;

    fn data(event: &str) -> Value {
        (kind_of(NAME, event).expect("it is listed").sample)()
    }

    #[test]
    fn a_change_tells_what_was_before_and_nothing_else_does() {
        let check = |event: &str, operation: &str, old: bool| {
            let data = data(event);
            assert_eq!((&data["operation"], data.get("old_entity").is_some()), (&operation.into(), old), "{event}");
        };
        check("services", "update", true);
        check("services:update", "update", true);
        check("services:create", "create", false);
        check("services:delete", "delete", false);
    }

    #[test]
    fn each_table_has_entities_of_its_own() {
        let check = |event: &str, field: &str| assert!(data(event)["entity"].get(field).is_some(), "{event} {field}");
        check("services", "host");
        check("upstreams", "algorithm");
        check("targets", "weight");
        check("routes", "paths");
        check("consumers", "username");
        check("certificates", "snis");
        check("snis", "certificate");
        check("ca_certificates:update", "cert_digest");
        check("plugins:create", "config");
        check("event_hooks:delete", "handler");
        check("keyauth_credentials", "key");
        check("basicauth_credentials", "username");
        check("jwt_secrets", "algorithm");
        check("acls", "group");
        assert_eq!(data("consumers")["schema"], "consumers");
    }

    #[test]
    fn one_event_of_a_table_tells_of_all_that_the_others_do() {
        for kind in SOURCE.events {
            let table = kind.name.split(':').next();
            assert_eq!(kind.narrows, table.filter(|table| *table != kind.name), "{}", kind.name);
        }
    }
}
