//! What Pingora wants of a stream beside its bytes.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
};
use tokio::io::AsyncWrite;

use super::{Connection, own};

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // Whoever it cannot be said to knows already.
        let _ = poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await;
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
        if let Some(shared) = &self.shared {
            return Some(shared.caller.clone());
        }
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
        let ahead = own(&mut self.ahead);
        if ahead.len() >= into.len() {
            into.copy_from_slice(&ahead[..into.len()]);
            return Ok(true);
        }
        own(&mut self.stream).try_peek(into).await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
