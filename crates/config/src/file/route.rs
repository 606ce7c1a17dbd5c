//! Routes: which requests go to a service.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::yes;
use crate::entities::{PathHandling, RouteProtocol};
use crate::values::Method;

/// `[routes.NAME]`: which requests go to a service. Of the conditions that are written, all must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTable {
    pub id: Option<Uuid>,
    /// The name of the service.
    pub service: Option<String>,
    /// What it may be asked by: http and https, or grpc and grpcs.
    #[serde(default = "http_and_https")]
    #[schemars(length(min = 1))]
    pub protocols: Vec<RouteProtocol>,
    /// What is answered to a request by HTTP if only https is written: 426, or a redirect by 301, 302, 307 or 308.
    #[serde(default = "upgrade_required")]
    #[schemars(extend("enum" = [426, 301, 302, 307, 308]))]
    pub https_redirect_status_code: u16,
    /// Host names; the first or the last label may be `*`, and a port may follow.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Beginnings of the path, or regular expressions behind a `~`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = "^~?/")))]
    pub paths: Vec<String>,
    /// Of the regular expressions that match, the one of the highest priority counts.
    #[serde(default)]
    pub regex_priority: i64,
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Headers, each with the values that it may have; a value that begins with `~*` is a regular expression.
    #[serde(default)]
    pub headers: BTreeMap<String, Vec<String>>,
    /// Names that a client asks for by TLS; a request without TLS is not judged by them.
    #[serde(default)]
    pub snis: Vec<String>,
    /// Where the client's connection comes from.
    #[serde(default)]
    pub sources: Vec<SourceTable>,
    /// Whether the matched beginning of the path is taken off: true, but false for gRPC.
    pub strip_path: Option<bool>,
    /// Whether paths are joined by a slash (`v0`) or as they are (`v1`).
    #[serde(default)]
    pub path_handling: PathHandling,
    /// Whether the upstream sees the Host that the client sent.
    #[serde(default)]
    pub preserve_host: bool,
    /// Kong's; bodies are streamed whatever it says.
    #[serde(default = "yes")]
    pub request_buffering: bool,
    /// Kong's; bodies are streamed whatever it says.
    #[serde(default = "yes")]
    pub response_buffering: bool,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// One of a route's `sources`: an address or a network, a port, or both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    { "required": ["ip"], "properties": { "ip": { "type": "string" } } },
    { "required": ["port"], "properties": { "port": { "type": "integer" } } },
]))]
pub(crate) struct SourceTable {
    /// An address, or a network such as `10.0.0.0/8`.
    pub ip: Option<String>,
    pub port: Option<u16>,
}

fn http_and_https() -> Vec<RouteProtocol> {
    vec![RouteProtocol::Http, RouteProtocol::Https]
}

fn upgrade_required() -> u16 {
    426
}

impl JsonSchema for RouteProtocol {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RouteProtocol".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": ["http", "https", "grpc", "grpcs"] })
    }
}

impl TryFrom<String> for RouteProtocol {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "grpc" => Ok(Self::Grpc),
            "grpcs" => Ok(Self::Grpcs),
            "ws" | "wss" => Err(format!("`{text}`: a WebSocket comes by http or https; write these")),
            "tcp" | "tls" | "udp" | "tls_passthrough" => {
                Err(format!("`{text}` is not routed: routes are for HTTP; write http, https, grpc or grpcs"))
            }
            _ => Err(format!("`{text}` is no protocol; write http, https, grpc or grpcs")),
        }
    }
}
