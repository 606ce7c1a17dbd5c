//! How one process takes the listeners over from another, so that no connection is refused.
//!
//! The process that runs listens on a socket in its private folder. A new one reads and builds all that its configuration
//! asks for, and only then asks there. What they say, a line each:
//!
//! | new | old | |
//! |---|---|---|
//! | `sluice/1 hand over` | | |
//! | | addresses, and with them the listeners | both have them: what waits in their queues is nobody's loss |
//! | `ready` | | the new one accepts everywhere |
//! | | `yours` | the old one gives up its pid file and its socket |
//! | `done` | | the new one has its own; the old one stops as after a signal |
//!
//! Whenever the new one goes before `done`, or says nothing for too long, the old one serves on.
//!
//! Pingora has such a thing too. It waits a fixed time instead of for a word, so that the old process goes whether the new
//! one serves or not; its socket is open to all; and it knows nothing of listeners that are not its own.

pub mod giver;
pub mod successor;
pub mod taker;
mod wire;
