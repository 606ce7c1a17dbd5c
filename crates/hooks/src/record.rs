//! What people see of a delivery: how it stands, what was tried, and what the receiver said.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;

/// How much of an answer's body is kept for people to look at.
const BODY: usize = 4 * 1024;

/// One try of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    /// When it began, in Unix milliseconds.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What the receiver said, if it is one that can.
    pub answer: Option<Answer>,
}

impl Try {
    /// What stands in the place of a try that there will not be.
    pub fn none(reason: &str) -> Self {
        Self { at: crate::job::unix_ms(), took: 0, error: Some(reason.to_owned()), answer: None }
    }

    /// The status of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().map(|answer| answer.status)
    }

    /// One entry of [`Record::tries`].
    pub fn to_json(&self) -> String {
        json!({ "at": self.at, "latency": self.took, "status": self.status(), "error": self.error }).to_string()
    }

    /// [`Record::response`].
    pub fn answer_json(&self) -> Option<String> {
        let answer = self.answer.as_ref()?;
        let end = answer.body.floor_char_boundary(BODY);
        Some(json!({ "status": answer.status, "headers": answer.headers_json(), "body": answer.body[..end] }).to_string())
    }
}

/// A delivery as people see it. Times are Unix milliseconds.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Record {
    /// What receivers got as `webhook-id`.
    pub id: String,
    /// The hook.
    pub event_hook: Reference,
    /// What it tells of.
    pub source: String,
    /// What it tells of.
    pub event: String,
    /// `waiting`, `delivered` or `dead`.
    pub state: &'static str,
    /// How many events it stands for.
    pub count: u64,
    /// When the first of them happened.
    pub first_at: u64,
    /// When the last of them happened.
    pub last_at: u64,
    /// How many tries there were.
    pub attempts: u32,
    /// When it is tried next, if it waits for a time.
    pub next_attempt_at: Option<u64>,
    /// When it was delivered or given up.
    pub ended_at: Option<u64>,
    /// Every try: `at`, `latency` in milliseconds, `status`, `error`.
    pub tries: Value,
    /// What the receiver said last: `status`, `headers`, `body`.
    pub response: Value,
    /// The data of the first of the events; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Its place, for pages.
    #[serde(skip)]
    pub(crate) seq: u64,
}

impl Record {
    /// Its place in the order of arrival: what comes after a page is before its last place.
    pub fn place(&self) -> u64 {
        self.seq
    }
}

/// Kong's way to name another entity.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Reference {
    /// Its id.
    pub id: Uuid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_and_lines_of_one_name_are_a_list() {
        let headers = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")].map(|(name, value)| (name.into(), value.into())).into();
        let answer = Answer { status: 500, headers, body: "ä".repeat(BODY) };
        let tried = Try { at: 1, took: 2, error: None, answer: Some(answer) };
        let shown: Value = serde_json::from_str(&tried.answer_json().unwrap()).unwrap();
        assert_eq!(shown["headers"], json!({ "a": ["1", "3", "4"], "b": "2" }));
        assert_eq!(shown["body"].as_str().unwrap().len(), BODY);
        assert_eq!(tried.to_json(), r#"{"at":1,"latency":2,"status":500,"error":null}"#);
    }
}
