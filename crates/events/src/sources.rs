//! One file a source.

pub mod config;
pub mod rate_limiting_advanced;
