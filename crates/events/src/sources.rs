//! One file a source.

pub mod auth;
pub mod basic_auth;
pub mod certificate;
pub mod concurrency_limiting;
pub mod config;
pub mod crud;
pub mod dao_crud;
pub mod event_hooks;
pub mod jwt;
pub mod key_auth;
pub mod limits;
pub mod proxy;
pub mod rate_limit;
pub mod rate_limiting;
pub mod rate_limiting_advanced;
