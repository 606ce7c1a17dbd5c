//! The way in: plain requests are served here, one after the other; everything else is handed to Pingora.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use pingora_core::Error;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::default_h2_options;
use pingora_core::protocols::{ALPN, Shutdown, Ssl, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::time::{Instant, Sleep, sleep};

use crate::connection::Connection;
use crate::ctx::Ctx;
use crate::decide;
use crate::doors::Refused;
use crate::ended::{Ending, ended};
use crate::exchange::exchange;
use crate::extent::Extent;
use crate::failure::reply_to;
use crate::plain::{self, Found};
use crate::reply;
use crate::service::{Gateway, KEEPALIVE_SECONDS};
use crate::told::tell;
use crate::visit::{Visit, is_begun};

/// How long a connection may be idle, and how long a head may take from its first byte to its last.
const PATIENCE: Duration = Duration::from_secs(KEEPALIVE_SECONDS);
/// A head that is longer is not read here.
const LONG: usize = 32 * 1024;

/// What Pingora's listeners hand connections to.
pub struct Front {
    gateway: Gateway,
    pingora: Arc<HttpProxy<Gateway>>,
}

/// What a client wants next.
enum Next {
    Plain(Box<Parts>, Bytes),
    Other(Extent),
    Streams,
    Nothing,
}

/// What became of a plain request.
enum Served {
    /// It was answered; whether the connection can have another one.
    Answered(bool),
    /// Nothing was done: its upstream is Pingora's to speak to, or a plugin needs more than the short way has.
    Refused,
}

impl Front {
    /// The way in to this gateway.
    pub fn new(conf: &Arc<ServerConf>, gateway: Gateway) -> Self {
        let mut pingora = pingora_proxy::http_proxy(conf, gateway.clone());
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(PATIENCE);
        pingora.server_options = Some(options);
        // Its own limits are safe ones: 64 KiB of headers, 100 streams.
        pingora.h2_options = Some(default_h2_options());
        Self { pingora: Arc::new(pingora), gateway }
    }

    /// Lets a connection in, as its listener says.
    async fn let_in(&self, stream: Stream) -> Option<Connection> {
        let snapshot = self.gateway.snapshot();
        let Some(door) = snapshot.doors.of(&stream) else { return Some(Connection::new(stream, None)) };
        let refused = match door.enter(stream, &snapshot.trusted_proxies).await {
            Ok(connection) => return Some(connection),
            Err(refused) => refused,
        };
        if matches!(refused, Refused::Handshake(_)) {
            self.gateway.traffic.handshake_failed();
        }
        tracing::debug!(%refused, "a connection did not come in");
        None
    }

    /// Serves a request.
    async fn serve(&self, request: &Parts, connection: &Connection, shutdown: &ShutdownWatch) -> Served {
        let keep = plain::stays(request);
        let caller = &*connection.caller;
        let mut visit = Visit { request, caller, connection: Some(connection), keep, shutdown: Some(shutdown) };
        let mut ctx = self.gateway.begin();
        let routed = decide::route(&visit, &mut ctx);
        if ctx.service().is_some_and(|service| !service.target.is_plain()) || ctx.is_needed_whole() {
            ctx.under_way.undo();
            return Served::Refused;
        }
        let decided = match routed {
            Ok(routed) => decide::ask(&visit, &mut ctx, &routed).await,
            Err(reply) => Err(reply),
        };
        let answered = match decided {
            Ok(()) => exchange(&mut visit, connection, &mut ctx).await,
            Err(reply) => reply::write(&visit, &mut ctx, reply).await,
        };
        if let Err(error) = answered {
            visit.keep = false;
            self.apologise(&visit, &mut ctx, &error).await;
            ctx.log(&error, ctx.answered);
        }
        let (status, sent) = (ctx.answered, ctx.sent);
        ended(&self.gateway.traffic, &ctx, &Ending { request, status, received: 0, sent });
        Served::Answered(visit.stays())
    }

    /// Says what went wrong, unless something was said already or nobody is left to hear it.
    async fn apologise(&self, visit: &Visit<'_>, ctx: &mut Ctx, error: &Error) {
        let Some(reply) = reply_to(error).filter(|_| ctx.answered == 0) else { return };
        tell(&self.gateway.upstream_error, error, reply.status.as_u16(), ctx);
        if let Err(error) = reply::write(visit, ctx, reply).await {
            tracing::debug!(%error, "the client is gone");
        }
    }

    /// Hands over what is not plain, for one request. The connection comes back if it can have another one.
    async fn hand_over(
        &self,
        mut connection: Box<Connection>,
        extent: Extent,
        shutdown: &ShutdownWatch,
    ) -> Option<Box<Connection>> {
        connection.lend(extent);
        let mut session = ServerSession::new_http1(connection);
        session.set_keepalive((!*shutdown.borrow()).then_some(KEEPALIVE_SECONDS));
        let reused = self.pingora.process_new_http(session, shutdown).await?;
        let mut connection: Box<Connection> = reused.consume().0.into_any().downcast().ok()?;
        connection.lend(Extent::Open);
        Some(connection)
    }

    /// Hands over a connection of HTTP/2: it is Pingora's to the end.
    async fn hand_over_all(&self, mut connection: Box<Connection>, shutdown: &ShutdownWatch) -> Option<Stream> {
        connection.share();
        self.pingora.process_new(connection, shutdown).await
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let mut connection = Box::new(self.let_in(stream).await?);
        let _open = self.gateway.traffic.connect(connection.caller.tls.is_some());
        if matches!(connection.selected_alpn_proto(), Some(ALPN::H2)) {
            return self.hand_over_all(connection, shutdown).await;
        }
        if *shutdown.borrow() {
            self.hand_over(connection, Extent::Open, shutdown).await;
            return None;
        }
        let mut patience = pin!(sleep(PATIENCE));
        let mut told = shutdown.clone();
        let mut stop = pin!(told.changed());
        // Whoever is told once is woken for good.
        if poll_fn(|cx| Poll::Ready(stop.as_mut().poll(cx))).await.is_ready() {
            return None;
        }
        loop {
            match next(&mut connection, patience.as_mut(), shutdown).await {
                Next::Plain(request, bytes) => match self.serve(&request, &connection, shutdown).await {
                    Served::Answered(true) => {}
                    Served::Answered(false) => {
                        connection.shutdown().await;
                        return None;
                    }
                    Served::Refused => {
                        let length = bytes.len() as u64;
                        connection.put_back(&bytes);
                        connection = self.hand_over(connection, Extent::Bytes(length), shutdown).await?;
                    }
                },
                Next::Other(extent) => connection = self.hand_over(connection, extent, shutdown).await?,
                Next::Streams => return self.hand_over_all(connection, shutdown).await,
                Next::Nothing => return None,
            }
        }
    }

    async fn cleanup(&self) {
        self.pingora.cleanup().await;
    }
}

/// Waits for the next request; not for ever, and not when the gateway stops.
async fn next(connection: &mut Connection, mut patience: Pin<&mut Sleep>, shutdown: &ShutdownWatch) -> Next {
    // Of an idle connection the time counts from here, of a head from its first byte.
    let mut since = Instant::now();
    loop {
        let begun = !connection.ahead().is_empty();
        if begun {
            match plain::read(connection.ahead()) {
                Found::Plain(request, bytes) => return Next::Plain(request, bytes),
                Found::Other(extent) => return Next::Other(extent),
                Found::Streams => return Next::Streams,
                Found::Partial if connection.ahead().len() > LONG => return Next::Other(Extent::Open),
                Found::Partial => {}
            }
        }
        let more: io::Result<usize> = poll_fn(|cx| {
            if let Poll::Ready(more) = connection.poll_more(cx) {
                return Poll::Ready(more);
            }
            if is_begun(shutdown) {
                return Poll::Ready(Ok(0));
            }
            // The timer is set once and looked at when it fires; requests move only `since`.
            while patience.as_mut().poll(cx).is_ready() {
                if since.elapsed() >= PATIENCE {
                    return Poll::Ready(Ok(0));
                }
                patience.as_mut().reset(since + PATIENCE);
            }
            Poll::Pending
        })
        .await;
        match more {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Next::Nothing,
        }
        if !begun {
            since = Instant::now();
        }
    }
}
