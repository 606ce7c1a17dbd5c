//! Gives the fields of a form, which knows only strings, the types that the file's schema has for them.

use std::sync::LazyLock;

use serde_json::Value;
use sluice_config::{Extensions, json_schema};
use sluice_hooks::HANDLERS;
use sluice_plugins::PLUGINS;

/// The schema of the whole file.
pub static FILE: LazyLock<Value> = LazyLock::new(|| {
    let credentials = PLUGINS.iter().filter_map(|kind| kind.credential).map(|kind| (kind.list, (kind.schema)()));
    json_schema(&Extensions {
        plugins: PLUGINS.iter().map(|kind| (kind.name, (kind.schema)())).collect(),
        handlers: HANDLERS.iter().map(|kind| (kind.name, (kind.schema)())).collect(),
        credentials: credentials.collect(),
    })
});

/// The schema of one table of a section.
pub(crate) fn table_of(section: &str) -> &'static Value {
    &FILE["properties"][section]["additionalProperties"]
}

/// Gives a value its type. What does not fit stays a string: whoever reads it says what is wrong.
pub(crate) fn coerce(value: &mut Value, schema: &Value) {
    let schemas = alternatives(schema);
    let takes = |kind: &str| schemas.iter().any(|schema| has_type(schema, kind));
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                if let Some(schema) = schemas.iter().find_map(|schema| property(schema, key)) {
                    coerce(value, schema);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schemas.iter().find_map(|schema| schema.get("items")) {
                items.iter_mut().for_each(|item| coerce(item, schema));
            }
        }
        Value::String(text) => {
            let typed = match text.as_str() {
                // Where anything may stand, a text may.
                _ if takes("string") && takes("boolean") => return,
                text if (takes("integer") || takes("number")) && text.parse::<i64>().is_ok() => {
                    text.parse::<i64>().ok().map(Value::from)
                }
                text if takes("number") => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
                "true" if takes("boolean") => Some(true.into()),
                "false" if takes("boolean") => Some(false.into()),
                _ => None,
            };
            if let Some(typed) = typed {
                *value = typed;
            } else if takes("array") && !takes("string") {
                let mut list = Value::Array(vec![value.take()]);
                coerce(&mut list, schema);
                *value = list;
            }
        }
        _ => {}
    }
}

/// The schema that is meant: itself, or what it refers to.
pub(crate) fn resolve(schema: &Value) -> &Value {
    match schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        Some(name) => resolve(&FILE["$defs"][name]),
        None => schema,
    }
}

/// Every schema of which one must fit.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let schema = resolve(schema);
    let parts = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|word| schema[word].as_array()).flatten();
    [schema].into_iter().chain(parts.flat_map(alternatives)).collect()
}

fn has_type(schema: &Value, kind: &str) -> bool {
    match &schema["type"] {
        Value::String(only) => only == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        _ => false,
    }
}

fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema["properties"].get(key).or_else(|| schema.get("additionalProperties").filter(|other| other.is_object()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(section: &str, value: &Value, expected: &Value) {
        let mut found = value.clone();
        coerce(&mut found, table_of(section));
        assert_eq!(&found, expected);
    }

    #[test]
    fn fields_get_the_types_of_the_file() {
        check(
            "services",
            &json!({"port": "8080", "enabled": "false", "connect_timeout": "2000", "read_timeout": "2s", "host": "1", "tags": "a", "x": "1"}),
            &json!({"port": 8080, "enabled": false, "connect_timeout": 2000, "read_timeout": "2s", "host": "1", "tags": ["a"], "x": "1"}),
        );
        check(
            "routes",
            &json!({"paths": ["/1"], "methods": "GET", "headers": {"x": "1"}, "sources": [{"ip": "10.0.0.1", "port": "80"}], "strip_path": "true", "port": {}}),
            &json!({"paths": ["/1"], "methods": ["GET"], "headers": {"x": ["1"]}, "sources": [{"ip": "10.0.0.1", "port": 80}], "strip_path": true, "port": {}}),
        );
        check(
            "upstreams",
            &json!({"slots": "many", "healthchecks": {"active": {"healthy": {"interval": "0.5", "http_statuses": ["200"]}}}}),
            &json!({"slots": "many", "healthchecks": {"active": {"healthy": {"interval": 0.5, "http_statuses": [200]}}}}),
        );
    }

    #[test]
    fn what_hooks_have_templates_for_stays_a_string() {
        check(
            "event_hooks",
            &json!({
                "snooze": "60", "on_change": "true", "enabled": "yes", "timeout": "2s", "digest": "60000", "rate": "0.5", "tags": "a", "secrets": ["b", "1"],
                "retry": {"schedule": ["5s", "100"]}, "filter": {"limit": "3", "ip": {"not": "true"}},
                "config": {"ssl_verify": "false", "payload": {"limit": "3", "on": "true"}, "headers": {"x": "1"}, "body": "1", "functions": "f"}
            }),
            &json!({
                "snooze": 60, "on_change": true, "enabled": "yes", "timeout": "2s", "digest": 60000, "rate": 0.5, "tags": ["a"], "secrets": ["b", "1"],
                "retry": {"schedule": ["5s", 100]}, "filter": {"limit": "3", "ip": {"not": "true"}},
                "config": {"ssl_verify": false, "payload": {"limit": "3", "on": "true"}, "headers": {"x": "1"}, "body": "1", "functions": ["f"]}
            }),
        );
        check(
            "event_hooks",
            &json!({"rate": "5", "retry": {"schedule": "5s"}}),
            &json!({"rate": 5, "retry": {"schedule": ["5s"]}}),
        );
    }

    #[test]
    fn options_of_plugins_are_typed_by_theirs() {
        let schema = (sluice_plugins::plugin("rate-limiting-advanced").expect("it is there").schema)();
        let mut options = json!({"limit": "3", "window_size": ["60", "1"], "hide_client_headers": "true", "identifier": "ip"});
        coerce(&mut options, &schema);
        assert_eq!(options, json!({"limit": [3], "window_size": [60, 1], "hide_client_headers": true, "identifier": "ip"}));
    }
}
