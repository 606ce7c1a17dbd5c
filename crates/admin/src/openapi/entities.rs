//! Entities as they are sent, changed and shown, made of what the file's schema says of them.

use serde_json::{Map, Value, json};

use super::schema::{inlined, null_is_nothing, nullable, shown_as};
use crate::schemas::{AUTO, FIXED, FOREIGN, KINDS, Kind};

/// What need not be said of one that is put: a path may name it, or there is one that has it.
const SAID_BEFORE: [&str; 7] = ["name", "target", "group", "username", "password", "upstream", "consumer"];
/// What stays as it is if null is said of it.
const STAYS: [&str; 3] = ["name", "target", "certificate"];

/// The components of all kinds.
pub(crate) fn components() -> Map<String, Value> {
    let mut all = Map::new();
    for kind in KINDS {
        all.insert(kind.name.into(), shown(kind));
        all.insert(format!("{}_page", kind.name), page(kind.name));
        for what in [To::Create, To::Put, To::Change] {
            all.insert(format!("{}_{}", kind.name, what.name()), what.of(kind));
        }
    }
    all
}

/// What a body is for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum To {
    Create,
    Put,
    Change,
}

impl To {
    /// The schema of a body of this kind, below another entity if the path names one.
    pub fn body(self, table: &str, parent: Option<&str>) -> Value {
        match (Kind::named(table), parent) {
            (Some(kind), Some(parent)) => below(self.of(kind), parent),
            _ => json!({ "$ref": format!("#/components/schemas/{table}_{}", self.name()) }),
        }
    }

    /// What may stand in a path for one that is put: an id, or what it is to be called.
    pub fn key(table: &str) -> Value {
        let name = Kind::named(table).map(|kind| described(kind)["properties"][kind.key].clone()).unwrap_or_default();
        json!({ "anyOf": [{ "type": "string", "format": "uuid" }, name] })
    }

    /// Whether there must be a body: none is as an empty object.
    pub fn is_needed(self, table: &str) -> bool {
        let schema = Kind::named(table).map(|kind| self.of(kind)).unwrap_or_default();
        schema["anyOf"].is_array() || schema["required"].as_array().is_some_and(|required| !required.is_empty())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "new",
            Self::Put => "put",
            Self::Change => "changes",
        }
    }

    fn of(self, kind: &Kind) -> Value {
        let mut schema = described(kind);
        let kept: &[&str] = match self {
            Self::Create => &[],
            Self::Put => &SAID_BEFORE,
            Self::Change => &STAYS,
        };
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|field| !kept.iter().any(|kept| field == kept));
        }
        if self == Self::Change {
            // What was made up for it cannot be taken out of it.
            let properties = schema["properties"].as_object().into_iter().flatten();
            let made_up: Vec<Value> = properties.filter(|(_, one)| one[AUTO] == true).map(|(name, _)| json!(name)).collect();
            schema["required"].as_array_mut().into_iter().for_each(|required| required.extend(made_up.clone()));
        }
        // Null is the same as nothing; in changes it takes a field out.
        let mut schema = null_is_nothing(&schema);
        if self != Self::Create {
            schema["properties"]["id"]["readOnly"] = true.into();
        }
        if self == Self::Change
            && let Some(words) = schema.as_object_mut()
        {
            words.retain(|word, _| !["anyOf", "oneOf", "allOf"].contains(&word.as_str()));
            words["required"] = json!([]);
            for (_, property) in words["properties"].as_object_mut().into_iter().flatten() {
                if property.as_object_mut().is_some_and(|property| property.shift_remove(FIXED).is_some()) {
                    property["readOnly"] = true.into();
                }
            }
        }
        schema
    }
}

fn described(kind: &Kind) -> Value {
    inlined(&(kind.described)().into_schema())
}

fn page(table: &str) -> Value {
    json!({
        "type": "object",
        "properties": {
            "data": { "type": "array", "items": { "$ref": format!("#/components/schemas/{table}") } },
            "next": { "type": ["string", "null"], "description": "The path of the next page." },
            "offset": { "type": "string", "description": "Where the next page begins." },
        },
        "required": ["data", "next"],
        "additionalProperties": false,
    })
}

/// One of a list below another entity, which the path names.
fn below(mut schema: Value, parent: &str) -> Value {
    let refers = |property: &Value| property[FOREIGN] == parent;
    let mut properties = schema["properties"].as_object().into_iter().flatten();
    let Some(field) = properties.find(|(_, property)| refers(property)).map(|(field, _)| field.clone()) else { return schema };
    schema["properties"][&field] = json!({ "readOnly": true, "description": "What the path says counts." });
    if let Some(required) = schema["required"].as_array_mut() {
        required.retain(|one| *one != field);
    }
    schema
}

/// One as it is shown.
fn shown(kind: &Kind) -> Value {
    let described = described(kind);
    let mut schema = json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false });
    let needed = |name: &str| described["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = described["properties"].as_object().into_iter().flatten();
    for (name, property) in properties.filter(|(_, property)| property["writeOnly"] != true) {
        let said = needed(name) || ["id", "created_at", "updated_at"].contains(&name.as_str());
        let mut shown = shown_as(property);
        if !said {
            nullable(&mut shown);
        }
        schema["properties"][name] = shown;
        // Of credentials is shown what the file says.
        if let Some(required) = schema["required"].as_array_mut()
            && (!kind.sparse || (said && !name.ends_with("_at")))
        {
            required.push(name.as_str().into());
        }
    }
    schema
}
