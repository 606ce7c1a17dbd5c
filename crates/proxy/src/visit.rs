//! A request of HTTP/1 while it is here: what it says, and the connection that its answer goes to.

use std::net::IpAddr;

use http::Version;
use http::request::Parts;
use pingora_core::server::ShutdownWatch;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

use crate::connection::Connection;
use crate::ctx::Ctx;

/// A request, whoever read it.
pub(crate) struct Visit<'a> {
    pub request: &'a Parts,
    pub connection: &'a Connection,
    /// Whether the connection is kept for another request after this one.
    pub keep: bool,
    /// Tells when the gateway stops, if nobody else ends the connection then.
    pub shutdown: Option<&'a ShutdownWatch>,
}

impl<'a> Visit<'a> {
    /// A request that Pingora read.
    pub fn of(session: &'a Session) -> Result<Self> {
        let stream = session.as_downstream().as_http1().map(pingora_core::protocols::http::v1::server::HttpSession::stream);
        let connection = stream.and_then(|stream| (**stream).as_any().downcast_ref());
        let connection = connection.ok_or_else(|| Error::explain(ErrorType::InternalError, "a connection that is not ours"))?;
        Ok(Self { request: session.req_header(), connection, keep: session.get_keepalive().is_some(), shutdown: None })
    }

    /// Whether the client is told that its connection is kept.
    pub fn stays(&self) -> bool {
        self.keep && !self.shutdown.is_some_and(is_begun)
    }

    /// Whether the client knows chunks.
    pub fn is_modern(&self) -> bool {
        self.request.version == Version::HTTP_11
    }

    /// The address at the other end of the connection.
    pub fn peer(&self) -> IpAddr {
        self.connection.peer
    }

    /// Sends bytes of the answer of this status: from now on the request is answered.
    pub async fn answer(&self, ctx: &mut Ctx, status: u16, bytes: &[u8]) -> Result<()> {
        ctx.answered = status;
        self.send(bytes).await
    }

    /// Sends bytes that are no answer yet.
    pub async fn send(&self, bytes: &[u8]) -> Result<()> {
        let sent = self.connection.send(bytes).await;
        sent.map_err(|error| Error::because(ErrorType::WriteError, "writing the answer", error).into_down())
    }
}

/// Whether the gateway stops.
pub(crate) fn is_begun(shutdown: &ShutdownWatch) -> bool {
    // It is told once; `has_changed` reads one number, where `borrow` takes a lock.
    shutdown.has_changed().unwrap_or(true)
}
