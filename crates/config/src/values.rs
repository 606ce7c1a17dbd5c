//! Values with rules of their own. A value that breaks its rule is refused where it is read, so the error has its position.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use url::Url;

/// A network, or an address as the network of itself.
pub fn network(text: &str) -> Result<IpNet, String> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map_err(|_| format!("`{text}` is neither an address nor a network such as \"10.0.0.0/8\""))
}

/// A duration: whole milliseconds as in Kong, or a string such as `"250ms"`, `"2s"`, `"5m"`, `"1h"`, `"1d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The same as a [`Duration`].
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Millis;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("milliseconds or a duration such as \"2s\"")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Millis, E> {
                u64::try_from(value).map(Millis).map_err(|_| E::custom("a duration cannot be negative"))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Millis, E> {
                Ok(Millis(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Millis, E> {
                parse_duration(value).ok_or_else(|| {
                    E::custom(format!(
                        "`{value}` is no duration; write milliseconds, or a number with ms, s, m, h or d, such as \"2s\""
                    ))
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Milliseconds, or a string such as \"2s\".",
            "anyOf": [{ "type": "integer", "minimum": 0, "maximum": i64::MAX }, { "type": "string", "pattern": DURATION }]
        })
    }
}

/// What [`parse_duration`] reads: not above a thousand years.
const DURATION: &str =
    r"^([0-9]{1,13}(\.[0-9]+)?ms|[0-9]{1,10}(\.[0-9]+)?s|[0-9]{1,8}(\.[0-9]+)?m|[0-9]{1,6}(\.[0-9]+)?h|[0-9]{1,5}(\.[0-9]+)?d)$";

/// The same of at least a millisecond.
const SOME_DURATION: &str = r"^([1-9][0-9]{0,12}(\.[0-9]+)?ms|[1-9][0-9]{0,9}(\.[0-9]+)?s|[1-9][0-9]{0,7}(\.[0-9]+)?m|[1-9][0-9]{0,5}(\.[0-9]+)?h|[1-9][0-9]{0,4}(\.[0-9]+)?d|0\.[0-9]{0,2}[1-9][0-9]*(s|m|h|d))$";

/// The same in a schema, where it must be some time.
pub(crate) struct SomeMillis;

impl JsonSchema for SomeMillis {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SomeTime".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Milliseconds, or a string such as \"2s\".",
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": i64::MAX }, { "type": "string", "pattern": SOME_DURATION }]
        })
    }
}

/// Seconds as a number, as Kong writes the times of health checks, or a string such as `"500ms"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    /// The same as a [`Duration`].
    pub fn duration(self) -> Duration {
        Duration::from_secs_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Seconds;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("seconds or a duration such as \"500ms\"")
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Seconds, E> {
                // Kong's bound: 65535 seconds.
                if (0.0..=65_535.0).contains(&value) {
                    Ok(Seconds(value))
                } else {
                    Err(E::custom("should be between 0 and 65535"))
                }
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Seconds, E> {
                self.visit_f64(value as f64)
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Seconds, E> {
                self.visit_f64(value as f64)
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Seconds, E> {
                let millis = parse_duration(value).ok_or_else(|| {
                    E::custom(format!("`{value}` is no duration; write seconds, or a number with ms, s, m, h or d"))
                })?;
                self.visit_f64(millis.0 as f64 / 1e3)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Seconds".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Seconds, or a string such as \"500ms\".",
            "anyOf": [{ "type": "number", "minimum": 0, "maximum": 65_535 }, { "type": "string", "pattern": DURATION }]
        })
    }
}

/// The same in a schema, where it must be some time.
pub(crate) struct SomeSeconds;

impl JsonSchema for SomeSeconds {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SomeSeconds".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Seconds, or a string such as \"500ms\".",
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0, "maximum": 65_535 }, { "type": "string", "pattern": SOME_DURATION }]
        })
    }
}

