//! The fields that a client sends of an entity, on their way into the file.

use serde_json::{Map, Value, json};
use sluice_config::{Config, KeyPath};
use uuid::Uuid;

use crate::coerce::coerce;
use crate::editable::Extent;
use crate::entities::{Entity, as_id, find};
use crate::error::Error;
use crate::toml_fit::{Nulls, fit};
use crate::unchanged::{drop_same, is_one};
use crate::violations::Violations;

/// What Kong's clients send back of what they read, and what is the gateway's.
const NOT_THEIRS: [&str; 3] = ["created_at", "updated_at", "ws_id"];

/// The fields, what is wrong with them so far, and which of the file's keys stay as they are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub fields: Map<String, Value>,
    pub violations: Violations,
    pub keep: Vec<String>,
    /// Whether the fields came in a form, which knows only strings.
    pub is_form: bool,
}

impl Sent {
    /// The fields as they came; those of a form get the types that the schema has for them.
    pub fn new(fields: Map<String, Value>, is_form: bool, schema: &Value) -> Self {
        let mut value = Value::Object(fields);
        if is_form {
            coerce(&mut value, schema);
        }
        let mut sent = Self { is_form, ..Self::default() };
        if let Value::Object(mut fields) = value {
            fields.retain(|key, _| !NOT_THEIRS.contains(&key.as_str()));
            sent.fields = fields;
        }
        sent
    }

    pub fn refuse(&mut self, field: &str, why: impl Into<String>) {
        self.violations.push(KeyPath::of([field]), why);
    }

    /// Takes a field out; null is the same as none.
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.shift_remove(field).filter(|value| !value.is_null())
    }

    /// Takes out a field that is a string.
    pub fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field)? {
            Value::String(text) => Some(text),
            _ => {
                self.refuse(field, "expected a string");
                None
            }
        }
    }

    /// Takes out the id.
    pub fn id(&mut self) -> Option<Uuid> {
        let text = self.text("id")?;
        let id = as_id(&text);
        if id.is_none() {
            self.refuse("id", "expected a valid UUID");
        }
        id
    }

    /// Takes out the id, which is for an entity's life.
    pub fn same_id(&mut self, own: Uuid) {
        if self.id().is_some_and(|id| id != own) {
            self.refuse("id", "cannot be changed");
        }
    }

    /// Takes out a reference to an entity: by its id, its name, or as `{"id": …}` or `{"name": …}`. None if it is not said.
    pub fn reference<E: Entity>(&mut self, field: &str, config: &Config) -> Result<Option<E>, Error> {
        let Some(value) = self.fields.shift_remove(field) else { return Ok(None) };
        let key = match &value {
            Value::Null => return Ok(None),
            Value::String(key) => Some(key),
            Value::Object(table) => {
                table.iter().find(|(_, value)| !value.is_null()).and_then(|(key, value)| match (key.as_str(), value) {
                    ("id" | "name" | "username", Value::String(key)) => Some(key),
                    _ => None,
                })
            }
            _ => None,
        };
        let Some(key) = key else {
            self.refuse(field, "expected a table with the id, such as {\"id\": \"…\"}");
            return Ok(None);
        };
        let none = || Error::Foreign { field: field.to_owned(), key: key.clone(), table: E::TABLE };
        find::<E>(config, key).map(Some).map_err(|_| none())
    }

    /// Takes out what is as it is shown: it stays in the file as it is written, with its references.
    pub fn drop_unchanged(&mut self, shown: &Value, extent: Extent) {
        if extent == Extent::Fields {
            return drop_same(&mut self.fields, shown);
        }
        let keep = &mut self.keep;
        self.fields.retain(|key, value| {
            let same = shown.get(key).is_some_and(|shown| is_one(value, shown));
            if same {
                keep.push(key.clone());
            }
            !same
        });
    }

    /// A table that is a map from names to values is replaced as a whole: the names that are gone are taken out.
    pub fn replace_map(&mut self, field: &str, shown: &Value) {
        if let (Some(Value::Object(new)), Some(old)) = (self.fields.get_mut(field), shown[field].as_object()) {
            for name in old.keys() {
                new.entry(name).or_insert(Value::Null);
            }
        }
    }

    /// The keys for the file, or everything that is wrong.
    pub fn into_table(mut self, extent: Extent) -> Result<(Map<String, Value>, Vec<String>), Error> {
        let nulls = if extent == Extent::Fields { Nulls::Keep } else { Nulls::LeaveOut };
        refuse_masks(&Value::Object(self.fields.clone()), &KeyPath::default(), &mut self.violations);
        fit(&mut self.fields, nulls, &mut self.violations);
        self.violations.into_result()?;
        Ok((self.fields, self.keep))
    }
}

/// A mask that is left by now stands for a secret that the file has not got.
fn refuse_masks(value: &Value, path: &KeyPath, violations: &mut Violations) {
    match value {
        Value::Object(table) => table.iter().for_each(|(key, value)| refuse_masks(value, &path.key(key), violations)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| refuse_masks(item, &path.index(at), violations)),
        value if *value == json!(sluice_hooks::MASK) => {
            violations.push(
                path.clone(),
                "this mask stands for a secret that is not shown; send the secret itself, or a PATCH without it",
            );
        }
        _ => {}
    }
}
