//! Secrets are never shown: a mask stands in their place, and a mask that comes back changes nothing.

use serde_json::{Map, Value};
use sluice_config::{KeyPath, Segment};
use sluice_hooks::MASK;

use crate::violations::Violations;

/// Masks every secret in the options of a plugin.
pub(crate) fn hide(value: &mut Value) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                if ["secret", "secrets", "key", "token", "password"].contains(&key.as_str()) && !value.is_null() {
                    *value = MASK.into();
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

/// Whether hooks show a mask in the place of this value: signing keys, and headers that carry credentials.
fn may_be_masked(path: &KeyPath) -> bool {
    match path.0.as_slice() {
        [Segment::Key(secrets)] => secrets == "secrets",
        [Segment::Key(config), Segment::Key(key)] => config == "config" && key == "secret",
        [Segment::Key(config), Segment::Key(headers), Segment::Key(_)] => config == "config" && headers == "headers",
        _ => false,
    }
}

/// Takes every mask out of the changes of a hook: what a client read and sends back stays what it is.
pub(crate) fn drop_masked(table: &mut Map<String, Value>, path: &KeyPath) {
    table.retain(|key, value| !(is_masked(value) && may_be_masked(&path.key(key))));
    for (key, value) in table {
        if let Value::Object(table) = value {
            drop_masked(table, &path.key(key));
        }
    }
}

/// Refuses every mask in the place of a hook's secret.
pub(crate) fn refuse_masked(table: &Map<String, Value>, path: &KeyPath, violations: &mut Violations) {
    for (key, value) in table {
        let path = path.key(key);
        match value {
            Value::Object(table) => refuse_masked(table, &path, violations),
            value if holds_mask(value) && may_be_masked(&path) => {
                violations
                    .push(path, "this mask stands for a secret that is not shown; send the secret itself, or a PATCH without it");
            }
            _ => {}
        }
    }
}

fn is_masked(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(is_masked),
        value => value == MASK,
    }
}

fn holds_mask(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_mask),
        value => value == MASK,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let mut value = json!({"key_names": ["k"], "redis": {"password": "p", "token": null}, "list": [{"key": "k"}]});
        hide(&mut value);
        assert_eq!(value, json!({"key_names": ["k"], "redis": {"password": MASK, "token": null}, "list": [{"key": MASK}]}));
    }

    #[test]
    fn a_mask_that_comes_back_changes_nothing() {
        let config =
            json!({"secret": MASK, "url": MASK, "headers": {"authorization": MASK, "x": "1"}, "payload": {"secret": MASK}});
        let mut changes = json!({ "secrets": [MASK, MASK], "config": config }).as_object().cloned().unwrap();
        let mut violations = Violations::default();
        refuse_masked(&changes, &KeyPath::default(), &mut violations);
        assert!(violations.message().starts_with("3 schema violations (secrets: "), "{}", violations.message());
        drop_masked(&mut changes, &KeyPath::default());
        assert_eq!(Value::from(changes), json!({"config": {"url": MASK, "headers": {"x": "1"}, "payload": {"secret": MASK}}}));
    }
}
