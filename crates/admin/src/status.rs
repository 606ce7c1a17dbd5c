//! `/status` and `/config/status`: how the gateway is.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::control::Status;
use crate::{Shared, reply};

/// `GET /status`: of Kong's keys those that are true here, and our own.
pub(crate) async fn status(State(app): Shared) -> Response {
    let status = app.control.status();
    let engine = app.control.engine();
    let body = json!({
        "server": {
            "total_requests": status.total_requests,
            "requests_active": status.active_requests,
            "tls_handshakes_failed": status.failed_handshakes,
        },
        "configuration": configuration(&status),
        "event_hooks": engine.stats(),
        "outbox": engine.outbox(),
    });
    reply::json(StatusCode::OK, &body)
}

/// `GET /status/ready`: whether requests should be sent here. Asked by load balancers, so nobody shows a token for it.
pub(crate) async fn ready(State(app): Shared) -> Response {
    if app.control.is_ready() {
        return reply::json(StatusCode::OK, &json!({ "message": "ready" }));
    }
    reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "message": "not ready: the gateway starts or stops" }))
}

/// `GET /status/live`: whoever gets an answer knows.
pub(crate) async fn live() -> Response {
    reply::json(StatusCode::OK, &json!({ "message": "live" }))
}

/// `GET /config/status`.
pub(crate) async fn config(State(app): Shared) -> Response {
    let status = app.control.status();
    let mut body = configuration(&status);
    body["changes"] = json!(status.changes);
    body["waiting_for_start"] = json!(status.waiting_for_start);
    reply::json(StatusCode::OK, &body)
}

fn configuration(status: &Status) -> Value {
    json!({ "version": status.version, "applied_at": status.applied_at, "problems": status.problems })
}
