//! How a request travels: the router, the chain of plugins, the way to the upstream, on Pingora.
//!
//! A request reads one [`Snapshot`] from start to end; a reload builds a whole new one and swaps it in.

mod access_log;
mod allowance;
mod answer;
mod answers;
mod arrival;
mod bad;
mod balancer;
mod bodies;
mod caller;
mod chain;
mod chunks;
mod client_ip;
mod complaints;
mod connection;
mod crowd;
mod ctx;
mod decide;
mod doors;
mod ended;
mod exchange;
mod extent;
mod failure;
mod floods;
mod forward;
mod forwarded;
mod frames;
mod framing;
mod front;
#[doc(hidden)]
pub mod fuzzed;
mod grpc;
mod head_lines;
mod heads;
mod pace;
mod pieces;
mod plain;
mod protocols;
mod proxy_protocol;
mod quiet;
mod reply;
mod request_id;
mod router;
mod service;
mod shared;
mod snapshot;
mod sound;
mod stream;
mod stripe;
mod tally;
mod target;
mod tls;
mod told;
mod traffic;
mod upgrade;
mod visit;

pub use access_log::Lines;
pub use balancer::{AddressHealth, NameServers, TargetReport, UpstreamReport, resolve_names, watch_targets};
#[doc(hidden)]
pub use client_ip::Trust;
pub use complaints::{Complaints, Reason};
pub use ctx::Ctx;
pub use doors::Doors;
pub use front::Front;
pub use router::{Match, Router, Target};
pub use service::{Gateway, service_conf};
pub use snapshot::{Live, Snapshot};
pub use tally::{BOUNDS, Sums, Times};
pub use traffic::{Connections, Traffic};
