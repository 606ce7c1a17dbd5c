//! What is done to a request: the traits, the registry, and one file a plugin, under Kong's names.
//!
//! A plugin decides; it never writes to a socket. What it wants is a [`Flow`], and somebody else carries it out.

mod build;
mod client;
mod concurrency_limiting;
mod credentials;
mod cx;
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
mod response_headers;
#[cfg(test)]
mod testing;

pub use build::{Built, build};
pub use client::{Consumer, Consumers};
pub use credentials::{check_credentials, credentials};
pub use cx::{Cx, Memory, UpstreamRequest};
pub use key_auth::KEYAUTH_CREDENTIALS;
pub use limiters::Limiters;
pub use limiting::{Client, Limit, Shown, ShownWindow, Usage};
pub use number::number;
pub use plugin::{BuildCx, Configured, CredentialKind, Flow, Kind, Phases, Plugin};
pub use registry::{PLUGINS, plugin};
pub use reply::{Body, Reply};
pub use response_headers::ResponseHeaders;
