//! The head of an answer, as far as plugins may change it: what is between two ends of a connection is not in it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::body_change::BodyChange;

/// The head of an answer.
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// Whether the answer goes Pingora's way, or is our own: its body may be changed.
    pub whole: bool,
    /// What is to be done with the body before the client gets it.
    pub body_change: Option<Arc<dyn BodyChange>>,
    /// Names, in the case that clients are shown, and values.
    fields: Vec<(Bytes, HeaderValue)>,
}

impl Head {
    /// A head of this status and these fields.
    pub fn new(status: StatusCode, fields: Vec<(Bytes, HeaderValue)>) -> Self {
        Self { status, whole: false, body_change: None, fields }
    }

    /// Names and values, in their order.
    pub fn fields(&self) -> &[(Bytes, HeaderValue)] {
        &self.fields
    }

    /// The first value under this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.fields.iter().find(|(known, _)| is(known, name)).map(|(_, value)| value)
    }

    /// Takes out all values under this name.
    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|(known, _)| !is(known, name));
    }

    /// Puts this value in the place of all under this name.
    pub fn set(&mut self, name: &str, value: HeaderValue) {
        self.remove(name);
        self.append(name, value);
    }

    /// Adds a value under this name.
    pub fn append(&mut self, name: &str, value: HeaderValue) {
        self.fields.push((Bytes::copy_from_slice(name.as_bytes()), value));
    }

    /// Gives all values under one name another.
    pub fn rename(&mut self, from: &str, to: &str) {
        if self.get(from).is_none() {
            return;
        }
        self.fields.retain(|(known, _)| is(known, from) || !is(known, to));
        for (name, _) in self.fields.iter_mut().filter(|(known, _)| is(known, from)) {
            *name = Bytes::copy_from_slice(to.as_bytes());
        }
    }
}

fn is(known: &Bytes, name: &str) -> bool {
    known.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_changed_in_any_case() {
        let field = |name: &'static str, value| (Bytes::from_static(name.as_bytes()), HeaderValue::from_static(value));
        let mut head = Head::new(StatusCode::OK, vec![field("X-A", "1"), field("x-a", "2"), field("Vary", "Accept")]);
        let shown = |head: &Head| {
            let line = |(name, value): &(Bytes, HeaderValue)| {
                format!("{}={}", String::from_utf8_lossy(name), value.to_str().unwrap_or_default())
            };
            head.fields().iter().map(line).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(head.get("x-A").map(HeaderValue::as_bytes), Some(&b"1"[..]));
        head.append("vary", HeaderValue::from_static("Origin"));
        head.rename("X-a", "X-B");
        head.rename("X-None", "Vary");
        assert_eq!(shown(&head), "X-B=1 X-B=2 Vary=Accept vary=Origin");
        head.set("x-b", HeaderValue::from_static("3"));
        head.remove("VARY");
        assert_eq!(shown(&head), "x-b=3");
    }
}
