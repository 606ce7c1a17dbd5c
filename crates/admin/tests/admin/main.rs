//! The Admin API over a real socket, in front of a small gateway that is kept in memory.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod bodies;
mod client;
mod entities;
mod fake;
mod gate;
mod hook_fields;
mod hooks;
mod openapi;
mod protocol;
mod schemas;
