//! Source `dao:crud`: what becomes of entities of any table, one event for each operation.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::crud::{Change, Operation, sample};
use crate::entity::Entity;
use crate::event::EventKind;
use crate::registry::Source;
use crate::samples;

/// The source.
pub const SOURCE: Source = Source {
    name: NAME,
    events: &[
        of(Operation::Create, "An entity of any table has been created", || sample(Operation::Create, "services", any())),
        of(Operation::Update, "An entity of any table has been changed", || sample(Operation::Update, "services", any())),
        of(Operation::Delete, "An entity of any table has been deleted", || sample(Operation::Delete, "services", any())),
    ],
};

const NAME: &str = "dao:crud";

const fn of(operation: Operation, summary: &'static str, sample: fn() -> Value) -> EventKind {
    EventKind::under::<Change>(NAME).named(operation.name(), summary, operation.fields(), sample)
}

/// A service with the fields of all other tables beside its own, so that a template may name any of them.
fn any() -> Arc<Entity> {
    let others = [
        samples::route(),
        samples::consumer(),
        samples::certificate(),
        samples::sni(),
        samples::ca_certificate(),
        samples::plugin(),
        samples::event_hook(),
        samples::keyauth_credential(),
    ];
    let service = samples::service();
    let mut all = service.json().clone();
    for other in others {
        if let (Some(fields), Some(more)) = (all.as_object_mut(), other.json().as_object()) {
            add(fields, more);
        }
    }
    Arc::new(Entity::new(service.id, all))
}

/// Adds what is not there.
fn add(fields: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (fields.get_mut(name), value) {
            (Some(Value::Object(fields)), Value::Object(more)) => add(fields, more),
            (Some(_), _) => {}
            (None, value) => drop(fields.insert(name.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_of_any_table_may_be_meant() {
        let entity = any().json().clone();
        for field in ["host", "paths", "username", "snis", "certificate", "instance_name", "handler", "key", "nothing"] {
            assert_eq!(entity.get(field).is_some(), field != "nothing", "{field}");
        }
        assert_eq!((&entity["name"], &entity["config"]["limit"]), (&"demo".into(), &serde_json::json!([3])));
        assert!(entity["config"]["url"].is_string(), "options of plugins and of hooks");
    }
}
