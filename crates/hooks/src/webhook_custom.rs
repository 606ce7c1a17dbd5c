//! `webhook-custom`: sends what its templates make of the event.
//!
//! An explicit `body` wins over `payload`. A payload is a JSON object, or a form if the content type says so, or the query
//! of a GET. A body that is JSON has its values escaped for JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sluice_config::{EventHook, HttpUrl, Problem, options_schema};

use crate::compose::Writer;
use crate::content::Content;
use crate::exchange;
use crate::handler::{BuildCx, Cx, Delivery, Failure, Handler};
use crate::headers;
use crate::registry::Kind;
use crate::signing::Signer;

/// The handler's entry in the registry.
pub(crate) const KIND: Kind = Kind {
    name: "webhook-custom",
    summary: "Sends a request made by templates",
    kept: true,
    concurrency: 8,
    schema: options_schema::<Config>,
    build,
    show,
};

/// `config` of the handler `webhook-custom`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to send it.
    pub url: HttpUrl,
    /// How to send it, such as POST.
    pub method: sluice_config::Method,
    /// Fields and their templates; tables and lists may stand in it.
    pub payload: Option<Map<String, Value>>,
    /// Whether the texts of `payload` are templates.
    #[serde(default = "yes")]
    pub payload_format: bool,
    /// The whole body as a template, instead of `payload`.
    pub body: Option<String>,
    /// Whether `body` is a template.
    #[serde(default = "yes")]
    pub body_format: bool,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Whether the values of `headers` are templates.
    #[serde(default)]
    pub headers_format: bool,
    /// Signs the body as `X-Kong-Signature`.
    pub secret: Option<String>,
    /// Whether the receiver's certificate is checked.
    #[serde(default = "yes")]
    pub ssl_verify: bool,
}

fn yes() -> bool {
    true
}

struct WebhookCustom {
    content: Content,
    signer: Signer,
}

fn build(hook: &EventHook, cx: &BuildCx<'_>) -> Result<Arc<dyn Handler>, Vec<Problem>> {
    hook.config.read_and_check(|config: Config| {
        let mut writer = Writer::new(hook, cx.kinds);
        writer.problems = headers::check_secrets(hook, &config.url, config.secret.as_deref());
        writer.problems.extend(cx.egress.check(&config.url.0, hook.config.path().key("url")));
        let content = writer.content(&config);
        if !writer.problems.is_empty() {
            return Err(writer.problems);
        }
        Ok(Arc::new(WebhookCustom { content, signer: Signer::new(cx.keys, config.secret.as_deref()) }) as Arc<dyn Handler>)
    })
}

fn show(hook: &EventHook) -> Value {
    let Ok(config) = hook.config.read::<Config>() else { return Value::Null };
    json!({
        "url": headers::show_url(&config.url),
        "method": config.method,
        "payload": config.payload,
        "payload_format": config.payload_format,
        "body": config.body,
        "body_format": config.body_format,
        "headers": headers::show(&config.headers),
        "headers_format": config.headers_format,
        "secret": config.secret.map(|_| crate::MASK),
        "ssl_verify": config.ssl_verify,
    })
}

#[async_trait]
impl Handler for WebhookCustom {
    async fn handle(&self, delivery: &Delivery, cx: &Cx<'_>) -> Result<(), Failure> {
        let request = self.content.request(delivery).map_err(Failure::give_up)?;
        exchange::send(request, &delivery.id, &self.signer, cx).await
    }
}
