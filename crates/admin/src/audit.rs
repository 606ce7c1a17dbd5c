//! A line in the log for each request that is there to change something: who, from where, what, and what became of it.

use std::num::NonZeroU32;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::caller::Caller;
use crate::entities::as_id;

/// How many requests a second are told of that the gate refused: strangers do not fill the log.
const REFUSED: NonZeroU32 = NonZeroU32::new(10).expect("ten is more than nothing");
/// So much of a path is told.
const LONGEST: usize = 256;
/// Below these stand credentials, which Kong's clients name by their keys.
const CREDENTIALS: [&str; 6] = ["basic-auth", "basic-auths", "jwt", "jwts", "key-auth", "key-auths"];

/// Whether a request is there to change something. `GET …/ping`, which Kong has, makes the gateway call somebody.
pub(crate) fn is_change(method: &Method, path: &str) -> bool {
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    let pings = matches!(path.as_slice(), ["event-hooks", _, "ping"]) && method != Method::OPTIONS;
    pings || ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// What is told.
pub(crate) struct Audit {
    refused: DefaultDirectRateLimiter,
}

/// A request that is there to change something.
pub(crate) struct Change {
    from: Caller,
    method: Method,
    path: String,
}

impl Default for Audit {
    fn default() -> Self {
        Self { refused: RateLimiter::direct(Quota::per_second(REFUSED)) }
    }
}

impl Audit {
    /// Tells of a request that the gate refused, unless there were many just now.
    pub fn tell_refused(&self, change: &Change, who: &str, status: StatusCode, version: u64) {
        if self.refused.check().is_ok() {
            change.tell(who, status, version);
        }
    }
}

impl Change {
    /// The request, if it is one.
    pub fn of(request: &Request) -> Option<Self> {
        let (method, path) = (request.method(), request.uri().path());
        is_change(method, path).then(|| Self { from: Caller::of(request), method: method.clone(), path: without_keys(path) })
    }

    /// Tells of it; `version` is the configuration's after it.
    pub fn tell(&self, who: &str, status: StatusCode, version: u64) {
        let Self { from, method, path } = self;
        tracing::info!(target: "audit", who, %from, %method, path, status = status.as_u16(), version, "asked of the Admin API");
    }
}

/// The path without what could be the key of a credential.
fn without_keys(path: &str) -> String {
    let mut above = "";
    let parts = path.split('/').map(|part| {
        let key = CREDENTIALS.contains(&above) && as_id(part).is_none();
        above = part;
        if key && !part.is_empty() { "***" } else { part }
    });
    parts.collect::<Vec<_>>().join("/").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_is_told_apart() {
        let check = |method: Method, path: &str, change: bool| assert_eq!(is_change(&method, path), change, "{method} {path}");
        check(Method::GET, "/services", false);
        check(Method::HEAD, "/", false);
        check(Method::OPTIONS, "/services", false);
        check(Method::POST, "/services", true);
        check(Method::DELETE, "/limits", true);
        check(Method::TRACE, "/", true);
        check(Method::GET, "/event-hooks/slack/ping", true);
        check(Method::HEAD, "/event-hooks/slack/ping/", true);
        check(Method::OPTIONS, "/event-hooks/slack/ping", false);
        check(Method::GET, "/event-hooks/ping", false);
    }

    #[test]
    fn no_key_of_a_credential_is_told() {
        let check = |path: &str, told: &str| assert_eq!(without_keys(path), told);
        check("/key-auths/joe-key", "/key-auths/***");
        check("/key-auths/joe-key/consumer", "/key-auths/***/consumer");
        check("/consumers/Joe/key-auth/joe-key/", "/consumers/Joe/key-auth/***/");
        let id = "437b5cc5-0f6c-5a0b-9d5c-0c2c9a5d1f11";
        check(&format!("/jwts/{id}"), &format!("/jwts/{id}"));
        check("/consumers/Joe/key-auth", "/consumers/Joe/key-auth");
        check("/services/demo", "/services/demo");
        assert_eq!(without_keys(&"/x".repeat(500)).len(), LONGEST);
    }
}
