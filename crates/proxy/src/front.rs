//! The way in: plain requests are served here, one after the other; everything else is handed to Pingora.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use http::Method;
use http::request::Parts;
use pingora_core::Error;
use pingora_core::apps::{HttpServerApp, HttpServerOptions, ServerApp};
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::protocols::{ALPN, Shutdown, Ssl, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use sluice_plugins::Reply;
use tokio::time::sleep;

use crate::arrival::{Next, next};
use crate::bad::Bad;
use crate::caller::Caller;
use crate::client_ip::is_trusted;
use crate::connection::Connection;
use crate::crowd::{Crowd, Place};
use crate::ctx::Ctx;
use crate::decide;
use crate::doors::Refused;
use crate::ended::{Ending, ended};
use crate::exchange::exchange;
use crate::extent::Extent;
use crate::failure::reply_to;
use crate::plain;
use crate::reply;
use crate::service::{Gateway, KEEPALIVE_SECONDS};
use crate::told::tell;
use crate::traffic::Open;
use crate::visit::Visit;

/// How much h2 holds of an answer that its client does not take, beside the 600 KiB that Pingora does.
const SEND_BUFFER: usize = 64 * 1024;

/// What Pingora's listeners hand connections to.
pub struct Front {
    gateway: Gateway,
    /// Told, some time after a stop began, that connections which had nothing to say since are closed.
    leave: ShutdownWatch,
    pingora: Arc<HttpProxy<Gateway>>,
    /// The same for who has flooded lately.
    wary: Arc<HttpProxy<Gateway>>,
    crowd: Arc<Crowd>,
    /// How many connections there may be if the configuration does not say.
    most: usize,
}

/// What became of a plain request.
enum Served {
    /// It was answered; whether the connection can have another one.
    Answered(bool),
    /// Nothing was done: its upstream is Pingora's to speak to, or a plugin needs more than the short way has.
    Refused,
}

impl Front {
    /// The way in to this gateway, for as many connections if the configuration does not say how many. When it stops,
    /// answers tell clients to go, and `leave` that whoever had nothing more to ask is sent away.
    pub fn new(conf: &Arc<ServerConf>, gateway: Gateway, leave: ShutdownWatch, most: usize) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        options.h2_idle_timeout = Some(gateway.snapshot().clients.keepalive_timeout);
        let with = |streams| {
            let mut pingora = pingora_proxy::http_proxy(conf, gateway.clone());
            pingora.server_options = Some(options.clone());
            pingora.h2_options = Some(streams);
            Arc::new(pingora)
        };
        let mut few = streams();
        few.max_concurrent_streams(FEW_STREAMS);
        let (pingora, wary) = (with(streams()), with(few));
        Self { pingora, wary, gateway, leave, crowd: Arc::default(), most }
    }

    /// Lets a connection in, if there is room, as its listener says.
    async fn let_in(&self, stream: Stream) -> Option<(Connection, Place)> {
        let snapshot = self.gateway.snapshot();
        let (clients, peer) = (snapshot.clients, Caller::peer(&stream));
        let most = if clients.max_connections == 0 { self.most } else { clients.max_connections };
        let place = self.crowd.enter(most);
        let of = |mut place: Place, ip| place.is_of(ip, clients.max_connections_per_ip).then_some(place);
        let Some(door) = snapshot.doors.of(&stream) else {
            return self.seat(Connection::new(stream, None, clients), place.and_then(|place| of(place, peer))).await;
        };
        // Behind a proxy it is not known yet whose connection it is.
        let place = place.and_then(|place| if door.proxy_protocol { Some(place) } else { of(place, peer) });
        let Some(place) = place else {
            // Nobody would understand an answer.
            self.gateway.traffic.complaints.tell(peer, Bad::CROWDED.reason, Bad::CROWDED.why);
            return None;
        };
        match door.enter(stream, &snapshot.trusted_proxies, clients).await {
            Ok(connection) if door.proxy_protocol => {
                let place = of(place, connection.caller.peer);
                self.seat(connection, place).await
            }
            Ok(connection) => Some((connection, place)),
            Err(refused) => {
                if matches!(refused, Refused::Handshake(_)) {
                    self.gateway.traffic.handshake_failed();
                }
                tracing::debug!(%refused, "a connection did not come in");
                None
            }
        }
    }

    /// Gives a connection its place, or tells it that there is none.
    async fn seat(&self, connection: Connection, place: Option<Place>) -> Option<(Connection, Place)> {
        if place.is_none() {
            self.refuse(&connection, &Bad::CROWDED).await;
        }
        place.map(|place| (connection, place))
    }

    /// Answers what is no request.
    async fn refuse(&self, connection: &Connection, bad: &Bad) {
        let caller = &*connection.caller;
        let mut request = http::Request::new(()).into_parts().0;
        // As the access log shows what is not known.
        request.method = Method::from_bytes(b"-").unwrap_or_default();
        let visit = Visit { request: &request, caller, connection: Some(connection), keep: false, shutdown: None };
        let mut ctx = self.gateway.begin();
        ctx.client_ip = caller.peer;
        self.gateway.traffic.complaints.tell(caller.peer, bad.reason, bad.why);
        if let Err(error) = reply::write(&visit, &mut ctx, Reply::error(bad.status, bad.message())).await {
            tracing::debug!(%error, "the client is gone");
        }
        ended(&self.gateway.traffic, &ctx, &Ending { request: &request, status: ctx.answered, received: 0, sent: ctx.sent });
    }

    /// Serves a request.
    async fn serve(&self, request: &Parts, connection: &Connection, shutdown: &ShutdownWatch) -> Served {
        let keep = !connection.last && plain::stays(request);
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
            ctx.log(&self.gateway.traffic.complaints, &error, ctx.answered);
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
    async fn hand_over_all(&self, mut connection: Box<Connection>, shutdown: &ShutdownWatch) {
        let many = is_trusted(connection.caller.peer, &self.gateway.snapshot().trusted_proxies);
        let has_flooded = connection.share(&self.gateway.traffic, many);
        let pingora = if has_flooded { &self.wary } else { &self.pingora };
        pingora.process_new(connection, shutdown).await;
    }
    /// Serves a connection from its beginning to its end. What an idle one has no need of has its own place in memory.
    async fn receive(&self, stream: Stream, open: Open, shutdown: &ShutdownWatch) -> Option<()> {
        let (connection, _place) = Box::pin(self.let_in(stream)).await?;
        let mut connection = Box::new(connection);
        open.came_in(connection.caller.tls.is_some());
        if matches!(connection.selected_alpn_proto(), Some(ALPN::H2)) {
            self.hand_over_all(connection, shutdown).await;
            return None;
        }
        let mut timer = pin!(sleep(connection.clients.keepalive_timeout));
        let mut told = self.leave.clone();
        let mut leave = pin!(told.changed());
        // Whoever is told once is woken for good.
        poll_fn(|cx| Poll::Ready(leave.as_mut().poll(cx).is_ready())).await;
        let mut left = connection.clients.keepalive_requests;
        while left > 0 {
            left -= 1;
            connection.last = left == 0;
            match next(&mut connection, timer.as_mut(), &self.leave).await {
                Next::Plain(request, bytes) => match self.serve(&request, &connection, shutdown).await {
                    Served::Answered(true) => {}
                    Served::Answered(false) => break,
                    Served::Refused => {
                        let extent = Extent::Bytes(bytes.len() as u64);
                        connection.put_back(&bytes);
                        connection = Box::pin(self.hand_over(connection, extent, shutdown)).await?;
                    }
                },
                Next::Other(extent) => connection = Box::pin(self.hand_over(connection, extent, shutdown)).await?,
                Next::Streams => {
                    self.hand_over_all(connection, shutdown).await;
                    return None;
                }
                Next::Bad(bad) => {
                    connection.is_refused = true;
                    Box::pin(self.refuse(&connection, &bad)).await;
                    break;
                }
                Next::Nothing => return None,
            }
        }
        connection.shutdown().await;
        None
    }
}

/// How many streams may be given up before anybody has looked at them. Left to itself it is 20, and a client that gives up
/// hundreds at once on a busy machine would be cut off; what is too many `allowance.rs` says, long before this.
const RESET_UNSEEN: usize = 1000;

/// How many streams somebody may have at once who has flooded lately: all that he begins at once are work for everybody else.
const FEW_STREAMS: u32 = 10;

/// What HTTP/2 is let to be: Pingora's limits (100 streams, as few as RFC 9113 asks for, and 64 KiB of headers), and less
/// to be held.
fn streams() -> H2Options {
    let mut options = default_h2_options();
    options.max_send_buffer_size(SEND_BUFFER);
    options.max_pending_accept_reset_streams(RESET_UNSEEN);
    options
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let open = self.gateway.traffic.accept();
        let (front, shutdown) = (self.clone(), shutdown.clone());
        // In a task of our own: the listener's has room for a handshake of Pingora's, 9 KiB, as long as it lives.
        tokio::spawn(async move { front.receive(stream, open, &shutdown).await });
        None
    }

    async fn cleanup(&self) {
        // Pingora drops requests then that it has not read yet. A sender that is gone means the same.
        let _ = self.leave.clone().wait_for(|leave| *leave).await;
        tokio::join!(self.pingora.cleanup(), self.wary.cleanup());
    }
}
