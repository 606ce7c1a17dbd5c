//! Changes a table or a list that is there: what is so already keeps its form, and its comments.

use serde_json::{Map, Value as Json};
use toml_edit::{Item, TableLike, Value};

use super::value::{append_inline, says, take_suffix, to_table, to_value};

/// Changes the keys that are named; null takes one out.
pub fn merge(item: &mut Item, changes: &Map<String, Json>) -> Option<()> {
    let inline = item.is_inline_table();
    let table = item.as_table_like_mut()?;
    for (key, change) in changes {
        match (change, table.get_mut(key)) {
            (Json::Null, _) => {
                table.remove(key);
            }
            (Json::Object(inner), Some(item)) if item.is_table_like() => merge(item, inner)?,
            (change, _) => set(table, (key, change), inline),
        }
    }
    Some(())
}

/// Makes the table say this, and nothing more but what is to be kept. An element that is no table becomes one.
pub fn put(item: &mut Item, wanted: &Map<String, Json>, keep: &[String]) -> Option<()> {
    if let Item::Value(Value::String(text)) = item {
        let decor = text.decor().clone();
        let mut value = to_value(&wanted.clone().into());
        *value.decor_mut() = decor;
        *item = Item::Value(value);
        return Some(());
    }
    let inline = item.is_inline_table();
    let table = item.as_table_like_mut()?;
    let there: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in there.iter().filter(|key| !keep.contains(key) && wanted.get(*key).is_none_or(Json::is_null)) {
        table.remove(key);
    }
    for (key, value) in wanted.iter().filter(|(key, value)| !keep.contains(key) && !value.is_null()) {
        match (value, table.get_mut(key)) {
            (Json::Object(inner), Some(item)) if item.is_table_like() => put(item, inner, &[])?,
            (value, _) => set(table, (key, value), inline),
        }
    }
    Some(())
}

/// Sets a key. A value keeps what stands around it, and its form if it says the same.
fn set(table: &mut dyn TableLike, (key, new): (&str, &Json), inline: bool) {
    if let Some(Item::Value(value)) = table.get_mut(key) {
        if !says(value, new) {
            let decor = value.decor().clone();
            *value = to_value(new);
            *value.decor_mut() = decor;
        }
        return;
    }
    match new {
        new if inline => append_inline(table, key, to_value(new)),
        Json::Object(inner) => {
            table.insert(key, Item::Table(to_table(inner)));
        }
        new => {
            table.insert(key, Item::Value(to_value(new)));
        }
    }
}

/// Adds an element to a list, in the form of those that are there.
pub fn push(item: &mut Item, element: &Json) -> Option<()> {
    match (item, element) {
        (Item::Value(Value::Array(array)), element) => {
            let mut value = to_value(element);
            // It stands on a line of its own if the last one does.
            let indent = array.iter().last().map(|last| {
                let before = last.decor().prefix().and_then(|raw| raw.as_str()).unwrap_or_default();
                before.rfind('\n').map_or_else(|| " ".to_owned(), |line| before[line..].to_owned())
            });
            value.decor_mut().set_prefix(indent.unwrap_or_default());
            if let Some(last) = array.iter_mut().last() {
                value.decor_mut().set_suffix(take_suffix(last));
            }
            array.push_formatted(value);
        }
        (Item::ArrayOfTables(tables), Json::Object(map)) => {
            let mut table = to_table(map);
            table.set_implicit(false);
            table.decor_mut().set_prefix("\n");
            tables.push(table);
        }
        _ => return None,
    }
    Some(())
}
