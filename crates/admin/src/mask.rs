//! Secrets are never shown: a mask stands in their place, and a mask that comes back changes nothing.

use serde_json::{Map, Value};
use sluice_config::KeyPath;
use sluice_hooks::MASK;

use crate::violations::Violations;

fn is_secret(key: &str) -> bool {
    ["secret", "secrets", "key", "token", "password"].contains(&key)
}

/// Masks every secret in the options of a plugin.
pub(crate) fn hide(value: &mut Value) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                if is_secret(key) && !value.is_null() {
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

/// Takes every masked secret out: what a client read and sends back with a PATCH stays what it is.
pub(crate) fn drop_masked(table: &mut Map<String, Value>) {
    table.retain(|key, value| !(is_secret(key) && is_masked(value)));
    for value in table.values_mut() {
        if let Value::Object(table) = value {
            drop_masked(table);
        }
    }
}

/// Refuses every mask in the place of a secret.
pub(crate) fn refuse_masked(table: &Map<String, Value>, path: &KeyPath, violations: &mut Violations) {
    for (key, value) in table {
        let path = path.key(key);
        match value {
            Value::Object(table) => refuse_masked(table, &path, violations),
            value if is_secret(key) && holds_mask(value) => {
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
        let mut changes = json!({"secrets": [MASK, MASK], "config": {"secret": MASK, "url": MASK}}).as_object().cloned().unwrap();
        let mut violations = Violations::default();
        refuse_masked(&changes, &KeyPath::default(), &mut violations);
        assert!(violations.message().starts_with("2 schema violations (secrets: "), "{}", violations.message());
        drop_masked(&mut changes);
        assert_eq!(Value::from(changes), json!({"config": {"url": MASK}}));
    }
}
