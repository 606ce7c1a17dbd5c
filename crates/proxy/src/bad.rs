//! A request that is refused before it is one, and why.

use http::StatusCode;

use crate::complaints::Reason;

/// What is wrong, and what its client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub status: StatusCode,
    pub reason: Reason,
    /// For the log: what it is in words.
    pub why: &'static str,
}

impl Bad {
    /// A head that can be read in two ways, or in none.
    pub const fn head(why: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: Reason::BadHead, why }
    }

    /// A head that is sound, and asks for what is not done here.
    pub const fn unserved(status: StatusCode, why: &'static str) -> Self {
        Self { status, reason: Reason::BadHead, why }
    }

    /// A head with more than it may have.
    pub const fn long(why: &'static str) -> Self {
        Self { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason: Reason::LongHead, why }
    }

    /// A first line that is longer than a whole head may be.
    pub const LONG_TARGET: Self =
        Self { status: StatusCode::URI_TOO_LONG, reason: Reason::LongHead, why: "its first line is too long" };
    /// A head that does not come to its end.
    pub const SLOW: Self =
        Self { status: StatusCode::REQUEST_TIMEOUT, reason: Reason::SlowHead, why: "the head of a request takes too long" };
    /// A head that comes in pieces which cost more than they bring.
    pub const CRUMBS: Self = Self {
        status: StatusCode::BAD_REQUEST,
        reason: Reason::SlowHead,
        why: "the head of a request comes in too many pieces that are too small",
    };
    /// One connection too many.
    pub const CROWDED: Self =
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: Reason::Crowded, why: "there are too many connections" };

    /// What the client is told, in Kong's words where it has some.
    pub fn message(&self) -> &'static str {
        match self.status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "Request header or cookie too large",
            StatusCode::URI_TOO_LONG => "URI too long",
            StatusCode::REQUEST_TIMEOUT => "Request timeout",
            StatusCode::METHOD_NOT_ALLOWED => "Method not allowed",
            StatusCode::NOT_IMPLEMENTED => "Not implemented",
            StatusCode::SERVICE_UNAVAILABLE => "Too many connections",
            _ => "Bad request",
        }
    }
}
