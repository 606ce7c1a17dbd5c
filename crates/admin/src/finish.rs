//! What every request and every answer have in common: the slash at the end, OPTIONS, errors in JSON, headers.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{ALLOW, ETAG, SERVER};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;

use crate::{App, reply};

/// Takes the slash at the end of a path away: `/event-hooks/` is `/event-hooks`.
pub(crate) async fn without_slash(mut request: Request, next: Next) -> Response {
    if let Some(uri) = trimmed(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

fn trimmed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty())?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// Puts the last touches to an answer.
pub(crate) async fn finish(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    // Of before: what is shown is of this version or a later one, and who changes it by an older one is refused.
    let version = app.control.status().version;
    let mut response = next.run(request).await;
    if response.status().is_success() && !response.headers().contains_key(ETAG) {
        reply::tag(&mut response, version);
    }
    let refused = response.status() == StatusCode::METHOD_NOT_ALLOWED;
    if refused {
        allow_options(&mut response);
    }
    if refused && method == Method::OPTIONS {
        response = keep_allow(&response, reply::empty(StatusCode::NO_CONTENT));
    } else if !response.status().is_success() && !reply::is_json(&response) {
        response = keep_allow(&response, reply::message(response.status(), plain_words(response.status())));
    }
    let headers = response.headers_mut();
    if let Ok(server) = HeaderValue::try_from(format!("sluice/{}", app.options.version)) {
        headers.insert(SERVER, server);
    }
    headers.insert("x-kong-admin-latency", HeaderValue::from(start.elapsed().as_millis() as u64));
    response
}

/// OPTIONS is answered for every path.
fn allow_options(response: &mut Response) {
    let allowed = response.headers().get(ALLOW).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let all: Vec<&str> = allowed.split(',').map(str::trim).filter(|method| !method.is_empty()).chain(["OPTIONS"]).collect();
    if let Ok(all) = HeaderValue::try_from(all.join(", ")) {
        response.headers_mut().insert(ALLOW, all);
    }
}

fn keep_allow(old: &Response, mut new: Response) -> Response {
    if let Some(allowed) = old.headers().get(ALLOW) {
        new.headers_mut().insert(ALLOW, allowed.clone());
    }
    new
}

fn plain_words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad request",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
        status => status.canonical_reason().unwrap_or("An unexpected error occurred"),
    }
}
