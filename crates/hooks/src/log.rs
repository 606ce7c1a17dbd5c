//! `log`: writes one line to the log.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_config::{EventHook, options_schema};
use tracing::info;

use crate::handler::{Cx, Delivery, Failure, Handler};
use crate::registry::Kind;

/// The handler's entry in the registry.
pub(crate) const KIND: Kind = Kind {
    name: "log",
    summary: "Writes one line to the log",
    kept: false,
    concurrency: 1,
    schema: options_schema::<Config>,
    build: |hook, _| hook.config.read::<Config>().map(|_| Arc::new(Log) as Arc<dyn Handler>),
    show: |_: &EventHook| json!({}),
};

/// `config` of the handler `log`: nothing to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {}

struct Log;

#[async_trait]
impl Handler for Log {
    async fn handle(&self, delivery: &Delivery, _: &Cx<'_>) -> Result<(), Failure> {
        info!(target: "sluice::hook", "{}", line(delivery));
        Ok(())
    }
}

/// Kong's line: the label, then event, source, data and process id. JSON keeps it to one line, whatever a client sends.
fn line(delivery: &Delivery) -> String {
    let data = Value::Object(delivery.counted_data());
    let (event, source, pid) = (delivery.kind.name, delivery.kind.source, std::process::id());
    format!("\"log callback: \" {{ \"{event}\", \"{source}\", {data}, {pid} }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    #[test]
    fn the_line_is_kongs_with_our_count() {
        let kind = sluice_events::kind_of("rate-limiting-advanced", "rate-limit-exceeded").unwrap();
        let data = Map::from_iter([("consumer".into(), json!({ "username": "a\nb" })), ("limit".into(), json!(3))]);
        let delivery = Delivery { id: "msg_1".into(), kind, data, count: 2, first_at: 10, last_at: 20, attempt: 1 };
        let expected = r#""log callback: " { "rate-limit-exceeded", "rate-limiting-advanced", {"consumer":{"username":"a\nb"},"limit":3,"count":2,"first_at":10,"last_at":20}, PID }"#;
        assert_eq!(line(&delivery), expected.replace("PID", &std::process::id().to_string()));
    }
}
