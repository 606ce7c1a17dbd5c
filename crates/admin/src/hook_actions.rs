//! What can be done with a hook besides changing it: try it, ping its receiver, pause and resume it.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use sluice_config::EventHook;
use sluice_hooks::Answer;
use uuid::Uuid;

use crate::entities::{Entity, find};
use crate::error::Error;
use crate::openapi::{Body, Operation};
use crate::{App, Shared, body, reply};

/// To try a hook.
pub(crate) fn tests() -> Operation {
    let tests = Operation::shows("Does once what it is for", "tested");
    tests.takes(Body::Json(json!({ "type": "object" }))).refuses(&[409, 503])
}

/// `POST …/test`: the hook does once what it is for, on the data in the body or on a sample, and the answer is what became of it.
pub(crate) async fn test(State(app): Shared, Path(key): Path<String>, request: Request) -> Result<Response, Error> {
    let hook = id(&app, &key)?;
    let tested = app.control.engine().test(hook, body::read(request).await?).await?;
    let answer = tested.answer.as_ref();
    let result = json!({
        "status": answer.map(|answer| answer.status),
        "headers": answer.map(Answer::headers_json),
        "body": answer.map(|answer| &answer.body),
        "error": tested.error,
        "latency": u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX),
    });
    Ok(reply::json(StatusCode::OK, &json!({ "data": tested.data, "result": result })))
}

/// `GET …/ping`: the receiver gets a ping, and so does who asks.
pub(crate) async fn ping(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    let config = app.control.config();
    let hook = find::<EventHook>(&config, &key)?;
    let ping = json!({ "source": "kong:event_hooks", "event": "ping", "event_hooks": hook.show(&config) });
    app.control.engine().ping(hook.id, ping.clone()).await?;
    Ok(reply::json(StatusCode::OK, &ping))
}

/// A hook is new: its receiver gets a ping, if it is one that can. Nobody waits for it.
pub(crate) fn ping_new(app: &Arc<App>, hook: Uuid, mut shown: Value) {
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let ping = json!({ "event_hooks": shown, "operation": "create", "source": "kong:event_hooks", "event": "ping" });
    let engine = app.control.engine();
    tokio::spawn(async move {
        match engine.ping(hook, ping).await {
            Ok(()) | Err(sluice_hooks::Refused::Unsupported(_) | sluice_hooks::Refused::NoHook) => {}
            Err(reason) => tracing::warn!(%hook, "the ping of a new hook failed: {reason}"),
        }
    });
}

/// `POST …/pause`: what comes waits.
pub(crate) async fn pause(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    app.control.engine().pause(id(&app, &key)?)?;
    state_of(&app, &key)
}

/// `POST …/resume`: a hook that was paused or disabled works again.
pub(crate) async fn resume(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    app.control.engine().resume(id(&app, &key)?)?;
    state_of(&app, &key)
}

/// `GET …/status`: how the hook is, and its sums.
pub(crate) async fn status(State(app): Shared, Path(key): Path<String>) -> Result<Response, Error> {
    state_of(&app, &key)
}

fn state_of(app: &App, key: &str) -> Result<Response, Error> {
    let hook = id(app, key)?;
    let stats = app.control.engine().stats().into_iter().find(|stats| stats.id == hook);
    let stats = stats.ok_or_else(|| Error::Conflict("the hook is not enabled".into()))?;
    Ok(reply::json(StatusCode::OK, &json!(stats)))
}

fn id(app: &App, key: &str) -> Result<Uuid, Error> {
    Ok(find::<EventHook>(&app.control.config(), key)?.id)
}
