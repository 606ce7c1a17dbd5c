//! How a request travels: the router, the chain of plugins, the way to the upstream, on Pingora.
//!
//! A request reads one [`Snapshot`] from start to end; a reload builds a whole new one and swaps it in.

mod answer;
mod balancer;
mod caller;
mod chain;
mod chunks;
mod client_ip;
mod connection;
mod ctx;
mod decide;
mod exchange;
mod extent;
mod failure;
mod forward;
mod framing;
mod front;
mod grpc;
mod normalise;
mod plain;
mod quiet;
mod reply;
mod request_id;
mod router;
mod service;
mod snapshot;
mod stream;
mod target;
mod told;
mod traffic;
mod upgrade;
mod visit;

pub use ctx::Ctx;
pub use front::Front;
pub use service::{Gateway, service_conf};
pub use snapshot::{Live, Snapshot};
pub use traffic::Traffic;
