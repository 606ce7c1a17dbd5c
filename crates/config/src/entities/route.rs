//! Routes: which requests go to a service.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Stamps;

/// What a route may be asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum RouteProtocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC over plain HTTP/2.
    Grpc,
    /// gRPC over HTTP/2 and TLS.
    Grpcs,
}

impl RouteProtocol {
    /// Whether it is spoken over TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
}

/// How the paths of a service, a route and a request become the upstream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PathHandling {
    /// Joined by a slash.
    #[default]
    V0,
    /// Joined as they are.
    V1,
}

/// Where requests of a route come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The network, or the address as the network of itself.
    #[serde(serialize_with = "as_written")]
    pub ip: Option<IpNet>,
    /// The port at the client's end.
    pub port: Option<u16>,
}

/// An address is shown without the length of its network, which is all of it.
fn as_written<S: serde::Serializer>(net: &Option<IpNet>, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = net.map(|net| if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() });
    shown.serialize(serializer)
}

/// Which requests go to a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The name and the id of its service.
    pub service: Option<(String, Uuid)>,
    /// What it may be asked by.
    pub protocols: Vec<RouteProtocol>,
    /// What is answered to a request by HTTP if the route is for HTTPS only.
    pub https_redirect_status_code: u16,
    /// Host names in lower case; a leading or trailing label may be `*`, and a port may follow.
    pub hosts: Vec<String>,
    /// Beginnings of the path, and regular expressions behind a `~`.
    pub paths: Vec<String>,
    /// Which of its regular expressions are tried before those of other routes.
    pub regex_priority: i64,
    /// Methods.
    pub methods: Vec<String>,
    /// Headers, each with the values that it may have; one that begins with `~*` is a regular expression.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Names that a client asked for by TLS; a leading or trailing label may be `*`.
    pub snis: Vec<String>,
    /// Where the client's connection comes from.
    pub sources: Vec<Source>,
    /// Whether the matched beginning of the path is taken off.
    pub strip_path: bool,
    /// How paths are joined.
    pub path_handling: PathHandling,
    /// Whether the upstream sees the Host that the client sent.
    pub preserve_host: bool,
    /// Kong's word for reading a request whole before it is passed on; bodies are streamed whatever it says.
    pub request_buffering: bool,
    /// The same for answers.
    pub response_buffering: bool,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}
