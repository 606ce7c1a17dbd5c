//! What there is to say of a request that has ended.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{HOST, HeaderName, REFERER, USER_AGENT};
use http::request::Parts;

use crate::ctx::Ctx;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request that has ended.
pub(crate) struct Record<'a> {
    /// When, since 1970.
    pub at: Duration,
    pub request: &'a Parts,
    pub ctx: &'a Ctx,
    pub status: u16,
    pub took: Duration,
    /// Bytes of bodies, from the client and to it.
    pub received: u64,
    pub sent: u64,
}

impl<'a> Record<'a> {
    /// The path and query that the client asked for.
    pub fn target(&self) -> &'a [u8] {
        self.request.uri.path_and_query().map_or(b"", |target| target.as_str().as_bytes())
    }

    pub fn protocol(&self) -> &'static [u8] {
        match self.request.version {
            http::Version::HTTP_09 => b"HTTP/0.9",
            http::Version::HTTP_10 => b"HTTP/1.0",
            http::Version::HTTP_2 => b"HTTP/2.0",
            http::Version::HTTP_3 => b"HTTP/3.0",
            _ => b"HTTP/1.1",
        }
    }

    pub fn host(&self) -> Option<&'a [u8]> {
        let authority = || self.request.uri.authority().map(|authority| authority.as_str().as_bytes());
        self.header(&HOST).or_else(authority)
    }

    pub fn user_agent(&self) -> Option<&'a [u8]> {
        self.header(&USER_AGENT)
    }

    pub fn referer(&self) -> Option<&'a [u8]> {
        self.header(&REFERER)
    }

    pub fn traceparent(&self) -> Option<&'a [u8]> {
        self.header(&TRACEPARENT)
    }

    pub fn consumer(&self) -> Option<&'a str> {
        self.ctx.memory.consumer.as_ref().map(|consumer| consumer.username.as_str())
    }

    pub fn route(&self) -> Option<&'a str> {
        self.ctx.route.map(|at| self.ctx.snapshot.routes[at].name.as_str())
    }

    pub fn service(&self) -> Option<&'a str> {
        self.ctx.service().map(|service| service.name.as_str())
    }

    pub fn upstream(&self) -> Option<SocketAddr> {
        self.ctx.upstream
    }

    fn header(&self, name: &HeaderName) -> Option<&'a [u8]> {
        self.request.headers.get(name).map(http::HeaderValue::as_bytes)
    }
}
