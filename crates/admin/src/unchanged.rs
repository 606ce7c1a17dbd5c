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
        change => change == shown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(changes: &Value, expected: &Value) {
        let shown = json!({
            "id": "1", "event": null, "snooze": 5, "timeout": 10000, "secrets": ["***"], "tags": ["a", "b"],
            "retry": {"schedule": [1000]}, "config": {"url": "u", "headers": {"x": "1", "authorization": "***"}, "body": null}
        });
        let mut table = changes.as_object().cloned().unwrap();
        drop_same(&mut table, &shown);
        assert_eq!(&Value::from(table), expected);
    }

    #[test]
    fn only_what_differs_is_left() {
        check(
            &json!({"id": "1", "event": null, "secrets": ["***"], "config": {"headers": {"authorization": "***"}}}),
            &json!({}),
        );
        check(&json!({"snooze": null, "timeout": "10s", "event": "e"}), &json!({"snooze": null, "timeout": "10s", "event": "e"}));
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
