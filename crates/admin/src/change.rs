//! Has a change made, and says in Kong's words why it was not.

use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use sluice_config::KeyPath;

use crate::App;
use crate::control::{Changed, Plan, Refusal};
use crate::editable::Editable;
use crate::error::Error;
use crate::violations::explain;

/// The versions of which one must be in force: those of `If-Match`, as `"12"`, `12`, or a list of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expected(pub Option<Vec<u64>>);

impl Expected {
    pub fn of(headers: &HeaderMap) -> Result<Self, Error> {
        let mut versions = Vec::new();
        let mut is_said = false;
        for value in headers.get_all(IF_MATCH) {
            let bad = Error::Plain(StatusCode::BAD_REQUEST, "If-Match is a version of the configuration, such as \"12\", or *");
            let Ok(text) = value.to_str() else { return Err(bad) };
            for tag in text.split(',').map(str::trim) {
                if tag == "*" {
                    return Ok(Self(None));
                }
                let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag);
                // A tag that is no version of ours matches none.
                is_said = true;
                versions.extend(tag.parse::<u64>().ok());
            }
        }
        Ok(Self(is_said.then_some(versions)))
    }
}

/// Has the change of an entity made.
pub(crate) async fn make<E: Editable>(app: &App, plan: Plan, expected: Expected) -> Result<Changed, Error> {
    app.control.change(plan, expected.0).await.map_err(why::<E>)
}

/// What is said of a change of an entity that was refused.
pub(crate) fn why<E: Editable>(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Invalid(diagnostics, at) => explain(&at, &diagnostics, E::field_of),
        other => refused(other, E::TABLE),
    }
}

/// What is said of a change that was refused, whatever it was to change.
pub(crate) fn refused(refusal: Refusal, table: &str) -> Error {
    match refusal {
        Refusal::Unplanned(error) => error,
        Refusal::Invalid(diagnostics, at) => explain(&at, &diagnostics, |path: KeyPath| path),
        Refusal::Broken(diagnostics) => Error::FileBroken(diagnostics.0.iter().map(crate::violations::line).collect()),
        Refusal::Stale(version) => Error::Stale(version),
        Refusal::ReadOnly => Error::Unsupported(format!(
            "cannot create, update or delete '{table}' entities: `write_back` is off in gateway.toml, so they are changed there"
        )),
        Refusal::Busy(reason) => Error::Plain(StatusCode::CONFLICT, reason),
        Refusal::File(reason) => Error::File(reason),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn expected(values: &[&'static str]) -> Expected {
        let headers = values.iter().map(|value| (IF_MATCH, HeaderValue::from_static(value))).collect();
        Expected::of(&headers).expect("it is read")
    }

    #[test]
    fn if_match_names_versions() {
        assert_eq!(expected(&[]).0, None);
        assert_eq!(expected(&["*"]).0, None);
        assert_eq!(expected(&["\"12\""]).0, Some(vec![12]));
        assert_eq!(expected(&["12, \"13\"", "14"]).0, Some(vec![12, 13, 14]));
        assert_eq!(expected(&["W/\"12\""]).0, Some(vec![]));
        assert_eq!(expected(&["\"abc\""]).0, Some(vec![]));
    }
}
