//! `webhook`: posts Kong's flat object: the data's fields, `source` and `event`, and our `count`, `first_at`, `last_at`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_config::{EventHook, HttpUrl, Problem, options_schema};

use crate::exchange::{self, Request};
use crate::handler::{BuildCx, Cx, Delivery, Failure, Handler};
use crate::headers;
use crate::registry::Kind;
use crate::signing::Signer;

/// The handler's entry in the registry.
pub(crate) const KIND: Kind = Kind {
    name: "webhook",
    summary: "Posts the event as JSON to a url",
    concurrency: 8,
    schema: options_schema::<Config>,
    build,
    show,
};

/// `config` of the handler `webhook`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where to post.
    url: HttpUrl,
    /// Further headers.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Signs the body as `X-Kong-Signature`.
    secret: Option<String>,
    /// Whether the receiver's certificate is checked.
    #[serde(default = "yes")]
    ssl_verify: bool,
}

fn yes() -> bool {
    true
}

struct Webhook {
    request: Request,
    signer: Signer,
}

fn build(hook: &EventHook, cx: &BuildCx<'_>) -> Result<Arc<dyn Handler>, Vec<Problem>> {
    hook.config.read_and_check(|config: Config| {
        let mut problems = headers::check_secrets(hook, &config.url, config.secret.as_deref());
        let (mut all, bad) = headers::read(hook, &config.headers);
        problems.extend(bad);
        if !problems.is_empty() {
            return Err(problems);
        }
        all.entry(CONTENT_TYPE).or_insert(headers::JSON);
        let request =
            Request { method: Method::POST, url: config.url.0, headers: all, body: Bytes::new(), verify: config.ssl_verify };
        Ok(Arc::new(Webhook { request, signer: Signer::new(cx.keys, config.secret.as_deref()) }) as Arc<dyn Handler>)
    })
}

fn show(hook: &EventHook) -> Value {
    let Ok(config) = hook.config.read::<Config>() else { return Value::Null };
    json!({
        "url": headers::show_url(&config.url),
        "headers": headers::show(&config.headers),
        "secret": config.secret.map(|_| crate::MASK),
        "ssl_verify": config.ssl_verify,
    })
}

#[async_trait]
impl Handler for Webhook {
    async fn handle(&self, delivery: &Delivery, cx: &Cx<'_>) -> Result<(), Failure> {
        let request = Request { body: body(delivery).to_string().into(), ..self.request.clone() };
        exchange::send(request, delivery, &self.signer, cx).await
    }
}

/// Kong's fields first and as Kong has them; ours stand behind and never hide one of the event's.
fn body(delivery: &Delivery) -> Value {
    let mut body = delivery.data.clone();
    body.insert("source".into(), delivery.kind.source.into());
    body.insert("event".into(), delivery.kind.name.into());
    Value::Object(Delivery { data: body, ..delivery.clone() }.counted_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_kongs_flat_object_with_ours_behind() {
        let kind = sluice_events::kind_of("config", "applied").unwrap();
        let data = serde_json::from_value(json!({ "version": 2, "count": "its own" })).unwrap();
        let delivery = Delivery { id: "msg_1".into(), kind, data, count: 5, first_at: 1, last_at: 2, attempt: 1 };
        let expected = r#"{"version":2,"count":"its own","source":"config","event":"applied","first_at":1,"last_at":2}"#;
        assert_eq!(body(&delivery).to_string(), expected);
    }
}
