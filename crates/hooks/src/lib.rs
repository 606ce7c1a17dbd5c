//! What is done when something happens.
//!
//! [`build`] makes hooks of what a configuration says, or tells everything that is wrong with it. The [`Engine`] matches
//! events with hooks, keeps a bounded queue for each, and has its handler deliver what waits: at least once, with
//! retries, and without one hook ever waiting for another. Nothing leaves uncounted.

mod answer;
mod around;
mod breaker;
mod clients;
mod cloudevent;
mod compose;
mod condition;
mod console;
mod content;
mod context;
mod dedup;
mod delivery;
mod digest;
mod egress;
mod engine;
mod entity;
mod exchange;
mod filters;
mod guard;
mod handler;
mod headers;
mod hook;
mod job;
mod lambda;
mod lane;
mod log;
mod outbox;
mod pace;
mod paths;
mod queue;
mod quiet;
mod record;
mod registry;
mod reports;
mod retry;
mod rfc3339;
mod signing;
mod standing;
mod stats;
mod tags;
mod template;
mod wanted;
mod webhook;
mod webhook_custom;

pub use answer::{Answer, Said};
pub use clients::{Clients, Network};
pub use console::{Refused, ReplayCounts, Tested};
pub use egress::Egress;
pub use engine::{Engine, Options};
pub use entity::{MASK, entity_json};
pub use handler::{BuildCx, Cx, Delivery, Failure, Handler};
pub use hook::{Hook, build};
pub use outbox::{OutboxStatus, WantedRecords};
pub use record::{Record, Reference};
pub use registry::{HANDLERS, Kind, kind};
pub use rfc3339::utc;
pub use signing::Key;
pub use stats::HookStats;
pub use wanted::{dotted_filter, filter_as_written};
