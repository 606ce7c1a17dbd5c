//! Who may come in. The Admin API listens on loopback, where every web page that the user opens can reach it too.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::App;
use crate::error::Error;

const BAD_HOST: &str = "this Host is refused: the Admin API is reached by an IP address or as localhost only";
const BAD_ORIGIN: &str = "this request is refused: it comes from the page of another site";

/// What load balancers ask without a token: it is known to whoever can connect.
const OPEN: [&str; 2] = ["/status/live", "/status/ready"];

/// Lets a request through, or answers why not.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let forbidden = |reason| Error::Plain(StatusCode::FORBIDDEN, reason).into_response();
    let Some(host) = single(headers, &HOST).filter(|host| is_address(host)) else {
        return forbidden(BAD_HOST);
    };
    if is_foreign(request.method(), headers, host) {
        return forbidden(BAD_ORIGIN);
    }
    let open = OPEN.contains(&request.uri().path());
    if !open && !app.options.token.as_deref().is_none_or(|token| has_token(headers, token)) {
        return Error::Plain(StatusCode::UNAUTHORIZED, "Invalid RBAC credentials").into_response();
    }
    next.run(request).await
}

/// Whether a host is no name that somebody else's DNS could point at us.
fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host_name = authority.host().trim_start_matches('[').trim_end_matches(']');
    !host.contains('@') && (host_name.eq_ignore_ascii_case("localhost") || host_name.parse::<IpAddr>().is_ok())
}

/// Whether a browser says that a page of another origin made the request.
fn is_foreign(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    let cross_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let harmless = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    if cross_site && !harmless {
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

/// Whether the token is sent as Kong's clients or as others do.
fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let bearer = single(headers, &AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let kong = headers.get("kong-admin-token").map(HeaderValue::as_bytes);
    kong.into_iter().chain(bearer.map(str::as_bytes)).any(|sent| is_equal(sent, token.as_bytes()))
}

/// Compares in the same time whatever the two have in common, their lengths too.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_localhost() {
        for good in ["127.0.0.1:8001", "127.0.0.1", "[::1]:8001", "[::1]", "localhost", "LocalHost:8001", "192.0.2.7:1"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.1",
            "a@127.0.0.1",
            "localhost:8001/x",
            "2130706433",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
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
