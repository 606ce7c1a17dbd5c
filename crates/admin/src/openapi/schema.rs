//! Schemas of the file as OpenAPI has them.

use serde_json::{Map, Value, json};

use crate::coerce::resolve;
use crate::schemas::FOREIGN;

/// What a reference to a definition of the file is here, if it leads to itself.
const CONDITION: &str = "#/$defs/condition";

/// The schema with everything in it that it refers to.
pub(crate) fn inlined(schema: &Value) -> Value {
    match schema {
        Value::Object(own) if own.get("$ref").is_some_and(|to| to == CONDITION) => {
            json!({ "$ref": "#/components/schemas/condition" })
        }
        Value::Object(own) => {
            let mut whole =
                if own.contains_key("$ref") { resolve(schema).as_object().cloned().unwrap_or_default() } else { Map::new() };
            whole.extend(own.iter().filter(|(word, _)| *word != "$ref").map(|(word, value)| (word.clone(), value.clone())));
            whole.retain(|word, _| !["$schema", "title"].contains(&word.as_str()));
            for (word, value) in &mut whole {
                match (word.as_str(), &mut *value) {
                    // Values, not schemas.
                    ("default" | "const" | "enum" | "required", _) => {}
                    ("properties", Value::Object(properties)) => properties.iter_mut().for_each(|(_, one)| *one = inlined(one)),
                    _ => *value = inlined(value),
                }
            }
            bound(&mut whole);
            Value::Object(whole)
        }
        Value::Array(items) => items.iter().map(inlined).collect(),
        value => value.clone(),
    }
}

/// A whole number has the bounds of its type, and never more than the file can hold.
fn bound(schema: &mut Map<String, Value>) {
    let (least, most) = match schema.get("format").and_then(Value::as_str) {
        Some("int64") => (Some(i64::MIN), i64::MAX),
        Some("uint64" | "uint") => (None, i64::MAX),
        Some("uint32") => (None, i64::from(u32::MAX)),
        _ => return,
    };
    schema.entry("maximum").or_insert(most.into());
    if let Some(least) = least {
        schema.entry("minimum").or_insert(least.into());
    }
}

/// Lets a value be null.
pub(crate) fn nullable(schema: &mut Value) {
    if !schema.is_object() {
        return;
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    if let Some(ways) = ["anyOf", "oneOf"].into_iter().find(|word| schema[*word].is_array() && schema["type"].is_null()) {
        let ways = &mut schema[ways];
        if let Some(ways) = ways.as_array_mut().filter(|ways| ways.iter().all(|way| way["type"] != "null")) {
            ways.push(json!({ "type": "null" }));
        }
    } else if schema.get("const").is_some() || schema.get("$ref").is_some() {
        *schema = json!({ "anyOf": [schema.take(), { "type": "null" }] });
    } else {
        match &mut schema["type"] {
            Value::Null => drop(schema.as_object_mut().map(|schema| schema.shift_remove("type"))),
            Value::Array(types) if types.iter().all(|one| one != "null") => types.push("null".into()),
            Value::Array(_) => {}
            one if *one == "null" => {}
            one => *one = json!([one.take(), "null"]),
        }
    }
}

/// A record in which null is the same as nothing, wherever it may be left out.
pub(crate) fn null_is_nothing(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let required = schema["required"].clone();
    let needed = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            *property = null_is_nothing(property);
            if !needed(name) {
                nullable(property);
            }
        }
    }
    if schema["additionalProperties"].is_object() {
        let mut values = null_is_nothing(&schema["additionalProperties"]);
        nullable(&mut values);
        schema["additionalProperties"] = values;
    }
    if schema["items"].is_object() {
        schema["items"] = null_is_nothing(&schema["items"]);
    }
    // Beside a type they say what else must hold, as it is.
    for word in ["anyOf", "oneOf"].into_iter().filter(|_| schema.get("type").is_none()).collect::<Vec<_>>() {
        if let Some(ways) = schema.get_mut(word).and_then(Value::as_array_mut) {
            ways.iter_mut().for_each(|way| *way = null_is_nothing(way));
        }
    }
    schema
}

/// What is shown of a field: of several ways to write a value the first, of an entity its id, and a mask for what is secret.
pub(crate) fn shown_as(schema: &Value) -> Value {
    if schema.get(FOREIGN).is_some() {
        let id = json!({ "type": "string", "format": "uuid" });
        return json!({ "type": "object", "properties": { "id": id }, "required": ["id"], "additionalProperties": false });
    }
    if schema["items"].get(FOREIGN).is_some() {
        return json!({ "type": "array", "items": { "type": "string", "format": "uuid" } });
    }
    let mut schema = schema.clone();
    let is_plain =
        |way: &Value| way["type"].as_str().is_some_and(|kind| !["object", "array"].contains(&kind)) && way["const"].is_null();
    if let Some(ways) = schema["anyOf"].as_array().filter(|ways| ways.iter().all(is_plain)) {
        let null = ways.iter().any(|way| way["type"] == "null");
        let mut first = ways[0].clone();
        if null {
            nullable(&mut first);
        }
        return first;
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.iter_mut().for_each(|(_, property)| *property = shown_as(property));
    }
    for word in ["items", "additionalProperties"] {
        if schema[word].is_object() {
            schema[word] = shown_as(&schema[word]);
        }
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(ways) = schema.get_mut(word).and_then(Value::as_array_mut) {
            ways.iter_mut().for_each(|way| *way = shown_as(way));
        }
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.retain(|word, value| !value.is_null() && !["default", "description"].contains(&word.as_str()));
    }
    schema
}
