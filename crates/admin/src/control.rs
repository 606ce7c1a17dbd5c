//! The port that the Admin API needs. The gateway implements it; tests fake it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use sluice_config::{Config, Diagnostics, KeyPath};
use sluice_hooks::Engine;
use sluice_plugins::Limiters;
use uuid::Uuid;

use crate::error::Error;
use crate::exposition::Exposition;
use crate::tables::Told;

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
    /// The text of the configuration in force, with a mask in the place of every secret.
    fn text(&self) -> String;
    /// What would become of entities if this text were the configuration.
    async fn check(&self, text: String) -> Result<Vec<Told>, Refusal>;
    /// Makes this text the configuration, and the file. If versions are expected, the one in force must be one of them.
    async fn replace(&self, text: String, expected: Option<Vec<u64>>) -> Result<Replaced, Refusal>;
    /// Makes a change: plans it, validates the whole, writes it to the file, swaps it in. If versions are expected, the one in
    /// force must be one of them.
    async fn change(&self, plan: Plan, expected: Option<Vec<u64>>) -> Result<Changed, Refusal>;
    /// Plans a change and validates the whole as it would be. Nothing changes.
    async fn rehearse(&self, plan: Plan) -> Result<(), Refusal>;
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
    /// What the last change that was applied did to entities.
    pub changes: Vec<Told>,
    /// What of it takes effect at the next start only, such as `[server]`.
    pub waiting_for_start: Vec<&'static str>,
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

/// Finds out what a change does to the file, by the configuration that the file says when the change is made: whatever it
/// finds there stays so until the change is made or refused.
pub type Plan = Box<dyn Fn(&Config) -> Result<Planned, Error> + Send + Sync>;

/// What a change does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// What becomes of the file; nothing, if all is so already.
    pub steps: Vec<Step>,
    /// Where the file has the entity that is changed.
    pub at: KeyPath,
    /// Its id.
    pub id: Uuid,
}

/// One step of a change in the file. Strings are as they stand in the file: a `${` that is meant literally is `$${`.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Makes the table at this place say this. What it says already stays as it is written; of what it says beyond this,
    /// only the keys to keep stay.
    Put {
        /// The table's place.
        at: KeyPath,
        /// Its keys.
        table: Map<String, Value>,
        /// Keys that are not touched.
        keep: Vec<String>,
    },
    /// Changes only these keys of the table at this place; null takes a key out, a table is merged.
    Merge {
        /// The table's place.
        at: KeyPath,
        /// The keys to change.
        changes: Map<String, Value>,
    },
    /// Adds an element to the list at this place, which need not be there yet.
    Push {
        /// The list's place.
        at: KeyPath,
        /// The element.
        value: Value,
    },
    /// Takes out what stands at this place.
    Remove {
        /// The place of a table, a value, or an element of a list.
        at: KeyPath,
    },
    /// Gives the table at this place another name.
    Rename {
        /// The table's place.
        at: KeyPath,
        /// The name from now on.
        name: String,
    },
}

impl Step {
    /// The place that it names.
    pub fn at(&self) -> &KeyPath {
        match self {
            Self::Put { at, .. }
            | Self::Merge { at, .. }
            | Self::Push { at, .. }
            | Self::Remove { at }
            | Self::Rename { at, .. } => at,
        }
    }
}

/// A change that was made.
#[derive(Clone)]
pub struct Changed {
    /// The version that is in force since.
    pub version: u64,
    /// The configuration of that version.
    pub config: Arc<Config>,
    /// The id of the entity that was changed.
    pub id: Uuid,
}

/// What came of another text.
#[derive(Clone, Debug)]
pub struct Replaced {
    /// The version that is in force since.
    pub version: u64,
    /// Whether anything was done: a text that is in force already changes nothing.
    pub is_new: bool,
    /// What became of entities.
    pub changes: Vec<Told>,
    /// What takes effect at the next start only, such as `[server]`.
    pub waiting_for_start: Vec<&'static str>,
}

/// Why a change was not made.
#[derive(Debug)]
pub enum Refusal {
    /// The plan cannot be made.
    Unplanned(Error),
    /// The configuration would be wrong; and where the entity stands in it.
    Invalid(Diagnostics, KeyPath),
    /// The file was broken by somebody else.
    Broken(Diagnostics),
    /// The version in force is none that the client named; this is the one.
    Stale(u64),
    /// `write_back` is off.
    ReadOnly,
    /// Somebody else is at the file.
    Busy(&'static str),
    /// The file could not be read or written.
    File(String),
}
