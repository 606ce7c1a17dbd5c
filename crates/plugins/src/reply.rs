//! An answer of our own, as a value; only the proxy writes it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use smallvec::SmallVec;

/// An answer of our own.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers beside those that every answer has.
    pub headers: SmallVec<[(Bytes, HeaderValue); 1]>,
    /// Its body.
    pub body: Body,
}

/// What an answer of our own says.
#[derive(Clone)]
pub enum Body {
    /// Kong's error body with this message and the request's id.
    Message(Cow<'static, str>),
    /// These bytes, which are JSON.
    Json(Bytes),
    /// These bytes, which are of this content type.
    Typed {
        /// The content type.
        content_type: HeaderValue,
        /// The bytes.
        bytes: Bytes,
    },
    /// Nothing.
    Nothing,
}

impl Reply {
    /// Kong's error body with this status and message.
    pub fn error(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, headers: SmallVec::new(), body: Body::Message(message.into()) }
    }
}
