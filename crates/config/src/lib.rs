//! What gateway.toml may say: it is read, checked and explained here.
//!
//! Reading has two stages. The first knows the entities (services, routes, consumers, …) and checks them; the options of
//! plugins and handlers pass through unread as [`Block`]s that keep their positions, so that whoever owns them can read
//! them later and still point at the line. No stage stops at its first problem.

mod any_of;
mod block;
mod deserialize;
mod diagnostics;
mod document;
mod draft;
mod entities;
mod file;
mod host;
mod ids;
mod include;
mod interpolate;
mod key_path;
mod kong_json;
mod name;
mod normalise;
mod pattern;
mod read;
mod route_path;
mod schema;
mod secrets;
mod source;
mod stamps;
mod suggest;
mod tree;
mod values;
mod x509;

pub use any_of::AnyOf;
pub use block::Block;
pub use diagnostics::{Diagnostic, Diagnostics, Place, Problem};
pub use document::{Document, masked};
pub use draft::{Draft, read, read_all};
pub use entities::{
    AccessLog, AccessLogFormat, Active, ActiveHealthy, ActiveUnhealthy, Admin, AdminToken, Algorithm, CaCertificate, Certificate,
    CheckType, ClientAuth, ClientIpHeader, Clients, Config, Consumer, ConsumerGroup, CredentialEntry, Egress, EventHook,
    EventName, Format, HashInput, HashOn, Healthchecks, Hooks, Limits, ListenAt, Passive, PassiveHealthy, PassiveUnhealthy,
    PathHandling, PluginEntry, Protocol, Route, RouteProtocol, RouteSource, Scope, Server, Service, Sni, Stamps, Target,
    TargetPlace, TlsListener, TlsVersion, Upstream, UpstreamTls,
};
pub use host::split_host;
pub use ids::entity_id;
pub use include::include_patterns;
pub use interpolate::{Environment, ProcessEnvironment};
pub use key_path::{KeyPath, Segment};
pub use name::refuse_name;
pub use normalise::normalise;
pub use pattern::Pattern;
pub use schema::{Extensions, json_schema, options_schema};
pub use source::{Position, Source};
pub use suggest::{did_you_mean, one_of};
pub use values::{HttpUrl, Method, Millis, PathPrefix, Seconds, network};
pub use x509::covers;
