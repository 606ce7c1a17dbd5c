//! Which of the tokens a request brings. All of them are compared, each in the same time whatever is sent.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use sluice_config::AdminToken;
use subtle::ConstantTimeEq;

use crate::gate::single;

/// What a request brings.
pub(crate) enum Brought<'a> {
    /// One of the tokens.
    Right(&'a AdminToken),
    /// Something else.
    Wrong,
    /// None at all.
    Nothing,
}

/// Looks at what is sent as Kong's clients do it, and as others do.
pub(crate) fn brought<'a>(headers: &HeaderMap, tokens: &'a [AdminToken]) -> Brought<'a> {
    let bearer = single(headers, &AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let kong = headers.get("kong-admin-token").map(HeaderValue::as_bytes);
    let sent: Vec<&[u8]> = kong.into_iter().chain(bearer.map(str::as_bytes)).collect();
    let matches = |token: &AdminToken| sent.iter().filter(|sent| is_equal(sent, token.token.as_bytes())).count() > 0;
    // To the end, wherever the right one stands.
    let right = tokens.iter().fold(None, |right, token| if matches(token) { Some(token) } else { right });
    match right {
        Some(token) => Brought::Right(token),
        None if sent.is_empty() => Brought::Nothing,
        None => Brought::Wrong,
    }
}

/// Compares in the same time whatever the two have in common, their lengths too.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, token: &str) -> AdminToken {
        AdminToken { name: name.into(), token: token.into(), read_only: false }
    }

    #[test]
    fn each_token_opens_by_either_header_and_nothing_else_does() {
        let tokens = [token("ops", "s3cret"), token("grafana", "look")];
        let check = |sent: &[(&'static str, &str)], expected: &str| {
            let headers = sent.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let found = match brought(&headers, &tokens) {
                Brought::Right(token) => token.name.as_str(),
                Brought::Wrong => "wrong",
                Brought::Nothing => "nothing",
            };
            assert_eq!(found, expected, "{sent:?}");
        };
        check(&[("kong-admin-token", "s3cret")], "ops");
        check(&[("authorization", "bearer  look")], "grafana");
        check(&[("kong-admin-token", "wrong"), ("authorization", "Bearer look")], "grafana");
        check(&[("kong-admin-token", "s3cre")], "wrong");
        check(&[("kong-admin-token", "s3crets")], "wrong");
        check(&[("kong-admin-token", "")], "wrong");
        check(&[("authorization", "Basic s3cret")], "nothing");
        check(&[("authorization", "s3cret")], "nothing");
        check(&[], "nothing");
    }
}
