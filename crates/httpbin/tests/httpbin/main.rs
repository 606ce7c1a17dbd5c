//! The server as its clients see it, over real sockets.

#![allow(clippy::unwrap_used, reason = "what only tests use may stop at the first surprise")]

mod endpoints;
mod harness;
mod protocol;
mod shutdown;
mod streaming;
