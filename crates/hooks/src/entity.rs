//! A hook as the Admin API shows it: Kong's entity, with our fields beside Kong's.

use serde_json::{Value, json};
use sluice_config::EventHook;

use crate::hook::TIMEOUT;
use crate::registry::kind;
use crate::wanted::dotted_filter;
use crate::{retry, webhook};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// The hook with defaults filled in and secrets masked.
pub fn entity_json(hook: &EventHook) -> Value {
    let kind = kind(&hook.handler);
    let secrets: Vec<&str> = hook.secrets.iter().map(|_| MASK).collect();
    json!({
        "id": hook.id,
        "name": hook.name,
        "source": hook.source,
        "event": hook.event,
        "events": hook.events,
        "filter": filter(hook),
        "handler": hook.handler,
        "on_change": hook.on_change,
        "snooze": hook.snooze,
        "digest": hook.digest,
        "rate": hook.rate.map(plain),
        "format": webhook::shown_format(hook),
        "config": kind.map_or(Value::Null, |kind| (kind.show)(hook)),
        "enabled": hook.enabled,
        "timeout": hook.timeout.unwrap_or(TIMEOUT),
        "retry": { "schedule": hook.retry.as_deref().unwrap_or(retry::DEFAULT) },
        "concurrency": hook.concurrency.or(kind.map(|kind| kind.concurrency)),
        "secrets": secrets,
        "tags": (!hook.tags.is_empty()).then_some(&hook.tags),
        "created_at": hook.stamps.created_at,
        "updated_at": hook.stamps.updated_at,
    })
}

/// The filter with the dotted names of its fields, however they are written.
fn filter(hook: &EventHook) -> Option<Value> {
    let written = hook.filter.as_ref()?.to_json();
    Some(written.as_object().and_then(|table| dotted_filter(table).ok()).map_or(Value::Null, Value::Object))
}

/// A number as one writes it: 5, not 5.0.
fn plain(number: f64) -> Value {
    let whole = number as u64;
    if whole as f64 == number { whole.into() } else { number.into() }
}
