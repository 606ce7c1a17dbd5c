//! What an endpoint answers: a response, and how long it takes to come.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::body::{self, Body};

/// A response, and the wait before it.
pub(crate) struct Reply {
    pub(crate) wait: Duration,
    pub(crate) response: Response<Body>,
}

impl Reply {
    /// A 200 with `body`.
    pub(crate) fn new(content_type: &'static str, body: Body) -> Self {
        let reply = Self { wait: Duration::ZERO, response: Response::new(body) };
        reply.header(header::CONTENT_TYPE, HeaderValue::from_static(content_type))
    }

    /// A 200 without a body.
    pub(crate) fn empty() -> Self {
        Self { wait: Duration::ZERO, response: Response::new(body::whole(Bytes::new())) }
    }

    /// A 200 with `value`, sorted and indented.
    pub(crate) fn json(mut value: Value) -> Self {
        value.sort_all_objects();
        Self::new("application/json", body::whole(format!("{value:#}\n")))
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        *self.response.status_mut() = status;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.response.headers_mut().insert(name, value);
        self
    }

    /// Says how long a body is that is made as it goes.
    pub(crate) fn length(self, length: u64) -> Self {
        self.header(header::CONTENT_LENGTH, length.into())
    }

    pub(crate) fn after(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}
