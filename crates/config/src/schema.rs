//! The JSON Schema of gateway.toml, for editors.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::file::{
    AccessLogTable, AdminTable, CaCertificateTable, CertificateTable, ConsumerGroupTable, ConsumerTable, EventHookTable,
    HooksTable, LimitsTable, PluginTable, RouteTable, ServerTable, ServiceTable, UpstreamTable,
};

/// The schemas of what this crate does not read itself.
pub struct Extensions {
    /// The options of each plugin.
    pub plugins: Vec<(&'static str, Value)>,
    /// The options of each handler.
    pub handlers: Vec<(&'static str, Value)>,
    /// What a credential of each list holds.
    pub credentials: Vec<(&'static str, Value)>,
}

/// The schema of a table of options, whole in itself: it refers to no other.
pub fn options_schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The schema of a whole file.
pub fn json_schema(extensions: &Extensions) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let beside = schema_of::<PluginTable>(&mut generator)["properties"].take();
    let plugins = plugins_of(&extensions.plugins, beside.as_object().unwrap_or(&Map::new()));
    let mut service = schema_of::<ServiceTable>(&mut generator);
    let mut route = schema_of::<RouteTable>(&mut generator);
    let mut consumer = schema_of::<ConsumerTable>(&mut generator);
    let mut group = schema_of::<ConsumerGroupTable>(&mut generator);
    let mut hook = schema_of::<EventHookTable>(&mut generator);
    for schema in [&mut service, &mut route, &mut consumer, &mut group] {
        add(schema, "plugins", json!({ "$ref": "#/$defs/plugins" }));
    }
    for (name, credential) in &extensions.credentials {
        add(&mut consumer, name, json!({ "type": "array", "items": credential }));
    }
    consumer["additionalProperties"] = json!(false);
    let configs: Vec<Value> = extensions.handlers.iter().map(|(_, schema)| schema.clone()).collect();
    add(&mut hook, "config", json!({ "anyOf": configs }));
    hook["anyOf"] = json!([{ "required": ["source"] }, { "required": ["events"] }]);
    add(
        &mut hook,
        "filter",
        json!({
            "description": "What the event's fields must be, by their dotted names: all of it must hold. A table without a word of a condition is a table of fields.",
            "type": "object",
            "additionalProperties": { "$ref": "#/$defs/condition" },
        }),
    );
    let upstream = schema_of::<UpstreamTable>(&mut generator);
    let mut definitions: Map<String, Value> = Map::new();
    let certificate = schema_of::<CertificateTable>(&mut generator);
    let authority = schema_of::<CaCertificateTable>(&mut generator);
    let server = schema_of::<ServerTable>(&mut generator);
    let admin = schema_of::<AdminTable>(&mut generator);
    let access_log = schema_of::<AccessLogTable>(&mut generator);
    let limits = schema_of::<LimitsTable>(&mut generator);
    let hooks = schema_of::<HooksTable>(&mut generator);
    definitions.extend(generator.take_definitions(true));
    definitions.insert("plugins".into(), plugins);
    definitions.insert("condition".into(), condition());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gateway.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "include": { "type": "array", "items": { "type": "string" }, "description": "Patterns of files that have more entities, from this file's folder." },
            "server": server,
            "admin": admin,
            "access_log": access_log,
            "limits": limits,
            "hooks": hooks,
            "services": { "type": "object", "additionalProperties": service },
            "upstreams": { "type": "object", "additionalProperties": upstream },
            "routes": { "type": "object", "additionalProperties": route },
            "consumers": { "type": "object", "additionalProperties": consumer },
            "consumer_groups": { "type": "object", "additionalProperties": group },
            "certificates": { "type": "object", "additionalProperties": certificate },
            "ca_certificates": { "type": "object", "additionalProperties": authority },
            "plugins": { "$ref": "#/$defs/plugins" },
            "event_hooks": { "type": "object", "additionalProperties": hook },
        },
        "$defs": definitions,
    })
}

/// A condition on a field of an event.
fn condition() -> Value {
    let value = json!({ "type": ["string", "number", "boolean"] });
    let list = json!({ "type": "array", "minItems": 1, "items": value });
    let tests = json!({
        "type": "object",
        "minProperties": 1,
        "properties": {
            "equals": value,
            "in": list,
            "matches": { "type": "string", "description": "A pattern in which * stands for anything." },
            "not": { "$ref": "#/$defs/condition" },
        },
        "additionalProperties": { "$ref": "#/$defs/condition" },
    });
    json!({
        "description": "A value, a list of values, or a table of tests that must all hold. A field that is a list meets a test if one of its elements does; one that is absent meets none but `not`.",
        "anyOf": [value, list, tests],
    })
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

/// Every plugin with its options, and what may stand beside them.
fn plugins_of(options: &[(&'static str, Value)], beside: &Map<String, Value>) -> Value {
    let properties: Map<String, Value> = options
        .iter()
        .map(|(name, options)| {
            let mut schema = options.clone();
            beside.iter().for_each(|(key, property)| add(&mut schema, key, property.clone()));
            ((*name).to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn add(schema: &mut Value, key: &str, property: Value) {
    schema["properties"][key] = property;
}
