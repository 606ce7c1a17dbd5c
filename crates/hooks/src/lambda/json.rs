//! JSON and Lua: the event's data as a table, and `json.encode` and `json.decode`.

use mlua::{Error, Lua, Table, Value};
use serde_json::{Number, Value as Json};

/// How long a JSON text may be: what makes it or reads it does not look at the clock.
const LENGTH: usize = 64 * 1024;
/// How deep tables may stand in each other.
const DEPTH: usize = 64;

/// JSON as Lua has it. Null is nil, so a field that is null is not there.
pub(crate) fn to_lua(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(yes) => Value::Boolean(*yes),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (index, item) in items.iter().enumerate() {
                table.raw_set(index + 1, to_lua(lua, item)?)?;
            }
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, field) in fields {
                table.raw_set(name.as_str(), to_lua(lua, field)?)?;
            }
            Value::Table(table)
        }
    })
}

/// The table `json`.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let encode =
        lua.create_function(|_, value: Value| encode(&value).map_err(|reason| Error::runtime(format!("json.encode: {reason}"))))?;
    let decode = lua.create_function(|lua, text: mlua::LuaString| {
        let json = decode(&text.as_bytes()).map_err(|reason| Error::runtime(format!("json.decode: {reason}")))?;
        to_lua(lua, &json)
    })?;
    library.raw_set("encode", encode)?;
    library.raw_set("decode", decode)?;
    Ok(library)
}

fn decode(text: &[u8]) -> Result<Json, String> {
    if text.len() > LENGTH {
        return Err(too_long());
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// A value as JSON. A table with the keys 1, 2, … n is a list; every other is an object, an empty one too.
pub(crate) fn encode(value: &Value) -> Result<String, String> {
    let mut json = String::new();
    write(&mut json, value, 0)?;
    Ok(json)
}

fn write(json: &mut String, value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::Nil => json.push_str("null"),
        Value::Boolean(yes) => json.push_str(if *yes { "true" } else { "false" }),
        Value::Integer(number) => json.push_str(&number.to_string()),
        Value::Number(number) => json.push_str(&number_text(*number)?),
        Value::String(text) => write_text(json, &text.as_bytes())?,
        Value::Table(_) if depth == DEPTH => return Err(format!("tables stand in each other more than {DEPTH} deep")),
        Value::Table(table) => write_table(json, table, depth + 1)?,
        other => return Err(format!("a {} has no JSON", other.type_name())),
    }
    if json.len() > LENGTH { Err(too_long()) } else { Ok(()) }
}

fn write_table(json: &mut String, table: &Table, depth: usize) -> Result<(), String> {
    let length = table.raw_len();
    // One more than the list has would be an object.
    if length > 0 && table.pairs::<Value, Value>().take(length + 1).count() == length {
        return write_list(json, table, depth);
    }
    json.push('{');
    for (index, pair) in table.pairs::<Value, Value>().enumerate() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        if index > 0 {
            json.push(',');
        }
        match key {
            Value::String(text) => write_text(json, &text.as_bytes())?,
            Value::Integer(number) => write_text(json, number.to_string().as_bytes())?,
            Value::Number(number) => write_text(json, number_text(number)?.as_bytes())?,
            other => return Err(format!("a {} cannot be a key", other.type_name())),
        }
        json.push(':');
        write(json, &value, depth)?;
    }
    json.push('}');
    Ok(())
}

fn write_list(json: &mut String, table: &Table, depth: usize) -> Result<(), String> {
    json.push('[');
    for index in 1..=table.raw_len() {
        if index > 1 {
            json.push(',');
        }
        let item = table.raw_get(index).map_err(|error| error.to_string())?;
        write(json, &item, depth)?;
    }
    json.push(']');
    Ok(())
}

fn write_text(json: &mut String, text: &[u8]) -> Result<(), String> {
    if text.len() > LENGTH {
        return Err(too_long());
    }
    json.push_str(&Json::from(String::from_utf8_lossy(text)).to_string());
    Ok(())
}

fn number_text(number: f64) -> Result<String, String> {
    /// Up to here every whole number is itself.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= WHOLE {
        return Ok((number as i64).to_string());
    }
    Number::from_f64(number).map(|number| number.to_string()).ok_or_else(|| format!("{number} has no JSON"))
}

fn too_long() -> String {
    format!("the text is longer than {} KiB", LENGTH / 1024)
}
