//! Who may come in. The Admin API listens on loopback, where every web page that the user opens can reach it too.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sluice_config::Admin;

use crate::App;
use crate::audit::{Change, is_change};
use crate::caller::Caller;
use crate::error::Error;
use crate::tokens::{Brought, brought};

const BAD_HOST: &str =
    "this Host is refused: the Admin API is reached by an IP address, as localhost, or by a name in `allowed_hosts` of [admin]";
const BAD_TOKEN: Error = Error::Plain(StatusCode::UNAUTHORIZED, "Invalid RBAC credentials");
const BAD_ORIGIN: &str = "this request is refused: it comes from the page of another site";

/// What load balancers ask without a token: it is known to whoever can connect.
pub(crate) const OPEN: [&str; 2] = ["/status/live", "/status/ready"];

/// Lets a request through, or answers why not. What it changes is told of, if its client has hung up by then, too.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let config = app.control.config();
    let change = Change::of(&request);
    let token = brought(request.headers(), &config.admin.tokens);
    let who = if let Brought::Right(token) = &token { token.name.clone() } else { "-".to_owned() };
    let judged = judge(&app, &config.admin, &token, &request);
    let version = |app: &App| app.control.status().version;
    match (judged, change) {
        (Ok(()), None) => next.run(request).await,
        (Ok(()), Some(change)) => {
            let doing = tokio::spawn(async move {
                let response = next.run(request).await;
                change.tell(&who, response.status(), version(&app));
                response
            });
            doing.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
        (Err(error), change) => {
            let response = error.into_response();
            if let Some(change) = change {
                app.audit.tell_refused(&change, &who, response.status(), version(&app));
            }
            response
        }
    }
}

fn judge(app: &App, admin: &Admin, token: &Brought<'_>, request: &Request) -> Result<(), Error> {
    let (caller, path) = (Caller::of(request), request.uri().path());
    let host = host(admin, caller, request)?;
    let changes = is_change(request.method(), path);
    if is_foreign(changes, request.headers(), host) {
        return Err(Error::Plain(StatusCode::FORBIDDEN, BAD_ORIGIN));
    }
    // A listener may be older than the configuration that needs no token.
    let nobody_is_asked = admin.tokens.is_empty() && caller.is_local();
    if nobody_is_asked || OPEN.contains(&path) {
        return Ok(());
    }
    match token {
        Brought::Right(token) if token.read_only && changes => Err(Error::ReadOnlyToken(token.name.clone())),
        Brought::Right(_) => Ok(()),
        Brought::Nothing => Err(BAD_TOKEN),
        Brought::Wrong => match app.guesses.count(caller.network()) {
            Ok(()) => Err(BAD_TOKEN),
            Err(wait) => Err(Error::TooManyGuesses(wait)),
        },
    }
}

/// The host that is asked. It is no name that somebody else's DNS could point at us; to a socket that is a file no name leads.
fn host<'a>(admin: &Admin, caller: Caller, request: &'a Request) -> Result<&'a str, Error> {
    let host = single(request.headers(), &HOST);
    if !caller.is_by_file() {
        let ours = host.filter(|host| is_ours(host, &admin.allowed_hosts));
        return ours.ok_or(Error::Plain(StatusCode::FORBIDDEN, BAD_HOST));
    }
    let old = request.version() == Version::HTTP_10 && !request.headers().contains_key(HOST);
    host.or(old.then_some("")).ok_or(Error::Plain(StatusCode::BAD_REQUEST, "there must be one Host"))
}

/// Whether a host is an address, localhost, or one of the names that we were given.
fn is_ours(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host_name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let named = || names.iter().map(String::as_str).chain(["localhost"]).any(|name| host_name.eq_ignore_ascii_case(name));
    !host.contains('@') && (host_name.parse::<IpAddr>().is_ok() || named())
}

/// Whether a browser says that a page of another origin made the request.
fn is_foreign(changes: bool, headers: &HeaderMap, host: &str) -> bool {
    let site = headers.get("sec-fetch-site");
    if changes && site.is_some_and(|site| site == "cross-site" || site == "same-site") {
        return true;
    }
    headers.contains_key(ORIGIN) && !single(headers, &ORIGIN).is_some_and(|origin| is_same_origin(origin, host))
}

fn is_same_origin(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    plain(authority) == plain(host)
}

/// The value of a header that is there once.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_localhost_or_names_that_are_allowed() {
        let names = ["admin.example.com".to_owned()];
        let good = [
            "127.0.0.1:8001",
            "127.0.0.1",
            "[::1]:8001",
            "[::1]",
            "localhost",
            "LocalHost:8001",
            "192.0.2.7:1",
            "admin.example.com",
            "Admin.Example.com:8443",
        ];
        for good in good {
            assert!(is_ours(good, &names), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.1",
            "a@127.0.0.1",
            "a@admin.example.com",
            "x.admin.example.com",
            "admin.example.com.evil.example",
            "localhost:8001/x",
            "2130706433",
        ] {
            assert!(!is_ours(bad, &names), "{bad}");
        }
        assert!(!is_ours("admin.example.com", &[]));
    }

    #[test]
    fn an_origin_is_ours_or_foreign() {
        for (origin, host, same) in [
            ("http://localhost:8001", "localhost:8001", true),
            ("http://LOCALHOST", "localhost:80", true),
            ("http://[::1]:8001", "[::1]:8001", true),
            ("http://localhost:3000", "localhost:8001", false),
            ("http://localhost", "localhost:8001", false),
            ("https://evil.example", "localhost:8001", false),
            ("null", "localhost:8001", false),
            ("file://", "localhost:8001", false),
        ] {
            assert_eq!(is_same_origin(origin, host), same, "{origin} {host}");
        }
    }
}
