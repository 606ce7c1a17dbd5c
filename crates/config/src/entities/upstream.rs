//! Upstreams: several targets under one name, and how requests are spread over them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Healthchecks, Stamps};

/// How a target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// One after the other, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests under way, by weight.
    LeastConnections,
    /// The same one for the same client, or whatever else is hashed.
    ConsistentHashing,
    /// The faster of two.
    Latency,
}

/// What is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// Nothing: any target.
    #[default]
    None,
    /// Who calls.
    Consumer,
    /// From where.
    Ip,
    /// A header.
    Header,
    /// A cookie, which clients are given if they have none.
    Cookie,
    /// The path.
    Path,
    /// An argument of the query.
    QueryArg,
}

/// What is hashed, with the name of the header, the cookie or the argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashInput {
    /// What kind.
    pub on: HashOn,
    /// Its name, if it has one.
    pub name: Option<String>,
}

/// Several targets under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its id.
    pub id: Uuid,
    /// Its name: services have it as their host.
    pub name: String,
    /// How a target is chosen.
    pub algorithm: Algorithm,
    /// What is hashed.
    pub hash: HashInput,
    /// What is hashed of a request that has not got it.
    pub fallback: HashInput,
    /// The path of the cookie that clients are given.
    pub hash_on_cookie_path: String,
    /// Into how many slots keys are hashed.
    pub slots: u32,
    /// How targets are watched.
    pub healthchecks: Healthchecks,
    /// What targets see as Host, if not their own name.
    pub host_header: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// One of the targets of an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its id.
    pub id: Uuid,
    /// The name and the id of its upstream.
    pub upstream: (String, Uuid),
    /// Where it is.
    pub place: TargetPlace,
    /// How much of the traffic it gets, beside the others; 0: none.
    pub weight: u16,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetPlace {
    /// At an address.
    Address(SocketAddr),
    /// Wherever a name leads: each of its addresses is a target by itself.
    Name {
        /// The name.
        host: String,
        /// The port.
        port: u16,
    },
    /// On this machine.
    Unix(PathBuf),
}

/// The port of a target that names none, as in Kong.
const PORT: u16 = 8000;

impl TargetPlace {
    /// The place of a host and a port.
    pub fn of(host: &str, port: u16) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self::Address(SocketAddr::new(ip, port)),
            Err(_) => Self::Name { host: bare.to_ascii_lowercase(), port },
        }
    }

    /// Reads `host:port`, `host`, or `unix:/path`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no target; write one such as \"127.0.0.1:8080\", \"example.com:80\" or \"unix:/run/app.sock\"")
        };
        if let Some(path) = text.strip_prefix("unix:") {
            // The longest that the system knows is 107 bytes.
            let fits = path.starts_with('/') && path.len() <= 107 && !path.contains('\0');
            return if fits { Ok(Self::Unix(path.into())) } else { Err(wrong()) };
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(ip, PORT)));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?),
            _ => (text, PORT),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bracketed.is_some_and(|host| host.parse::<IpAddr>().is_err()) || (bracketed.is_none() && !is_host_name(host)) {
            return Err(wrong());
        }
        Ok(Self::of(host, port))
    }

    /// The host as people write it: an IPv6 address in brackets.
    pub fn host(&self) -> String {
        match self {
            Self::Address(SocketAddr::V6(address)) => format!("[{}]", address.ip()),
            Self::Address(address) => address.ip().to_string(),
            Self::Name { host, .. } => host.clone(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The port; 0 if it has none.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name { port, .. } => *port,
            Self::Unix(_) => 0,
        }
    }
}

impl fmt::Display for TargetPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Whether a text may be the name of a host.
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        !label.is_empty() && label.len() <= 63 && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_hosts_with_ports_or_sockets() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(TargetPlace::parse(text).ok().map(|place| place.to_string()).as_deref(), expected, "{text}");
        };
        check("127.0.0.1:8081", Some("127.0.0.1:8081"));
        check("127.0.0.1", Some("127.0.0.1:8000"));
        check("::1", Some("[::1]:8000"));
        check("[::1]:80", Some("[::1]:80"));
        check("[::1]", Some("[::1]:8000"));
        check("App.example", Some("app.example:8000"));
        check("app_1.example:1", Some("app_1.example:1"));
        check("unix:/run/a.sock", Some("unix:/run/a.sock"));
        for wrong in ["", ":80", "a:0", "a:x", "a:65536", "http://a", "a/b", "[x]:1", "unix:a", "unix:", "a b", "-a", "a..b"] {
            check(wrong, None);
        }
    }
}
