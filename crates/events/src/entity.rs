//! An entity as events show it: its JSON is made once, when the configuration is built, and shared by every event.

use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A service, a route, a consumer, …
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// Its id as a number.
    pub id: u128,
    /// Its fields, without those that are null.
    pub json: Value,
}

impl Entity {
    /// An entity of this id and these fields; null fields are left out, as Kong does.
    pub fn new(id: u128, mut json: Value) -> Self {
        leave_out_nulls(&mut json);
        Self { id, json }
    }
}

/// Leaves out every field that is null, at any depth.
fn leave_out_nulls(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

impl Hash for Entity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// An entity that may be absent: `{}` then, so that a template may name its fields.
pub(crate) fn or_empty<S: Serializer>(entity: &Option<std::sync::Arc<Entity>>, serializer: S) -> Result<S::Ok, S::Error> {
    match entity {
        Some(entity) => entity.serialize(serializer),
        None => Value::Object(serde_json::Map::new()).serialize(serializer),
    }
}
