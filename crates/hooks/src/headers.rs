//! The headers that a webhook's `config` may set, its secret and its url: how they are checked, and how they are shown.

use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use sluice_config::{EventHook, HttpUrl, KeyPath, Problem};

use crate::entity::MASK;
use crate::signing;

/// The content type of JSON.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The content type of a CloudEvent that is one JSON object.
pub(crate) const CLOUDEVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

/// Headers that belong to the connection; HTTP itself sets them.
static OF_THE_CONNECTION: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// Headers whose values are secrets.
const SECRET: &[&str] = &["authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"];

/// The name of a header that a hook may set.
pub(crate) fn name(name: &str) -> Result<HeaderName, String> {
    let parsed: HeaderName = name.parse().map_err(|_| format!("\"{name}\" is no name of a header"))?;
    if signing::HEADERS.contains(&parsed) || OF_THE_CONNECTION.contains(&parsed) {
        return Err(format!("\"{name}\" is set by Sluice itself"));
    }
    Ok(parsed)
}

/// The value of a header. A line break in it would begin another header.
pub(crate) fn value(value: &str) -> Result<HeaderValue, String> {
    if value.contains(['\r', '\n']) {
        return Err("the value of a header has no line breaks".to_owned());
    }
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| "the value of a header has no control characters".to_owned())
}

/// Literal headers, and what is wrong with them.
pub(crate) fn read(hook: &EventHook, all: &BTreeMap<String, String>) -> (HeaderMap, Vec<Problem>) {
    let (mut headers, mut problems) = (HeaderMap::new(), Vec::new());
    for (key, text) in all {
        match (name(key), value(text)) {
            (Ok(name), Ok(value)) => drop(headers.insert(name, value)),
            (Err(message), _) => problems.push(Problem::at_key(path(hook, key), message)),
            (_, Err(message)) => problems.push(Problem::at(path(hook, key), message)),
        }
    }
    (headers, problems)
}

/// Where a header stands.
pub(crate) fn path(hook: &EventHook, key: &str) -> KeyPath {
    hook.config.path().key("headers").key(key)
}

/// Whether the content type is JSON or built on it.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence == "application/json" || essence.ends_with("+json")
}

/// Whether the content type is that of a form.
pub(crate) fn is_form(content_type: &str) -> bool {
    essence(content_type) == "application/x-www-form-urlencoded"
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The headers as the Admin API shows them.
pub(crate) fn show(all: &BTreeMap<String, String>) -> Value {
    let masked = |key: &str| SECRET.contains(&key.to_ascii_lowercase().as_str());
    all.iter().map(|(key, value)| (key.clone(), Value::from(if masked(key) { MASK } else { value }))).collect()
}

/// A url as the Admin API shows it: without a password.
pub(crate) fn show_url(url: &HttpUrl) -> String {
    let mut url = url.0.clone();
    if url.password().is_some() {
        // It fails only for a url without a host, and such a one is not read.
        let _ = url.set_password(Some(MASK));
    }
    url.into()
}

/// An empty secret is a slip, and signing with it would be worse than nothing. A mask in the url is what [`show_url`] gave,
/// sent back.
pub(crate) fn check_secrets(hook: &EventHook, url: &HttpUrl, secret: Option<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if secret == Some("") {
        let problem = hook.config.problem_at("secret", "a secret cannot be empty");
        problems.push(problem.help("leave it out to send no X-Kong-Signature"));
    }
    if url.0.password() == Some(MASK) {
        let problem = hook.config.problem_at("url", "this mask stands for a password that is not shown");
        problems.push(problem.help("write the password itself"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_no_line_breaks() {
        let check = |text: &str, good: bool| assert_eq!(value(text).is_ok(), good, "{text:?}");
        check("plain", true);
        check("grün", true);
        check("a\r\nEvil: 1", false);
        check("a\nb", false);
        check("a\0b", false);
    }

    #[test]
    fn names_are_checked_and_ours_are_ours() {
        let check = |text: &str, good: bool| assert_eq!(name(text).is_ok(), good, "{text:?}");
        check("X-Team", true);
        check("authorization", true);
        check("bad name", false);
        check("Webhook-Signature", false);
        check("content-length", false);
    }

    #[test]
    fn content_types_have_parameters() {
        assert!(is_json("Application/JSON; charset=utf-8") && is_json("application/problem+json") && !is_json("text/plain"));
        assert!(is_form("application/x-www-form-urlencoded;charset=utf-8") && !is_form("multipart/form-data"));
    }

    #[test]
    fn secret_headers_are_masked() {
        let all = BTreeMap::from([("Authorization".to_owned(), "Bearer x".to_owned()), ("x-team".to_owned(), "a".to_owned())]);
        assert_eq!(show(&all).to_string(), r#"{"Authorization":"***","x-team":"a"}"#);
        let url = |text: &str| show_url(&HttpUrl::try_from(text.to_owned()).unwrap());
        assert_eq!(url("https://me:hush@example.com/x"), "https://me:***@example.com/x");
        assert_eq!(url("https://example.com/x"), "https://example.com/x");
    }
}
