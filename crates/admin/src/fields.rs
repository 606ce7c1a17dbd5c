//! What type each field of a hook has, for forms, which know only strings.

use serde_json::Value;

/// What a form's string becomes.
#[derive(Clone, Copy)]
enum Kind {
    Integer,
    Number,
    Boolean,
    /// One or many.
    Texts,
    /// Milliseconds or strings such as `2s`, one or many.
    Durations,
}

/// Every field that is no string. `payload`, `headers` and `body` of `config` stay strings whatever they look like.
const FIELDS: &[(&str, Kind)] = &[
    ("on_change", Kind::Boolean),
    ("snooze", Kind::Integer),
    ("enabled", Kind::Boolean),
    ("timeout", Kind::Integer),
    ("digest", Kind::Integer),
    ("rate", Kind::Number),
    ("concurrency", Kind::Integer),
    ("tags", Kind::Texts),
    ("secrets", Kind::Texts),
    ("retry.schedule", Kind::Durations),
    ("config.ssl_verify", Kind::Boolean),
    ("config.payload_format", Kind::Boolean),
    ("config.headers_format", Kind::Boolean),
    ("config.body_format", Kind::Boolean),
    ("config.functions", Kind::Texts),
];

/// Gives the fields of a form their types. What does not fit stays a string: whoever reads it says what is wrong.
pub(crate) fn coerce(hook: &mut Value) {
    for (field, kind) in FIELDS {
        let slot = field.split('.').try_fold(&mut *hook, |value, key| value.get_mut(key));
        if let Some(slot) = slot {
            apply(*kind, slot);
        }
    }
}

fn apply(kind: Kind, slot: &mut Value) {
    match kind {
        Kind::Integer => integer(slot),
        Kind::Number => number(slot),
        Kind::Boolean => match slot.as_str() {
            Some("true") => *slot = Value::Bool(true),
            Some("false") => *slot = Value::Bool(false),
            _ => {}
        },
        Kind::Texts => list(slot),
        Kind::Durations => {
            list(slot);
            slot.as_array_mut().into_iter().flatten().for_each(integer);
        }
    }
}

fn integer(slot: &mut Value) {
    if let Some(number) = slot.as_str().and_then(|text| text.parse::<i64>().ok()) {
        *slot = number.into();
    }
}

fn number(slot: &mut Value) {
    integer(slot);
    if let Some(number) = slot.as_str().and_then(|text| text.parse::<f64>().ok()).filter(|number| number.is_finite()) {
        *slot = number.into();
    }
}

fn list(slot: &mut Value) {
    if slot.is_string() {
        *slot = Value::Array(vec![slot.take()]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_get_their_types_and_templates_stay_strings() {
        let mut hook = json!({
            "snooze": "60", "on_change": "true", "enabled": "yes", "timeout": "2s", "digest": "60000", "rate": "0.5", "tags": "a", "secrets": ["b", "1"],
            "retry": {"schedule": ["5s", "100"]},
            "config": {"ssl_verify": "false", "payload": {"limit": "3", "on": "true"}, "headers": {"x": "1"}, "body": "1", "functions": "f"}
        });
        coerce(&mut hook);
        assert_eq!(
            hook,
            json!({
                "snooze": 60, "on_change": true, "enabled": "yes", "timeout": "2s", "digest": 60000, "rate": 0.5, "tags": ["a"], "secrets": ["b", "1"],
                "retry": {"schedule": ["5s", 100]},
                "config": {"ssl_verify": false, "payload": {"limit": "3", "on": "true"}, "headers": {"x": "1"}, "body": "1", "functions": ["f"]}
            })
        );
    }
}
