//! What is done to a request: the traits, the registry, and one file a plugin, under Kong's names.
//!
//! A plugin decides; it never writes to a socket. What it wants is a [`Flow`], and somebody else carries it out.

mod acl;
mod auth;
mod basic_auth;
mod body_change;
mod build;
mod client;
mod concurrency_limiting;
mod correlation_id;
mod cors;
mod credentials;
mod cx;
mod defaults;
mod head;
mod ip_restriction;
mod jwt;
mod key_auth;
mod later;
mod limiters;
mod limiting;
mod number;
mod plugin;
mod rate_limiting;
mod rate_limiting_advanced;
mod registry;
mod reply;
mod request_size_limiting;
mod request_termination;
mod request_transformer;
mod response_headers;
mod response_transformer;
mod secret;
#[cfg(test)]
mod testing;
mod transforming;

pub use body_change::BodyChange;
pub use build::{Built, build};
pub use client::{Consumer, Consumers};
pub use credentials::{check_credentials, credential_id};
pub use cx::{Cx, Memory, UpstreamRequest};
pub use defaults::with_defaults;
pub use head::Head;
pub use limiters::Limiters;
pub use limiting::{Client, Limit, Shown, ShownWindow, Usage};
pub use number::number;
pub use plugin::{BuildCx, Configured, CredentialKind, Flow, Kind, Phases, Plugin};
pub use registry::{PLUGINS, plugin};
pub use reply::{Body, Reply};
pub use request_size_limiting::body_length;
pub use response_headers::ResponseHeaders;
