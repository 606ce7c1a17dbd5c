//! The port that the Admin API needs. The gateway implements it; tests fake it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use sluice_config::{Config, Diagnostics};
use sluice_hooks::Engine;
use sluice_plugins::Limiters;

use crate::exposition::Exposition;

/// How the Admin API sees and changes the running gateway.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// The configuration in force.
    fn config(&self) -> Arc<Config>;
    /// How the gateway is.
    fn status(&self) -> Status;
    /// Whether everything listens, and no stop has begun.
    fn is_ready(&self) -> bool;
    /// The hooks at work.
    fn engine(&self) -> Arc<Engine>;
    /// The limits at work.
    fn limiters(&self) -> Arc<Limiters>;
    /// Adds what only the gateway counts, for `/metrics`.
    fn measure(&self, out: &mut Exposition);
    /// How the targets of an upstream are.
    fn upstream_health(&self, upstream: &str) -> Option<UpstreamHealth>;
    /// Says how a target is, or one of its addresses alone. Whether there is any.
    fn set_health(&self, upstream: &str, target: (&str, Option<&str>), healthy: bool) -> bool;
    /// Makes a change: validates the whole, swaps it in, writes it back. Answers the version that is in force then.
    async fn change(&self, edit: Edit) -> Result<u64, Refusal>;
}

/// How the gateway is.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The version of the configuration in force; it grows by one with each change.
    pub version: u64,
    /// When it was applied, in Unix seconds.
    pub applied_at: u64,
    /// What was wrong with the last change that was refused, if nothing was applied since.
    pub problems: Vec<String>,
    /// Changes that were refused since the start.
    pub refused: u64,
    /// Requests answered or proxied since the start.
    pub total_requests: u64,
    /// Requests under way.
    pub active_requests: u64,
    /// TLS handshakes of clients that failed since the start.
    pub failed_handshakes: u64,
}

/// How an upstream is.
#[derive(Clone, Debug, Default)]
pub struct UpstreamHealth {
    /// Whether it serves.
    pub healthy: bool,
    /// Whether its targets are watched.
    pub watched: bool,
    /// Its targets, in the order of the configuration.
    pub targets: Vec<TargetHealth>,
}

/// How a target is.
#[derive(Clone, Debug, Default)]
pub struct TargetHealth {
    /// The target as the configuration has it.
    pub target: String,
    /// Whether its name leads nowhere.
    pub lost: bool,
    /// Its addresses.
    pub addresses: Vec<AddressHealth>,
}

/// How an address of a target is.
#[derive(Clone, Debug, Default)]
pub struct AddressHealth {
    /// The address, or the path of a socket.
    pub ip: String,
    /// The port; 0 if it has none.
    pub port: u16,
    /// Whether it is healthy.
    pub healthy: bool,
}

/// A change of one entity in the file. Strings are as they stand in the file: a `${` that is meant literally is `$${`.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Writes the new table `[section.name]`; refused as [`Refusal::Taken`] if the file has one.
    Add {
        /// The section, such as `event_hooks`.
        section: &'static str,
        /// The entity's name.
        name: String,
        /// Its keys as they stand in the file.
        table: Map<String, Value>,
    },
    /// Writes the table `[section.name]`, replacing what was there.
    Put {
        /// The section.
        section: &'static str,
        /// The entity's name.
        name: String,
        /// Its keys as they stand in the file.
        table: Map<String, Value>,
    },
    /// Changes only these keys of `[section.name]`; null takes a key out, a table is merged. Refused as
    /// [`Refusal::Absent`] if the file has no such table.
    Patch {
        /// The section.
        section: &'static str,
        /// The entity's name.
        name: String,
        /// The keys to change.
        changes: Map<String, Value>,
    },
    /// Takes `[section.name]` out; nothing happens if it is gone already.
    Remove {
        /// The section.
        section: &'static str,
        /// The entity's name.
        name: String,
    },
}

/// Why a change was not made.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The configuration would be wrong.
    Invalid(Diagnostics),
    /// The name is taken.
    Taken,
    /// There is no entity of this name.
    Absent,
    /// `write_back` is off.
    ReadOnly,
    /// The file could not be read or written.
    File(String),
}
