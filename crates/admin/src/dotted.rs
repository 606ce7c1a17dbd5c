//! JSON with dotted keys, as Kong's published examples write it: `"config.url"` is `url` in `config`.

use serde_json::{Map, Value};
use sluice_config::KeyPath;

use crate::form::Misplaced;

/// Tables of a hook: their keys may be written with a dot.
pub(crate) const TABLES: &[&str] = &["config", "retry", "filter"];

/// The object with every dotted key of the top level in its table.
pub(crate) fn expand(object: Map<String, Value>) -> Result<Map<String, Value>, Misplaced> {
    let (dotted, mut plain): (Map<_, _>, Map<_, _>) = object.into_iter().partition(|(key, _)| is_dotted(key));
    for (key, value) in dotted {
        put(&mut plain, &key, value)
            .ok_or_else(|| Misplaced(KeyPath::of([key.as_str()]), "is given in two ways that exclude each other"))?;
    }
    Ok(plain)
}

fn is_dotted(key: &str) -> bool {
    key.split_once('.').is_some_and(|(table, _)| TABLES.contains(&table))
}

/// Puts the value where the key says; `None` if something else is there.
fn put(table: &mut Map<String, Value>, key: &str, value: Value) -> Option<()> {
    let mut table = table;
    let (tables, last) = key.rsplit_once('.')?;
    if tables.split('.').count() > 16 {
        return None;
    }
    for step in tables.split('.') {
        table = table.entry(step).or_insert_with(|| Value::Object(Map::new())).as_object_mut()?;
    }
    table.insert(last.to_owned(), value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: &Value, expected: Option<&Value>) {
        let found = expand(object.as_object().cloned().unwrap_or_default());
        assert_eq!(found.ok().map(Value::from).as_ref(), expected);
    }

    #[test]
    fn dotted_keys_of_known_tables_nest() {
        let payload = json!({"payload": {"a.b": 1}});
        check(
            &json!({"config.url": "u", "config": {"method": "POST"}}),
            Some(&json!({"config": {"method": "POST", "url": "u"}})),
        );
        check(&json!({"config.headers.content-type": "a/b"}), Some(&json!({"config": {"headers": {"content-type": "a/b"}}})));
        check(&json!({"a.b": 1, "config": payload}), Some(&json!({"a.b": 1, "config": payload})));
        check(&json!({"config": "x", "config.url": "u"}), None);
        check(&json!({"config": {"url": "x"}, "config.url": "u"}), None);
    }
}
