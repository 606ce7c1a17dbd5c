//! One file a source.

pub mod concurrency_limiting;
pub mod config;
pub mod event_hooks;
pub mod limits;
pub mod rate_limit;
pub mod rate_limiting;
pub mod rate_limiting_advanced;
