//! Hooks against real receivers, and what is refused before there is one.

// clippy knows tests by their attribute, but not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod engine;
mod lambda;
mod outbox;
mod receivers;
mod refused;
mod reload;
mod requests;
mod support;
mod takeover;
