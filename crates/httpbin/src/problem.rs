//! Why a request gets no answer of its endpoint, and what it gets instead.

use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{body, endpoints::Methods, reply::Reply};

/// A request that cannot be answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("{0}")]
    Bad(String),
    #[error("there is no {0} here; GET / lists what is")]
    NotFound(String),
    #[error("this path is for {}", .0.allow())]
    Method(Methods),
    #[error("a request body may have {} MiB at most", body::CAP / 1024 / 1024)]
    TooLarge,
}

impl Problem {
    /// The problem as a response.
    pub(crate) fn reply(&self) -> Reply {
        let reply = Reply::json(json!({"error": self.to_string()}));
        match self {
            Self::Bad(_) => reply.status(StatusCode::BAD_REQUEST),
            Self::NotFound(_) => reply.status(StatusCode::NOT_FOUND),
            Self::Method(methods) => {
                reply.status(StatusCode::METHOD_NOT_ALLOWED).header(header::ALLOW, HeaderValue::from_static(methods.allow()))
            }
            Self::TooLarge => {
                reply.status(StatusCode::PAYLOAD_TOO_LARGE).header(header::CONNECTION, HeaderValue::from_static("close"))
            }
        }
    }
}
