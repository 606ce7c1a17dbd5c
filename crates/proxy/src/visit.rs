//! A request while it is here: what it says, who says it, and the connection that its answer goes to.

use http::Version;
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use pingora_core::protocols::http::v1::server::HttpSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

use crate::caller::Caller;
use crate::connection::Connection;
use crate::ctx::Ctx;

/// A request, whoever read it, in HTTP/1 or HTTP/2.
pub(crate) struct Visit<'a> {
    pub request: &'a Parts,
    pub caller: &'a Caller,
    /// The connection that is its own for as long as it is here; none in HTTP/2, where requests share one.
    pub connection: Option<&'a Connection>,
    /// Whether the connection is kept for another request after this one.
    pub keep: bool,
    /// Tells when the gateway stops, if nobody else ends the connection then.
    pub shutdown: Option<&'a ShutdownWatch>,
}

impl<'a> Visit<'a> {
    /// A request that Pingora read.
    pub fn of(session: &'a Session) -> Result<Self> {
        let downstream = session.as_downstream();
        let stream = downstream.as_http1().map(HttpSession::stream);
        let connection: Option<&Connection> = stream.and_then(|stream| (**stream).as_any().downcast_ref());
        let caller = match connection {
            Some(connection) => &connection.caller,
            None => Caller::unpacked(downstream)?,
        };
        let keep = session.get_keepalive().is_some();
        Ok(Self { request: session.req_header(), caller, connection, keep, shutdown: None })
    }

    /// The connection of a request of HTTP/1.
    pub fn connection(&self) -> Result<&'a Connection> {
        self.connection.ok_or_else(|| Error::explain(ErrorType::InternalError, "requests of HTTP/2 share their connection"))
    }

    /// Whether the client is told that its connection is kept.
    pub fn stays(&self) -> bool {
        self.keep && !self.shutdown.is_some_and(is_begun)
    }

    /// Whether the client knows chunks.
    pub fn is_modern(&self) -> bool {
        self.request.version == Version::HTTP_11
    }

    /// The host that the request is for, with its port if it was said. HTTP/2 says it in the target.
    pub fn host(&self) -> Option<&'a [u8]> {
        let header = self.request.headers.get(HOST).map(HeaderValue::as_bytes);
        header.or_else(|| self.request.uri.authority().map(Authority::as_str).map(str::as_bytes))
    }

    /// What the client speaks: `http`, or `https` over TLS.
    pub fn scheme(&self) -> &'static str {
        if self.caller.tls.is_some() { "https" } else { "http" }
    }

    /// The host that the client named when it shook hands, in lower case.
    pub fn sni(&self) -> Option<&str> {
        self.caller.tls.as_ref()?.sni.as_deref()
    }

    /// Whether a request for this host, in lower case, may come on this connection.
    pub fn is_for(&self, host: &str) -> bool {
        self.caller.tls.as_ref().is_none_or(|secure| secure.covers(host))
    }

    /// Sends bytes of the answer of this status: from now on the request is answered.
    pub async fn answer(&self, ctx: &mut Ctx, status: u16, bytes: &[u8]) -> Result<()> {
        ctx.answered = status;
        self.send(bytes).await
    }

    /// Sends bytes that are no answer yet.
    pub async fn send(&self, bytes: &[u8]) -> Result<()> {
        let sent = self.connection()?.send(bytes).await;
        sent.map_err(|error| Error::because(ErrorType::WriteError, "writing the answer", error).into_down())
    }
}

/// Whether the gateway stops.
pub(crate) fn is_begun(shutdown: &ShutdownWatch) -> bool {
    // It is told once; `has_changed` reads one number, where `borrow` takes a lock.
    shutdown.has_changed().unwrap_or(true)
}
