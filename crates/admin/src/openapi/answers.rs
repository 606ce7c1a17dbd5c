//! What is answered that is no entity.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use sluice_hooks::{HookStats, OutboxStatus, Record, ReplayCounts};
use sluice_plugins::{Client, Shown};

use super::schema::inlined;
use crate::coerce::FILE;
use crate::tables::Told;

/// The components by their names.
pub(crate) fn components() -> Map<String, Value> {
    let all = [
        ("condition", condition()),
        ("message", record(&[("message", text())])),
        ("node", node()),
        ("endpoints", record(&[("data", list(&text()))])),
        ("enabled_plugins", record(&[("enabled_plugins", list(&text()))])),
        ("schema", record(&[("fields", list(&map(&map_of_anything())))])),
        ("document", json!({ "type": "object", "required": ["openapi", "paths"] })),
        ("tags_page", page(&record(&[("entity_name", text()), ("entity_id", id()), ("tag", text())]))),
        ("status", status()),
        ("config_status", config_status()),
        ("config_check", record(&[("message", text()), ("changes", list(&of::<Told>()))])),
        (
            "config_replaced",
            record(&[("version", count()), ("changes", list(&of::<Told>())), ("waiting_for_start", list(&text()))]),
        ),
        ("sources", data(map(&map(&event())))),
        ("source", data(map(&event()))),
        ("event", data(event())),
        ("hook", of::<HookStats>()),
        ("ping", ping()),
        ("tested", tested()),
        ("delivery", of::<Record>()),
        ("deliveries_page", page(&of::<Record>())),
        ("replayed", of::<ReplayCounts>()),
        ("limits", limits()),
        ("limit", limit()),
        ("client", of::<Client>()),
        ("health", health()),
        (
            "consumer_in_groups",
            record(&[("consumer", component("consumers")), ("consumer_groups", list(&component("consumer_groups")))]),
        ),
        (
            "group_of_consumers",
            record(&[("consumer_group", component("consumer_groups")), ("consumers", list(&component("consumers")))]),
        ),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// The schema of a type that is shown.
fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| settings.inline_subschemas = true);
    let mut schema = inlined(&settings.into_generator().into_root_schema_for::<T>().to_value());
    schema["additionalProperties"] = false.into();
    schema
}

fn condition() -> Value {
    inlined(&FILE["$defs"]["condition"])
}

fn record(fields: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn page(row: &Value) -> Value {
    let mut page = record(&[("data", list(row)), ("next", nothing_or_text())]);
    page["properties"]["offset"] = text();
    page
}

fn data(schema: Value) -> Value {
    record(&[("data", schema)])
}

fn component(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn nothing_or_text() -> Value {
    json!({ "type": ["string", "null"] })
}

fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn map(values: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}

fn map_of_anything() -> Value {
    json!({ "type": "object" })
}

fn node() -> Value {
    let plugin = record(&[("version", text()), ("priority", count())]);
    let configuration =
        [("database", text()), ("proxy_listen", list(&text())), ("admin_listen", list(&text())), ("write_back", flag())];
    record(&[
        ("tagline", text()),
        ("version", text()),
        ("hostname", text()),
        ("node_id", id()),
        ("plugins", record(&[("available_on_server", map(&plugin)), ("enabled_in_cluster", list(&text()))])),
        ("configuration", record(&configuration)),
        ("pids", record(&[("master", count())])),
    ])
}

fn status() -> Value {
    let server = [("total_requests", count()), ("requests_active", count()), ("tls_handshakes_failed", count())];
    record(&[
        ("server", record(&server)),
        ("configuration", record(&configuration())),
        ("event_hooks", list(&component("hook"))),
        ("outbox", of::<OutboxStatus>()),
    ])
}

fn configuration() -> [(&'static str, Value); 3] {
    [("version", count()), ("applied_at", count()), ("problems", list(&text()))]
}

fn config_status() -> Value {
    let more = [("changes", list(&of::<Told>())), ("waiting_for_start", list(&text()))];
    record(&configuration().into_iter().chain(more).collect::<Vec<_>>())
}

/// What an event's fields are.
fn event() -> Value {
    let mut event = record(&[("fields", list(&text())), ("description", text())]);
    event["properties"]["unique"] = list(&text());
    event
}

fn ping() -> Value {
    record(&[("source", text()), ("event", text()), ("event_hooks", component("event_hooks"))])
}

fn tested() -> Value {
    let result = [
        ("status", json!({ "type": ["integer", "null"] })),
        ("headers", json!({ "type": ["object", "null"] })),
        ("body", nothing_or_text()),
        ("error", nothing_or_text()),
        ("latency", count()),
    ];
    record(&[("data", map_of_anything()), ("result", record(&result))])
}

fn limits() -> Value {
    let counts = [("keys", count()), ("max_keys", count()), ("overflowed", count())];
    let rest = [("data", list(&component("limit"))), ("next", json!({ "type": "null" }))];
    record(&counts.into_iter().chain(rest).collect::<Vec<_>>())
}

/// A limit with its clients.
fn limit() -> Value {
    let mut limit = of::<Shown<'_>>();
    for (field, schema) in [("clients", list(&component("client"))), ("next", nothing_or_text())] {
        limit["properties"][field] = schema;
        if let Some(required) = limit["required"].as_array_mut() {
            required.push(field.into());
        }
    }
    limit
}

/// Each target, or the upstream as a whole.
fn health() -> Value {
    let weight = record(&[("total", count()), ("available", count()), ("unavailable", count())]);
    let address = record(&[("ip", text()), ("port", count()), ("health", text()), ("weight", count())]);
    let host = record(&[
        ("host", text()),
        ("port", count()),
        ("dns", text()),
        ("nodeWeight", count()),
        ("weight", weight.clone()),
        ("addresses", list(&address)),
    ]);
    let target = json!({
        "type": "object",
        "required": ["id", "target", "health", "data"],
        "properties": { "id": id(), "target": text(), "health": text(), "data": host },
    });
    let details = record(&[("healthy", flag()), ("id", id()), ("weight", weight), ("hosts", list(&host.clone()))]);
    let whole = record(&[("id", id()), ("name", text()), ("health", text()), ("balancer_health", text()), ("details", details)]);
    record(&[("data", json!({ "anyOf": [list(&target), whole] })), ("next", json!({ "type": "null" })), ("node_id", id())])
}
