//! `/`: what this node is.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{App, Shared, reply};

/// `GET /`.
pub(crate) async fn show(State(app): Shared) -> Response {
    let config = app.control.config();
    let in_use: BTreeSet<&str> = config.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let body = json!({
        "tagline": "Welcome to Sluice",
        "version": app.options.version,
        "hostname": hostname(),
        "node_id": app.node_id,
        "plugins": { "available_on_server": available(&app), "enabled_in_cluster": in_use },
        "configuration": {
            "database": "off",
            "proxy_listen": config.server.listen,
            "admin_listen": config.admin.listen.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "write_back": config.admin.write_back,
        },
        "pids": { "master": std::process::id() },
    });
    reply::json(StatusCode::OK, &body)
}

fn available(app: &App) -> Value {
    let plugins = app.options.plugins.iter();
    plugins
        .map(|(name, priority)| ((*name).to_owned(), json!({ "version": app.options.version, "priority": priority })))
        .collect::<Map<_, _>>()
        .into()
}

fn hostname() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    kernel.or_else(|| std::env::var("HOSTNAME").ok()).map_or_else(|| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// `GET /plugins/enabled`.
pub(crate) async fn enabled_plugins(State(app): Shared) -> Response {
    let mut names: Vec<&str> = app.options.plugins.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    reply::json(StatusCode::OK, &json!({ "enabled_plugins": names }))
}
