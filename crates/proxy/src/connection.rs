//! A client's connection, with a side door: Pingora reads requests from it, and we may write an answer to it ourselves.
//!
//! Pingora's session lends the stream out for looking only. An answer that goes past it saves two hash maps and a
//! formatted name for each header, which is a third of what a short answer costs.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest, UniqueID,
};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, Session};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::service::Gateway;

/// How much of a client's next request is taken in while the answer to this one is awaited.
const AHEAD: usize = 256;

/// What Pingora's listeners hand connections to.
pub struct Front(Arc<HttpProxy<Gateway>>);

impl Front {
    /// The way in to this gateway.
    pub fn new(conf: &Arc<ServerConf>, gateway: Gateway) -> Self {
        Self(Arc::new(pingora_proxy::http_proxy(conf, gateway)))
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let connection = Connection { stream: Mutex::new(stream), ahead: Mutex::default() };
        self.0.process_new(Box::new(connection), shutdown).await
    }

    async fn cleanup(&self) {
        self.0.cleanup().await;
    }
}

/// A client's connection. Only the task that owns it touches the stream, so the locks are free whenever they are tried.
pub(crate) struct Connection {
    stream: Mutex<Stream>,
    /// What the client sent while its answer was awaited: the beginning of its next request.
    ahead: Mutex<Vec<u8>>,
}

impl Connection {
    /// The connection of a request of HTTP/1.
    pub fn of(session: &Session) -> Option<&Self> {
        let stream = session.as_downstream().as_http1()?.stream();
        (**stream).as_any().downcast_ref()
    }

    /// Writes all of it, past Pingora.
    pub async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        std::future::poll_fn(|cx| {
            self.with(|mut stream| {
                while !bytes.is_empty() {
                    let written = ready!(stream.as_mut().poll_write(cx, bytes))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    bytes = &bytes[written..];
                }
                stream.poll_flush(cx)
            })
        })
        .await
    }

    /// Ready when the client has gone. What it sends instead is kept for the next reader.
    pub fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(mut ahead) = self.ahead.try_lock() else { return Poll::Pending };
        if ahead.len() >= AHEAD {
            return Poll::Pending;
        }
        let mut room = [0; AHEAD];
        let mut into = ReadBuf::new(&mut room);
        match self.with(|stream| stream.poll_read(cx, &mut into)) {
            Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                ahead.extend_from_slice(into.filled());
                // Whatever comes next waits in the socket until this much is read.
                Poll::Pending
            }
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }

    fn with<R>(&self, act: impl FnOnce(Pin<&mut dyn IO>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match self.stream.try_lock() {
            Ok(mut stream) => act(Pin::new(&mut **stream)),
            Err(TryLockError::Poisoned(stream)) => act(Pin::new(&mut **stream.into_inner())),
            Err(TryLockError::WouldBlock) => Poll::Ready(Err(io::ErrorKind::ResourceBusy.into())),
        }
    }

    fn own(&mut self) -> &mut Stream {
        self.stream.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ahead = self.ahead.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !ahead.is_empty() {
            let part = ahead.len().min(into.remaining());
            into.put_slice(&ahead[..part]);
            ahead.drain(..part);
            return Poll::Ready(Ok(()));
        }
        Pin::new(self.own()).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.own()).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.own()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.own()).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(self.own()).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.try_lock().is_ok_and(|stream| stream.is_write_vectored())
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        self.own().shutdown().await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> i32 {
        self.stream.try_lock().map_or(-1, |stream| stream.id())
    }
}

impl Ssl for Connection {
    fn get_ssl(&self) -> Option<&TlsRef> {
        None
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.try_lock().ok()?.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.try_lock().ok()?.selected_alpn_proto()
    }
}

impl GetTimingDigest for Connection {
    // Asked for with every request, and nobody reads it.
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.try_lock().ok()?.get_proxy_digest()
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.try_lock().ok()?.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Connection {
    async fn try_peek(&mut self, into: &mut [u8]) -> io::Result<bool> {
        self.own().try_peek(into).await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
