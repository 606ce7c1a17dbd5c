//! `[admin]`: the Admin API.

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::entities::ListenAt;

/// `[admin]`: the Admin API. Where it listens changes at the next start, everything else at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AdminTable {
    /// Where the Admin API listens: an address, or `unix:/path` for a socket that is its user's alone; or a list of them.
    pub listen: Places,
    /// What a caller must send as Kong-Admin-Token or as a bearer token; empty: nothing. Whoever guesses it may do anything,
    /// so it is long and made by chance.
    pub token: String,
    /// More of them: for each a name, and whether it is for looking only.
    pub tokens: Vec<TokenTable>,
    /// Names of hosts, without ports, by which callers may ask; addresses and localhost always are.
    pub allowed_hosts: Vec<String>,
    /// Whether changes by the Admin API are written into the file.
    pub write_back: bool,
}

impl Default for AdminTable {
    fn default() -> Self {
        let listen = ListenAt::Address(SocketAddr::from(([127, 0, 0, 1], 8001)));
        Self {
            listen: Places::One(Place(listen)),
            token: String::new(),
            tokens: Vec::new(),
            allowed_hosts: Vec::new(),
            write_back: true,
        }
    }
}

/// One of `admin.tokens`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenTable {
    /// Who is meant by it: the log says so of every change.
    pub name: String,
    /// What is sent.
    pub token: String,
    /// Whether it is for looking only.
    #[serde(default)]
    pub read_only: bool,
}

/// A place to listen at, or several.
#[derive(Clone, Debug)]
pub(crate) enum Places {
    One(Place),
    Several(Vec<Place>),
}

/// A place to listen at.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Place(pub ListenAt);

impl TryFrom<String> for Place {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Places;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as \"127.0.0.1:8001\", or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Places, E> {
                Place::try_from(text.to_owned()).map(Places::One).map_err(E::custom)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<Places, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Places::Several)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Places {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Places".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let text = serde_json::json!({ "type": "string" });
        schemars::json_schema!({ "anyOf": [text, { "type": "array", "minItems": 1, "items": text }] })
    }
}
