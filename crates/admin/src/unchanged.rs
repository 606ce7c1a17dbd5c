//! What a PATCH says that is so already: it stays out of the file, with its reference or as the default that it is.

use serde_json::{Map, Value};
use sluice_config::{Config, EventHook};

use crate::entities::Entity;

/// Takes out of the changes every field that is as the hook shows it; of tables field by field, of lists as a whole.
pub(crate) fn drop_unchanged(changes: &mut Map<String, Value>, hook: &EventHook, config: &Config) {
    let mut shown = hook.show(config);
    // Where the hook does not say it, how many deliveries are under way at once follows from the handler to be.
    let handler = changes.get("handler").and_then(Value::as_str).and_then(sluice_hooks::kind);
    if let (None, Some(kind)) = (hook.concurrency, handler) {
        shown["concurrency"] = kind.concurrency.into();
    }
    drop_same(changes, &shown);
}

/// Takes out of the changes every field that is as it is shown; of tables field by field, of lists as a whole.
pub(crate) fn drop_same(changes: &mut Map<String, Value>, shown: &Value) {
    changes.retain(|key, change| !is_same(change, &shown[key.as_str()]));
}

/// Whether the change changes nothing; what of a table changes nothing is taken out of it. Null is what is not shown.
fn is_same(change: &mut Value, shown: &Value) -> bool {
    match change {
        Value::Object(table) if shown.is_object() => {
            drop_same(table, shown);
            table.is_empty()
        }
        change => is_one(change, shown),
    }
}

/// Whether both are one value to clients, of which many write 1.0 as 1.
pub(crate) fn is_one(said: &Value, shown: &Value) -> bool {
    let numbers = said.as_number().zip(shown.as_number());
    let one_number = numbers.is_some_and(|(said, shown)| said.is_f64() != shown.is_f64() && said.as_f64() == shown.as_f64());
    said == shown || one_number
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(changes: &Value, expected: &Value) {
        let shown = json!({
            "id": "1", "event": null, "snooze": 5, "timeout": 10000, "secrets": ["***"], "tags": ["a", "b"], "rate": 2.0,
            "retry": {"schedule": [1000]}, "config": {"url": "u", "headers": {"x": "1", "authorization": "***"}, "body": null}
        });
        let mut table = changes.as_object().cloned().unwrap();
        drop_same(&mut table, &shown);
        assert_eq!(&Value::from(table), expected);
    }

    #[test]
    fn only_what_differs_is_left() {
        check(
            &json!({"id": "1", "event": null, "rate": 2, "secrets": ["***"], "config": {"headers": {"authorization": "***"}}}),
            &json!({}),
        );
        check(
            &json!({"snooze": null, "timeout": "10s", "event": "e", "rate": 3}),
            &json!({"snooze": null, "timeout": "10s", "event": "e", "rate": 3}),
        );
        check(
            &json!({"tags": ["a"], "retry": {"schedule": [1000, 2]}}),
            &json!({"tags": ["a"], "retry": {"schedule": [1000, 2]}}),
        );
        check(
            &json!({"config": {"url": "v", "headers": {"x": null, "y": "2", "authorization": "***"}}}),
            &json!({"config": {"url": "v", "headers": {"x": null, "y": "2"}}}),
        );
        check(
            &json!({"config": {"url": "u", "body": {}, "headers": {"z": null}}, "event": {"a": null}}),
            &json!({"config": {"body": {}}, "event": {"a": null}}),
        );
        check(&json!({"config": {}, "retry": null, "tags": {"a": 1}}), &json!({"retry": null, "tags": {"a": 1}}));
    }
}
