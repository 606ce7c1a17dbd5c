//! Black-box tests: the real binary on free ports, a real upstream, a real webhook receiver, real clients.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test stops at the first surprise")]

mod harness;

mod access_log;
mod admin;
mod admin_safety;
mod architecture;
mod cli;
mod clients;
mod configuration;
mod crud;
mod events;
mod grpc;
mod heads;
mod hooks;
mod hooks_cli;
mod hooks_fields;
mod hooks_lambda;
mod hooks_outbox;
mod http2;
mod http2_floods;
mod import;
mod includes;
mod limits;
mod limits_held;
mod limits_own;
mod limits_seen;
mod metrics;
mod plugins;
mod reload;
mod requests;
mod routing;
mod schemas;
mod security;
mod slow_clients;
mod stop;
mod streaming;
mod tls;
mod tls_upstream;
mod upgrade;
mod upstreams;
mod upstreams_broken;
mod upstreams_health;
mod ways;
mod websocket;
mod who_asks;
