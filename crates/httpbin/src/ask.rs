//! A request as an endpoint sees it: the body read, and the parts that httpbin shows in its answers.

use std::{collections::BTreeMap, net::IpAddr, str::FromStr};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName,
    request::Parts,
    uri::{Authority, PathAndQuery},
};
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// A request, read to its end.
pub(crate) struct Ask {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) peer: IpAddr,
    /// What the request's path has in place of the endpoint's `{parameter}`.
    pub(crate) parameter: String,
}

impl Ask {
    /// The parameter of the path, as a number.
    pub(crate) fn number(&self) -> Result<u64, Problem> {
        let text = &self.parameter;
        let wrong = |_| Problem::Bad(format!("\"{text}\" in the path must be a whole number"));
        text.parse().map_err(wrong)
    }

    /// The query's number for `name`: the last one, or `default` if there is none.
    pub(crate) fn query<T: FromStr>(&self, name: &str, default: T) -> Result<T, Problem> {
        let Some((_, text)) = self.pairs().filter(|(key, _)| key == name).last() else {
            return Ok(default);
        };
        let wrong = |_| Problem::Bad(format!("{name} must be a number, not \"{text}\""));
        text.parse().map_err(wrong)
    }

    /// The query, as JSON.
    pub(crate) fn args(&self) -> Value {
        flatten(self.pairs().into_owned())
    }

    fn pairs(&self) -> form_urlencoded::Parse<'_> {
        form_urlencoded::parse(self.head.uri.query().unwrap_or_default().as_bytes())
    }

    /// The first header of this name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// Every header that came, in Title-Case; values of one name are joined by commas.
    pub(crate) fn headers(&self) -> Value {
        let headers = &self.head.headers;
        let shown = |name: &HeaderName| (title_case(name.as_str()), joined(headers, name).into());
        headers.keys().map(shown).collect::<Map<_, _>>().into()
    }

    /// Where the request came from: X-Forwarded-For as it is, or the peer.
    pub(crate) fn origin(&self) -> String {
        let forwarded = HeaderName::from_static("x-forwarded-for");
        if self.head.headers.contains_key(&forwarded) {
            joined(&self.head.headers, &forwarded)
        } else {
            self.peer.to_canonical().to_string()
        }
    }

    /// The URL that the client asked for, as far as Host and X-Forwarded-Proto tell.
    pub(crate) fn url(&self) -> String {
        let uri = &self.head.uri;
        let scheme = self.header("x-forwarded-proto").or(uri.scheme_str());
        let host = self.header("host").or(uri.authority().map(Authority::as_str));
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        format!("{}://{}{path}", scheme.unwrap_or("http"), host.unwrap_or("localhost"))
    }

    /// What /get answers; other endpoints add to it.
    pub(crate) fn shown(&self) -> Value {
        json!({"args": self.args(), "headers": self.headers(), "origin": self.origin(), "url": self.url()})
    }
}

/// An object of pairs, sorted; a name that comes again has the list of its values.
pub(crate) fn flatten(pairs: impl Iterator<Item = (String, String)>) -> Value {
    let mut grouped: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, value) in pairs {
        grouped.entry(name).or_default().push(value.into());
    }
    let one_or_list = |mut values: Vec<Value>| {
        if values.len() == 1 { values.remove(0) } else { values.into() }
    };
    grouped.into_iter().map(|(name, values)| (name, one_or_list(values))).collect::<Map<_, _>>().into()
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter();
    let texts: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    texts.join(",")
}

/// `x-forwarded-for` as `X-Forwarded-For`. Header names are ASCII.
fn title_case(name: &str) -> String {
    let mut starts = true;
    let cased = |c: char| {
        let cased = if starts { c.to_ascii_uppercase() } else { c };
        starts = c == '-';
        cased
    };
    name.chars().map(cased).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_title_cased() {
        for (name, expected) in [("host", "Host"), ("x-forwarded-for", "X-Forwarded-For"), ("-a--b-", "-A--B-")] {
            assert_eq!(title_case(name), expected);
        }
    }

    #[test]
    fn a_name_that_comes_again_has_a_list() {
        let pairs = [("b", "1"), ("a", "2"), ("b", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(flatten(pairs.into_iter()).to_string(), r#"{"a":"2","b":["1","3"]}"#);
    }
}
