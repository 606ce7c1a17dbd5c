//! An upstream to try the gateway on: the endpoints of httpbin.org that a gateway's user needs, streaming, in one small server.
//!
//! A request goes `server` → `router` → `ask` (its body read, under a cap) → a file of `endpoints` → `reply`.

mod ask;
mod body;
mod endpoints;
mod form;
mod multipart;
mod problem;
mod reply;
mod router;
mod server;

pub use endpoints::{ENDPOINTS, Endpoint};
pub use server::serve;
