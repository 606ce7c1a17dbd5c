//! Upstreams: several targets under one name.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};
use uuid::Uuid;

use crate::entities::{Algorithm, HashOn, Healthchecks, TargetPlace};

/// `[upstreams.NAME]`: several targets. A service that has the name as its host is served by them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamTable {
    pub id: Option<Uuid>,
    /// How a target is chosen.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Of `consistent-hashing`: what is hashed.
    #[serde(default)]
    pub hash_on: HashOn,
    /// What is hashed of a request that has not got it.
    #[serde(default)]
    pub hash_fallback: HashOn,
    pub hash_on_header: Option<String>,
    pub hash_fallback_header: Option<String>,
    /// Clients that have no such cookie are given one.
    pub hash_on_cookie: Option<String>,
    #[serde(default = "slash")]
    #[schemars(regex(pattern = r"^/[^;\x00-\x1F\x7F-\x9F]*$"))]
    pub hash_on_cookie_path: String,
    pub hash_on_query_arg: Option<String>,
    pub hash_fallback_query_arg: Option<String>,
    /// Into how many slots keys are hashed: the grain of what moves when a target goes.
    #[serde(default = "ten_thousand")]
    #[schemars(range(min = 10, max = 65_536))]
    pub slots: u32,
    /// How targets are watched.
    #[serde(default)]
    pub healthchecks: Healthchecks,
    /// What targets see as Host, if not their own name.
    #[schemars(regex(pattern = "^[!-~]+$"))]
    pub host_header: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// Targets: `"host:port"`, or a table with a `weight`.
    #[serde(default)]
    pub targets: Vec<TargetEntry>,
}

/// One target.
#[derive(Clone, Debug)]
pub(crate) struct TargetEntry {
    pub id: Option<Uuid>,
    pub target: Option<TargetText>,
    pub weight: u16,
    pub tags: Vec<String>,
}

/// One target as a table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TargetTable {
    id: Option<Uuid>,
    target: Option<TargetText>,
    #[serde(default = "hundred")]
    weight: u16,
    #[serde(default)]
    tags: Vec<String>,
}

/// `host:port` with 8000 as the port that may be left out, or `unix:/path`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(crate) struct TargetText(pub TargetPlace);

impl TryFrom<String> for TargetText {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        TargetPlace::parse(&text).map(Self)
    }
}

impl<'de> Deserialize<'de> for TargetEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TargetEntry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a target such as \"127.0.0.1:8080\", or a table with `target` and `weight`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<TargetEntry, E> {
                let target = TargetText::try_from(text.to_owned()).map_err(E::custom)?;
                Ok(TargetEntry { id: None, target: Some(target), weight: hundred(), tags: Vec::new() })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<TargetEntry, A::Error> {
                let TargetTable { id, target, weight, tags } = TargetTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TargetEntry { id, target, weight, tags })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for TargetEntry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let (text, table) = (generator.subschema_for::<String>(), TargetTable::json_schema(generator));
        schemars::json_schema!({ "anyOf": [text, table] })
    }
}

fn slash() -> String {
    "/".into()
}

fn ten_thousand() -> u32 {
    10_000
}

fn hundred() -> u16 {
    100
}
