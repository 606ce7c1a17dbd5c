//! JSON as TOML.

use serde_json::{Map, Value as Json};
use toml_edit::{Array, InlineTable, Item, Table, TableLike, Value};

/// A table with a header of its own for each table in it.
pub fn to_table(map: &Map<String, Json>) -> Table {
    let mut table = Table::new();
    for (key, value) in map {
        match value {
            Json::Null => {}
            Json::Object(inner) => {
                table.insert(key, Item::Table(to_table(inner)));
            }
            value => {
                table.insert(key, Item::Value(to_value(value)));
            }
        }
    }
    // `[a.b]` needs no `[a]` above it if `a` has nothing else.
    table.set_implicit(!map.is_empty() && map.values().all(Json::is_object));
    table
}

/// A value in one line.
pub fn to_value(json: &Json) -> Value {
    match json {
        Json::Bool(on) => Value::from(*on),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(float)) => Value::from(float),
            (None, None) => Value::from(number.to_string()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().filter(|item| !item.is_null()).map(to_value).collect::<Array>()),
        Json::Object(map) => {
            let entries = map.iter().filter(|(_, value)| !value.is_null());
            Value::InlineTable(entries.map(|(key, value)| (key.as_str(), to_value(value))).collect::<InlineTable>())
        }
        Json::Null => Value::from(""),
    }
}

/// A list with one element.
pub fn list_of(element: &Json) -> Value {
    Value::Array([to_value(element)].into_iter().collect::<Array>())
}

/// Whether a value says this already, however it is written.
pub fn says(value: &Value, json: &Json) -> bool {
    match (value, json) {
        (Value::String(text), Json::String(wanted)) => text.value() == wanted,
        (Value::Integer(number), Json::Number(wanted)) => Some(*number.value()) == wanted.as_i64(),
        (Value::Float(number), Json::Number(wanted)) => Some(*number.value()) == wanted.as_f64(),
        (Value::Boolean(on), Json::Bool(wanted)) => on.value() == wanted,
        (Value::Array(items), Json::Array(wanted)) => {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, wanted)| says(item, wanted))
        }
        (Value::InlineTable(table), Json::Object(wanted)) => {
            table.len() == wanted.len()
                && table.iter().all(|(key, item)| wanted.get(key).is_some_and(|wanted| says(item, wanted)))
        }
        _ => false,
    }
}

/// Puts a value behind the last one of a table in one line; what stood between that and the brace stands there again.
pub fn append_inline(table: &mut dyn TableLike, key: &str, mut value: Value) {
    if let Some(last) = table.iter_mut().last().and_then(|(_, item)| item.as_value_mut()) {
        let suffix = take_suffix(last);
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(suffix);
    }
    table.insert(key, Item::Value(value));
}

/// Takes what stands behind the last value of a list or a table in one line, unless that is its comment.
pub fn take_suffix(value: &mut Value) -> String {
    let suffix = value.decor().suffix().and_then(|raw| raw.as_str()).unwrap_or_default().to_owned();
    if suffix.contains('#') {
        return String::new();
    }
    value.decor_mut().set_suffix("");
    suffix
}
