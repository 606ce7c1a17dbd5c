//! A JSON Schema in Kong's words: `{"fields": [{"name": {"type": "string"}}, …]}`.

use serde_json::{Map, Value, json};

use super::described::{AUTO, FOREIGN, UNIQUE};
use crate::coerce::resolve;

/// The fields of a record. Where it may be one of several, those of all of them.
pub(crate) fn fields(schema: &Value) -> Value {
    let records = alternatives(schema);
    let mut all = Map::new();
    for record in &records {
        let properties = record["properties"].as_object().into_iter().flatten();
        for (name, property) in properties {
            let needed = records.iter().all(|record| requires(record, name));
            all.entry(name.as_str()).or_insert_with(|| field(property, needed));
        }
    }
    all.into_iter().map(|(name, field)| json!({ name: field })).collect()
}

fn requires(record: &Value, name: &str) -> bool {
    record["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
}

/// One field: what it is, what it may be, and what it is if nothing is said.
fn field(schema: &Value, needed: bool) -> Value {
    let mut field = kind(schema);
    if needed {
        field.insert("required".into(), true.into());
    }
    for (word, kongs) in
        [(UNIQUE, "unique"), (AUTO, "auto"), ("readOnly", "auto"), ("default", "default"), ("description", "description")]
    {
        let said = schema.get(word).or_else(|| resolve(schema).get(word)).filter(|value| !value.is_null());
        if let Some(value) = said {
            field.insert(kongs.into(), value.clone());
        }
    }
    field.into()
}

/// What a value is.
fn kind(schema: &Value) -> Map<String, Value> {
    let all = alternatives(schema);
    let words: Option<Vec<&Value>> = all.iter().map(|one| one.get("const")).collect();
    let kind = match (&schema[FOREIGN], words, all.first()) {
        (Value::String(table), ..) => json!({ "type": "foreign", "reference": table }),
        (_, Some(words), Some(_)) => json!({ "type": "string", "one_of": words }),
        (.., Some(first)) if first["properties"].is_object() => json!({ "type": "record", "fields": fields(schema) }),
        // What may be written in several ways is what Kong knows: the first.
        (.., Some(first)) => simple(first),
        _ => json!({ "type": "any" }),
    };
    kind.as_object().cloned().unwrap_or_default()
}

fn simple(schema: &Value) -> Value {
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        several => several.as_array().into_iter().flatten().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
    };
    let mut kind = match types.as_slice() {
        ["array"] => json!({ "type": "array", "elements": field(&schema["items"], false) }),
        ["object"] if schema["additionalProperties"] == false => json!({ "type": "record", "fields": [] }),
        ["object"] => {
            let values = Some(&schema["additionalProperties"]).filter(|values| values.is_object());
            let values = values.map_or_else(|| json!({ "type": "any" }), |values| field(values, false));
            json!({ "type": "map", "keys": { "type": "string" }, "values": values })
        }
        [one] => json!({ "type": one }),
        _ => json!({ "type": "any" }),
    };
    bounds(schema, &mut kind);
    kind
}

/// How large, how long, and of which words.
fn bounds(schema: &Value, kind: &mut Value) {
    for (word, kongs) in [("minLength", "len_min"), ("maxLength", "len_max"), ("minItems", "len_min"), ("maxItems", "len_max")] {
        if let Some(bound) = schema.get(word) {
            kind[kongs] = bound.clone();
        }
    }
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(least), Some(most)) => kind["between"] = json!([least, most]),
        (Some(least), None) if kind["type"] == "integer" => {
            kind["gt"] = least.as_i64().map_or(Value::Null, |least| json!(least - 1));
        }
        _ => {}
    }
    if let Some(more) = schema.get("exclusiveMinimum") {
        kind["gt"] = more.clone();
    }
    if let Some(words) = schema.get("enum") {
        kind["one_of"] = words.clone();
    }
    match schema["format"].as_str() {
        Some("uuid") => kind["uuid"] = true.into(),
        Some("unix-time") => kind["timestamp"] = true.into(),
        _ => {}
    }
}

/// Everything that a value may be, but null.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let schema = resolve(schema);
    let several = ["anyOf", "oneOf"].into_iter().find_map(|word| schema[word].as_array()).filter(|_| schema["type"].is_null());
    match several {
        Some(several) => several.iter().filter(|one| one["type"] != "null").flat_map(alternatives).collect(),
        None => vec![schema],
    }
}
