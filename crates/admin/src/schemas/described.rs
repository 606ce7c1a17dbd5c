//! What the fields of an entity are, as a JSON Schema: the file's own words, and those that only the Admin API has.

use serde_json::{Map, Value, json};

use crate::coerce;

/// The table that a field refers to.
pub(crate) const FOREIGN: &str = "x-foreign";
/// Whether no two entities have the same in a field.
pub(crate) const UNIQUE: &str = "x-unique";
/// Whether a field is made by the gateway if it is not said.
pub(crate) const AUTO: &str = "x-auto";

/// Whether a field is for an entity's life.
pub(crate) const FIXED: &str = "x-fixed";

/// The fields of an entity as they are built up, in their order.
pub(crate) struct Described {
    properties: Map<String, Value>,
    required: Vec<String>,
    /// What holds of them together.
    together: Map<String, Value>,
}

impl Described {
    /// Those that a schema of the file has.
    pub fn of(schema: &Value) -> Self {
        let schema = coerce::resolve(schema);
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let mut properties = Map::new();
        properties.insert("id".into(), json!({ "type": "string", "format": "uuid", AUTO: true }));
        for time in ["created_at", "updated_at"] {
            properties.insert(time.into(), json!({ "type": "integer", "format": "unix-time", "readOnly": true }));
        }
        let own = schema["properties"].as_object().into_iter().flatten().filter(|(field, _)| *field != "id");
        properties.extend(own.map(|(field, schema)| (field.clone(), schema.clone())));
        let together =
            ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|word| Some((word.to_owned(), schema.get(word)?.clone())));
        Self { properties, required: required.collect(), together: together.collect() }
    }

    /// Without fields that are entities of their own, or the gateway's.
    pub fn without<'a>(mut self, fields: impl IntoIterator<Item = &'a str>) -> Self {
        for field in fields {
            self.properties.shift_remove(field);
            self.required.retain(|one| one != field);
        }
        self
    }

    /// With this field, or another schema of it.
    pub fn with(mut self, field: &str, schema: Value) -> Self {
        self.properties.insert(field.to_owned(), schema);
        self
    }

    /// With this field behind the id and the times.
    pub fn first(mut self, field: &str, schema: Value) -> Self {
        self.properties.shift_remove(field);
        self.properties.shift_insert(3, field.to_owned(), schema);
        self
    }

    /// With a field that follows from others: what a client sends back of it is not looked at.
    pub fn derived(self, field: &str, mut schema: Value) -> Self {
        schema["readOnly"] = true.into();
        self.with(field, schema)
    }

    /// A field that stands for others, which are shown.
    pub fn shorthand(mut self, field: &str) -> Self {
        self.properties[field]["writeOnly"] = true.into();
        self
    }

    /// A field that must be said.
    pub fn needed(mut self, field: &str) -> Self {
        if !self.required.iter().any(|one| one == field) {
            self.required.push(field.to_owned());
        }
        if let Some(ways) = self.properties.get_mut(field).and_then(|one| one.get_mut("anyOf")?.as_array_mut()) {
            ways.retain(|way| way["type"] != "null");
        }
        self
    }

    /// Fields that need not be said, whatever the file needs.
    pub fn made_up(mut self, fields: &[&str]) -> Self {
        for field in fields {
            self.properties[*field][AUTO] = true.into();
        }
        self.required.retain(|one| !fields.contains(&one.as_str()));
        self
    }

    /// A field that no other entity has the same of.
    pub fn unique(mut self, field: &str) -> Self {
        self.properties[field][UNIQUE] = true.into();
        self
    }

    /// Fields that are for an entity's life.
    pub fn fixed(mut self, fields: &[&str]) -> Self {
        for field in fields {
            self.properties[*field][FIXED] = true.into();
        }
        self
    }

    /// A field that refers to an entity of this table.
    pub fn refers(self, field: &str, table: &str) -> Self {
        self.with(field, foreign(table))
    }

    /// What holds of several fields together: a keyword of JSON Schema.
    pub fn together(mut self, word: &str, schema: Value) -> Self {
        self.together.insert(word.to_owned(), schema);
        self
    }

    /// The whole of it.
    pub fn into_schema(self) -> Value {
        let mut schema = json!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        });
        if let Some(schema) = schema.as_object_mut() {
            schema.extend(self.together);
        }
        schema
    }
}

/// What refers to an entity of this table: its id or its name, alone or in a table.
pub(crate) fn foreign(table: &str) -> Value {
    let by = |key: &str| json!({ "required": [key], "properties": { key: { "type": "string" } } });
    let key = json!({ "type": ["string", "null"] });
    json!({
        FOREIGN: table,
        "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "properties": { "id": key, "name": key, "username": key },
                "additionalProperties": false,
                "anyOf": [by("id"), by("name"), by("username")],
            },
        ],
    })
}
