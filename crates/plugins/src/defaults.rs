//! Options with everything that the file does not say: each as it is then, null where it is nothing, as Kong shows them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::registry::PLUGINS;

static DEFAULTS: LazyLock<HashMap<&str, Record>> =
    LazyLock::new(|| PLUGINS.iter().map(|kind| (kind.name, Record::of(&(kind.schema)()))).collect());

/// The options of the plugin of this name, and what those are that are not among them.
pub fn with_defaults(plugin: &str, options: Value) -> Value {
    match (DEFAULTS.get(plugin), options) {
        (Some(defaults), Value::Object(said)) => Value::Object(defaults.fill(said)),
        (_, options) => options,
    }
}

/// Options that stand together, in the order of their schema.
struct Record(Vec<Field>);

struct Field {
    name: String,
    /// What it is if it is not said; none, if it must be said.
    default: Option<Value>,
    /// What it holds, if it may be a record.
    record: Option<Record>,
}

impl Record {
    fn of(schema: &Value) -> Self {
        let must_be_said = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let fields = schema["properties"].as_object().into_iter().flatten().map(|(name, option)| Field {
            name: name.clone(),
            default: (!must_be_said(name)).then(|| option.get("default").cloned().unwrap_or_default()),
            record: record(option).map(Self::of),
        });
        Self(fields.collect())
    }

    fn fill(&self, mut said: Map<String, Value>) -> Map<String, Value> {
        let mut filled = Map::new();
        for field in &self.0 {
            let value = match (said.swap_remove(&field.name), &field.record) {
                (Some(Value::Object(said)), Some(record)) => Some(Value::Object(record.fill(said))),
                (Some(said), _) => Some(said),
                (None, _) => field.default.clone(),
            };
            filled.extend(value.map(|value| (field.name.clone(), value)));
        }
        // What no schema knows is not for hiding.
        filled.extend(said);
        filled
    }
}

/// The schema of an option that may be a record among other things.
fn record(option: &Value) -> Option<&Value> {
    let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|word| option[word].as_array()).flatten();
    [option].into_iter().chain(alternatives).find(|schema| schema["properties"].is_object())
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::plugin::Configured;

    fn check(plugin: &str, options: &Value, expected: &Value) {
        let filled = with_defaults(plugin, options.clone());
        let expected = expected.as_object().expect("a table");
        for (name, value) in expected {
            assert_eq!(&filled[name], value, "{plugin} {name}");
        }
    }

    #[test]
    fn what_is_not_said_is_shown_as_it_is() {
        check(
            "rate-limiting-advanced",
            &json!({ "limit": [3], "window_size": [60], "throttling": { "enabled": true }, "cost": { "header": "X-Cost", "max": 9 } }),
            &json!({
                "limit": [3], "identifier": "consumer", "namespace": null, "ipv6_prefix": 64, "error_code": 429, "disable_penalty": true,
                "throttling": { "enabled": true, "interval": 5, "retry_times": 3, "queue_limit": 5 },
                "cost": { "header": "X-Cost", "default": 1, "max": 9 }, "exempt": { "ips": [], "consumers": [] }
            }),
        );
        check("rate-limiting-advanced", &json!({ "cost": 2 }), &json!({ "cost": 2 }));
        assert!(with_defaults("rate-limiting-advanced", json!({})).get("limit").is_none(), "it must be said");
        check("rate-limiting", &json!({ "minute": 5 }), &json!({ "hour": null, "limit_by": "consumer", "sync_rate": -1.0 }));
        check("request-transformer", &json!({}), &json!({ "add": { "headers": [], "querystring": [], "body": [] } }));
        check("key-auth", &json!({ "unknown": 1 }), &json!({ "key_names": ["apikey"], "realm": null, "unknown": 1 }));
        assert_eq!(with_defaults("unknown", json!({ "a": 1 })), json!({ "a": 1 }));
    }

    /// What a plugin reads of options is what is shown of them, whether they are shown or not.
    fn check_reading<P: Configured>(least: &Value) -> &'static str
    where
        P::Options: Serialize,
    {
        let read = |options: &Value| to_value(from_value::<P::Options>(options.clone()).expect(P::NAME)).expect("JSON");
        let shown = with_defaults(P::NAME, least.clone());
        assert_eq!(read(least), shown, "{}", P::NAME);
        assert_eq!(read(&shown), shown, "{}", P::NAME);
        P::NAME
    }

    #[test]
    fn options_are_read_as_they_are_shown() {
        let windows = json!({ "limit": [3], "window_size": [60], "throttling": { "enabled": true } });
        let names = [
            check_reading::<crate::correlation_id::CorrelationId>(&json!({})),
            check_reading::<crate::cors::Cors>(&json!({})),
            check_reading::<crate::jwt::Jwt>(&json!({})),
            check_reading::<crate::key_auth::KeyAuth>(&json!({})),
            check_reading::<crate::basic_auth::BasicAuth>(&json!({})),
            check_reading::<crate::ip_restriction::IpRestriction>(&json!({ "deny": ["192.0.2.1"] })),
            check_reading::<crate::request_size_limiting::RequestSizeLimiting>(&json!({})),
            check_reading::<crate::acl::Acl>(&json!({ "allow": ["a"] })),
            check_reading::<crate::rate_limiting::RateLimiting>(&json!({ "minute": 1 })),
            check_reading::<crate::rate_limiting_advanced::RateLimitingAdvanced>(&windows),
            check_reading::<crate::concurrency_limiting::ConcurrencyLimiting>(&json!({ "limit": 1 })),
            check_reading::<crate::request_transformer::RequestTransformer>(&json!({ "replace": { "uri": "/" } })),
            check_reading::<crate::response_transformer::ResponseTransformer>(&json!({ "add": { "json": ["a:b"] } })),
            check_reading::<crate::request_termination::RequestTermination>(&json!({})),
        ];
        let registered: Vec<&str> = PLUGINS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.as_slice(), registered);
    }
}
