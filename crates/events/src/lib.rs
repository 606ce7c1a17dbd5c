//! What can happen, and the lock-free channel that carries it from a request to the hooks.
//!
//! An event is a typed value with a sample of itself; [`SOURCES`] lists all there are. [`Bus`] takes events from any
//! thread without a lock or a wait, and loses none: what does not fit is counted.

mod bus;
mod entity;
mod event;
mod registry;
mod samples;
mod sources;
mod spill;
mod window;

pub use bus::{Bus, Emitter, Occurrence};
pub use entity::Entity;
pub use event::{Event, EventKind, EventType};
pub use registry::{SOURCES, Source, kind_of, kinds, source};
pub use sources::auth::Unauthorized;
pub use sources::certificate::Expiring as CertificateExpiring;
pub use sources::concurrency_limiting::ConcurrencyLimitExceeded;
pub use sources::config::{Applied as ConfigApplied, Rejected as ConfigRejected};
pub use sources::crud::{Change, Operation};
pub use sources::event_hooks::{
    DeliveryFailed as HookDeliveryFailed, Disabled as HookDisabled, Dropped as HookEventsDropped, OutboxDegraded,
};
pub use sources::limits::TableFull as LimitTableFull;
pub use sources::proxy::UpstreamError;
pub use sources::rate_limit::{RateLimitExceeded, RateLimitRecovered, RateLimitWarning};
pub use window::Window;
