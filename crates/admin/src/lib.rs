//! How people look in and change things: Kong's Admin API.
//!
//! A request passes `gate` (who may come in), is routed by `routes`, and every answer leaves by `finish`. Nothing
//! here changes the gateway itself: that is the [`Control`]'s, which the gateway implements and tests fake.

mod audit;
mod body;
mod caller;
mod change;
mod coerce;
mod configuration;
mod control;
mod crud;
mod deliveries;
mod dotted;
mod editable;
mod endpoint;
mod entities;
mod error;
mod event_hooks;
mod exposition;
mod filter;
mod finish;
mod form;
mod gate;
mod guesses;
mod hook_actions;
mod hook_body;
mod hook_name;
mod kinds;
mod limits;
mod mask;
mod metrics;
mod named;
mod names;
mod node;
mod openapi;
mod owners;
mod pages;
mod parent;
mod reply;
mod required;
mod routes;
mod schemas;
mod sent;
mod server;
mod sources;
mod status;
mod tables;
mod tags;
mod tokens;
mod toml_fit;
mod unchanged;
mod upstreams;
mod violations;

use std::sync::Arc;

pub use caller::Caller;
pub use coerce::FILE as FILE_SCHEMA;
pub use control::{
    AddressHealth, Changed, Control, Plan, Planned, Refusal, Replaced, Status, Step, TargetHealth, UpstreamHealth,
};
pub use error::Error;
pub use exposition::{Exposition, Family};
pub use routes::router;
pub use server::{Listener, serve};
pub use tables::{Difference, Row, TABLES, Table, Told};

/// What the Admin API is told at the start.
#[derive(Clone, Default)]
pub struct Options {
    /// Sluice's version.
    pub version: &'static str,
    /// The plugins that there are: name and priority.
    pub plugins: Vec<(&'static str, u32)>,
}

/// What every handler sees.
struct App {
    control: Arc<dyn Control>,
    options: Options,
    audit: audit::Audit,
    guesses: guesses::Guesses,
    /// The id of this process, for `/`.
    node_id: uuid::Uuid,
}

type Shared = axum::extract::State<Arc<App>>;
