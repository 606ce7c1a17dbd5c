//! What a receiver answered, as far as it is kept: the status decides, and the rest is for people to look at.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use reqwest::Response;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

/// How much of an answer's body is read.
const BODY: usize = 16 * 1024;
/// How many lines of its head are kept, and how much of them.
const LINES: usize = 64;
const HEAD: usize = 8 * 1024;

/// What a receiver answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The lines of the head, in their order, up to 64 and 8 KiB.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, up to 16 KiB; what is no text in it is replaced.
    pub body: String,
}

impl Answer {
    /// The lines of the head as an object; of several of one name the values are a list.
    pub fn headers_json(&self) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, value) in &self.headers {
            let value = Value::from(value.as_str());
            match all.get_mut(name) {
                None => drop(all.insert(name.clone(), value)),
                Some(Value::Array(values)) => values.push(value),
                Some(one) => *one = Value::from([one.take(), value]),
            }
        }
        all
    }
}

/// Where a handler leaves what the receiver answered.
#[derive(Default)]
pub struct Said(Mutex<Option<Answer>>);

impl Said {
    /// Leaves it.
    pub fn put(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// What was left.
    pub fn take(self) -> Option<Answer> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines that are kept.
pub(crate) fn head(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = HEAD;
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let fits = |(name, value): &(String, String)| {
        let length = name.len() + value.len();
        room = room.saturating_sub(length);
        room > 0
    };
    headers.iter().take(LINES).map(text).take_while(fits).collect()
}

/// Reads the body, so that the connection can be used again; past the limit or the deadline it is closed instead.
pub(crate) async fn body(mut response: Response, deadline: Instant) -> String {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = BODY - body.len();
            body.extend_from_slice(&chunk[..room.min(chunk.len())]);
            if chunk.len() > room {
                break;
            }
        }
    };
    // A body that is not over yet is nobody's concern: the connection is dropped with it.
    let _ = timeout_at(deadline, read).await;
    String::from_utf8_lossy(&body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_kept_up_to_its_bounds() {
        let line = |name: &'static str, length| (http::HeaderName::from_static(name), "x".repeat(length).parse().unwrap());
        let short: HeaderMap = (0..100).map(|_| line("a", 1)).collect();
        assert_eq!(head(&short).len(), LINES);
        let long: HeaderMap = [line("a", 5_000), line("b", 3_000), line("c", 1_000)].into_iter().collect();
        assert_eq!(head(&long).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
