//! `webhook`: posts Kong's flat object: the data's fields, `source` and `event`, and our `count`, `first_at`, `last_at`; or,
//! by `format`, a CloudEvent.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, header::CONTENT_TYPE};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_config::{EventHook, Format, HttpUrl, Problem, options_schema};

use crate::cloudevent::CloudEvent;
use crate::exchange::{self, Request};
use crate::handler::{BuildCx, Cx, Delivery, Failure, Handler};
use crate::headers;
use crate::registry::Kind;
use crate::signing::Signer;

/// The handler's entry in the registry.
pub(crate) const KIND: Kind = Kind {
    name: "webhook",
    summary: "Posts the event as JSON to a url",
    kept: true,
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
    format: Format,
    signer: Signer,
}

fn build(hook: &EventHook, cx: &BuildCx<'_>) -> Result<Arc<dyn Handler>, Vec<Problem>> {
    hook.config.read_and_check(|config: Config| {
        let mut problems = headers::check_secrets(hook, &config.url, config.secret.as_deref());
        problems.extend(cx.egress.check(&config.url.0, hook.config.path().key("url")));
        let (mut all, bad) = headers::read(hook, &config.headers);
        problems.extend(bad);
        let format = hook.format.unwrap_or(Format::Kong);
        problems.extend(config.headers.keys().filter_map(|key| clash(hook, format, key)));
        if !problems.is_empty() {
            return Err(problems);
        }
        let content_type = if format == Format::Cloudevents { headers::CLOUDEVENT } else { headers::JSON };
        all.entry(CONTENT_TYPE).or_insert(content_type);
        let request =
            Request { method: Method::POST, url: config.url.0, headers: all, body: Bytes::new(), verify: config.ssl_verify };
        Ok(Arc::new(Webhook { request, format, signer: Signer::new(cx.keys, config.secret.as_deref()) }) as Arc<dyn Handler>)
    })
}

/// Headers that are a CloudEvent's own: its content type says which form it has, and its attributes are `ce-*` headers.
fn clash(hook: &EventHook, format: Format, key: &str) -> Option<Problem> {
    let key_in_lower_case = key.to_ascii_lowercase();
    let own = key_in_lower_case == CONTENT_TYPE.as_str() || key_in_lower_case.starts_with("ce-");
    let problem = || Problem::at_key(headers::path(hook, key), format!("with this `format`, \"{key}\" is set by Sluice itself"));
    (own && format != Format::Kong).then(|| problem().help("leave it out, or write format = \"kong\""))
}

/// The format in force, if this handler has one.
pub(crate) fn shown_format(hook: &EventHook) -> Option<Format> {
    if hook.handler == KIND.name { hook.format.or(Some(Format::Kong)) } else { hook.format }
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
        let mut request = self.request.clone();
        request.body = self.body(delivery, &mut request.headers).to_string().into();
        exchange::send(request, &delivery.id, &self.signer, cx).await
    }

    async fn ping(&self, body: Value, cx: &Cx<'_>) -> Option<Result<(), Failure>> {
        let mut request = Request { body: body.to_string().into(), ..self.request.clone() };
        request.headers.insert(CONTENT_TYPE, headers::JSON);
        Some(exchange::send(request, &format!("msg_ping_{:016x}", fastrand::u64(..)), &self.signer, cx).await)
    }
}

impl Webhook {
    fn body(&self, delivery: &Delivery, headers: &mut HeaderMap) -> Value {
        match self.format {
            Format::Kong => body(delivery),
            Format::Cloudevents => CloudEvent(delivery).structured(),
            Format::CloudeventsBinary => CloudEvent(delivery).binary(headers),
        }
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
