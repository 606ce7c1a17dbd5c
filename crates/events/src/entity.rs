//! An entity as events show it: its JSON is made once, when somebody looks at it first, and shared by every event.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A service, a route, a consumer, …
pub struct Entity {
    /// Its id as a number.
    pub id: u128,
    json: LazyLock<Value, Fields>,
}

/// Makes the fields of an entity.
type Fields = Box<dyn FnOnce() -> Value + Send + Sync>;

impl Entity {
    /// An entity of this id and these fields; null fields are left out, as Kong does.
    pub fn new(id: u128, json: Value) -> Self {
        Self::of(id, move || json)
    }

    /// The same, of fields that are made when they are looked at: a configuration has thousands of entities, and few of them
    /// ever happen to be in an event.
    pub fn of(id: u128, fields: impl FnOnce() -> Value + Send + Sync + 'static) -> Self {
        let json = LazyLock::new(Box::new(|| {
            let mut json = fields();
            leave_out_nulls(&mut json);
            json
        }) as Fields);
        Self { id, json }
    }

    /// Its fields, without those that are null.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.json().fmt(f)
    }
}

impl PartialEq for Entity {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.json() == other.json()
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
        self.json().serialize(serializer)
    }
}

/// An entity that may be absent: `{}` then, so that a template may name its fields.
pub(crate) fn or_empty<S: Serializer>(entity: &Option<std::sync::Arc<Entity>>, serializer: S) -> Result<S::Ok, S::Error> {
    match entity {
        Some(entity) => entity.serialize(serializer),
        None => Value::Object(serde_json::Map::new()).serialize(serializer),
    }
}