fn parse_duration(text: &str) -> Option<Millis> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" => 3_600e3,
        "d" => 86_400e3,
        _ => return None,
    };
    let number = number.trim();
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let millis = number.parse::<f64>().ok().filter(|_| plain)? * unit;
    // Above a thousand years it is a slip.
    (millis < 3.2e13).then_some(Millis(millis.round() as u64))
}

/// An absolute `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl(pub Url);

impl TryFrom<String> for HttpUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_url(&text, &["http", "https"]).map(Self)
    }
}

/// The absolute URL of a service: `http`, `https`, `grpc` or `grpcs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceUrl(pub Url);

impl TryFrom<String> for ServiceUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_url(&text, &["http", "https", "grpc", "grpcs"]).map(Self)
    }
}

impl From<ServiceUrl> for String {
    fn from(url: ServiceUrl) -> String {
        url.0.into()
    }
}

impl JsonSchema for ServiceUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServiceUrl".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri" })
    }
}

/// A URL with one of these schemes and a host.
fn parse_url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let url = Url::parse(text);
    let url = url.map_err(|error| format!("invalid url: {error}; write one such as \"http://127.0.0.1:8080/path\""))?;
    if schemes.contains(&url.scheme()) && url.has_host() {
        return Ok(url);
    }
    let (last, others) = schemes.split_last().expect("some scheme is served");
    Err(format!("invalid url: the scheme `{}` is not served; write {} or {last}", url.scheme(), others.join(", ")))
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> String {
        url.0.into()
    }
}

impl JsonSchema for HttpUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Url".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "uri" })
    }
}

/// What the paths of a service begin with: it starts with `/` and has no dot segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^/([^/?# \x00-\x1F\x7F-\x9F]+/?)*$"))]
pub struct PathPrefix(pub String);

impl TryFrom<String> for PathPrefix {
    type Error = String;
    fn try_from(path: String) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err("should start with: /".into());
        }
        if path.contains("//") {
            return Err("must not have empty segments".into());
        }
        if path.contains(['?', '#', ' ']) || path.chars().any(char::is_control) {
            return Err("must not hold a query, a fragment, a space or a control character".into());
        }
        if path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err("must not have `.` or `..` segments; requests are normalised before they are matched".into());
        }
        Ok(Self(path))
    }
}

impl From<PathPrefix> for String {
    fn from(path: PathPrefix) -> String {
        path.0
    }
}

/// An HTTP method in capitals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Z_-]+$"))]
pub struct Method(pub String);

impl TryFrom<String> for Method {
    type Error = String;
    fn try_from(method: String) -> Result<Self, String> {
        let upper = method.to_ascii_uppercase();
        if method.is_empty() || !method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_') {
            return Err(format!("`{method}` is no HTTP method"));
        }
        if upper != method {
            return Err(format!("methods are written in capitals: {upper}"));
        }
        Ok(Self(method))
    }
}

impl From<Method> for String {
    fn from(method: Method) -> String {
        method.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(parse_duration(text).map(|m| m.0), expected, "{text}");
        check("2s", Some(2_000));
        check("250ms", Some(250));
        check("1.5m", Some(90_000));
        check("10h", Some(36_000_000));
        check("1d", Some(86_400_000));
        check("2", None);
        check("s", None);
        check("-1s", None);
        check("1e9d", None);
        check("2 weeks", None);
    }

    #[test]
    fn paths_are_plain_and_normal() {
        let check = |path: &str, good: bool| assert_eq!(PathPrefix::try_from(path.to_owned()).is_ok(), good, "{path}");
        check("/demo", true);
        check("/", true);
        check("demo", false);
        check("~/x", false);
        check("/a//b", false);
        check("/a/../b", false);
        check("/a?b", false);
    }

    #[test]
    fn urls_are_absolute_http() {
        let check = |url: &str, good: bool| assert_eq!(HttpUrl::try_from(url.to_owned()).is_ok(), good, "{url}");
        check("http://127.0.0.1:8080/anything", true);
        check("https://example.com", true);
        check("ftp://example.com", false);
        check("127.0.0.1:8080", false);
        check("not a url", false);
    }
}
