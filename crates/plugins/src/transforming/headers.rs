//! Rules on headers, wherever those are.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Env, Rules};
use crate::head::Head;

/// What rules are applied to.
pub(crate) trait Headers {
    fn has(&self, name: &str) -> bool;
    fn remove(&mut self, name: &str);
    fn rename(&mut self, from: &str, to: &str);
    fn set(&mut self, name: &str, value: HeaderValue);
    fn append(&mut self, name: &str, value: HeaderValue);
}

/// Says why no rule can be on this header, if that is so.
pub(crate) fn check_name(name: &str) -> Option<String> {
    const BETWEEN: [&str; 9] = [
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "date",
    ];
    if HeaderName::try_from(name).is_err() {
        return Some(format!("`{name}` is no header name"));
    }
    let between = BETWEEN.iter().any(|between| name.eq_ignore_ascii_case(between));
    between.then(|| format!("`{name}` is a matter of the connection: the gateway writes it"))
}

/// Applies the rules. A value that no header can hold is not put into one.
pub(crate) fn apply(rules: &Rules, headers: &mut impl Headers, env: &Env<'_>) {
    let value = |template: &super::Template| template.text(env).and_then(|text| HeaderValue::try_from(text).ok());
    for name in &rules.remove {
        headers.remove(name);
    }
    for (from, to) in &rules.rename {
        headers.rename(from, to);
    }
    for (name, template) in &rules.replace {
        if let (true, Some(value)) = (headers.has(name) || name.eq_ignore_ascii_case("host"), value(template)) {
            headers.set(name, value);
        }
    }
    for (name, template) in &rules.add {
        if let (false, Some(value)) = (headers.has(name), value(template)) {
            headers.set(name, value);
        }
    }
    for (name, template) in &rules.append {
        if let Some(value) = value(template) {
            headers.append(name, value);
        }
    }
}

impl Headers for HeaderMap {
    fn has(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn remove(&mut self, name: &str) {
        HeaderMap::remove(self, name);
    }

    fn rename(&mut self, from: &str, to: &str) {
        let (Ok(from), Ok(to)) = (HeaderName::try_from(from), HeaderName::try_from(to)) else { return };
        let values: Vec<HeaderValue> = self.get_all(&from).iter().cloned().collect();
        if values.is_empty() || from == to {
            return;
        }
        HeaderMap::remove(self, &from);
        HeaderMap::remove(self, &to);
        for value in values {
            HeaderMap::append(self, &to, value);
        }
    }

    fn set(&mut self, name: &str, value: HeaderValue) {
        if let Ok(name) = HeaderName::try_from(name) {
            self.insert(name, value);
        }
    }

    fn append(&mut self, name: &str, value: HeaderValue) {
        if let Ok(name) = HeaderName::try_from(name) {
            HeaderMap::append(self, name, value);
        }
    }
}

impl Headers for Head {
    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn remove(&mut self, name: &str) {
        Head::remove(self, name);
    }

    fn rename(&mut self, from: &str, to: &str) {
        Head::rename(self, from, to);
    }

    fn set(&mut self, name: &str, value: HeaderValue) {
        Head::set(self, name, value);
    }

    fn append(&mut self, name: &str, value: HeaderValue) {
        Head::append(self, name, value);
    }
}
