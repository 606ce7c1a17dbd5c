//! Which required fields a hook lacks. A reader stops at the first of them; a client wants to know all.

use serde_json::{Map, Value};
use sluice_config::KeyPath;

/// The required fields that are not in the table of a hook.
pub(crate) fn missing(hook: &Map<String, Value>) -> Vec<KeyPath> {
    let lacks = |field: &str| !hook.contains_key(field) && (field != "source" || !hook.contains_key("events"));
    let own = ["source", "handler"].into_iter().filter(|field| lacks(field)).map(|field| KeyPath::of([field]));
    let handler = hook.get("handler").and_then(Value::as_str).and_then(sluice_hooks::kind);
    let schema = handler.map(|kind| (kind.schema)()).unwrap_or_default();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let config = required
        .filter(|field| hook.get("config").is_none_or(|config| config.get(*field).is_none()))
        .map(|field| KeyPath::of(["config", field]));
    own.chain(config).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(hook: &Value, expected: &[&str]) {
        let found: Vec<String> = missing(hook.as_object().unwrap()).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_handler_says_what_its_config_needs() {
        check(&json!({}), &["source", "handler"]);
        check(&json!({"source": "s", "handler": "log"}), &[]);
        check(&json!({"events": [], "handler": "log"}), &[]);
        check(&json!({"handler": "webhook-custom", "config": {"method": "POST"}}), &["source", "config.url"]);
        check(&json!({"source": "s", "handler": "webhook-custom"}), &["config.url", "config.method"]);
    }
}
