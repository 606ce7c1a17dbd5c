//! The only implementation of Pingora's `ProxyHttp`: each phase is handed to the room that it belongs to.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{EXPECT, VIA};
use http::{StatusCode, Version};
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use sluice_config::Config;
use sluice_events::{Bus, Emitter, UpstreamError};
use sluice_plugins::{Memory, Reply, number};

use crate::answer;
use crate::answers;
use crate::balancer::{Tries, again, choose};
use crate::bodies::Bodies;
use crate::ctx::Ctx;
use crate::decide;
use crate::ended::{Ending, ended};
use crate::failure::reply_to;
use crate::forward::forward;
use crate::framing;
use crate::reply;
use crate::request_id::RequestId;
use crate::snapshot::{Live, Snapshot};
use crate::stream;
use crate::told::tell;
use crate::traffic::Traffic;
use crate::upgrade;
use crate::visit::Visit;

/// How long an idle connection of a client is kept.
pub(crate) const KEEPALIVE_SECONDS: u64 = 60;
/// How long what is left of a refused request's body is read, so that the connection can be used again.
const DRAIN: Duration = Duration::from_secs(5);

/// The proxy: what it serves is the snapshot in force. A clone is the same proxy.
#[derive(Clone)]
pub struct Gateway {
    live: Arc<Live>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) upstream_error: Emitter<UpstreamError>,
}

impl Gateway {
    /// A proxy of this snapshot and its successors.
    pub fn new(live: Arc<Live>, traffic: Arc<Traffic>, bus: &Arc<Bus>) -> Self {
        Self { live, traffic, upstream_error: bus.emitter() }
    }

    /// Answers a request that Pingora read.
    async fn reply(session: &mut Session, ctx: &mut Ctx, reply: Reply) -> Result<()> {
        session.set_total_drain_timeout(Some(DRAIN));
        if session.is_http2() {
            reply::write_stream(session, ctx, reply).await?;
            // A stream that ends while its client still sends is reset, and curl then believes nothing of the answer.
            return session.as_downstream_mut().drain_request_body().await.or(Ok(()));
        }
        // What the client has not said by now would be read as its next request.
        if !session.as_downstream_mut().is_body_done() {
            session.set_keepalive(None);
        }
        reply::write(&Visit::of(session)?, ctx, reply).await
    }

    /// A client that waits until it is told to go on with its body is told by the upstream. HTTP/2 cannot pass that on: of
    /// such an upstream it is told here.
    async fn let_go_on(session: &mut Session, ctx: &Ctx) -> Result<()> {
        let waits =
            session.req_header().headers.get(EXPECT).is_some_and(|said| said.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        if waits && ctx.service().is_some_and(|service| service.target.is_http2()) {
            session.write_continue_response().await?;
            session.req_header_mut().remove_header(&EXPECT);
        }
        Ok(())
    }

    /// What a new connection comes in under.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.live.load_full()
    }

    /// What is remembered of a new request.
    pub(crate) fn begin(&self) -> Box<Ctx> {
        Box::new(Ctx {
            snapshot: self.snapshot(),
            id: RequestId::new(),
            started: Instant::now(),
            upstream_started: None,
            waited: None,
            upstream: None,
            client_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            route: None,
            target: Bytes::new(),
            prefix: None,
            tries: Tries::default(),
            deadline: None,
            answered: 0,
            sent: 0,
            refused_by: None,
            limited: false,
            counted: false,
            upgrade: false,
            memory: Memory::default(),
            bodies: Bodies::default(),
            repeatable: false,
            under_way: self.traffic.begin(),
        })
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    // Boxed, since Pingora's futures move it about.
    type CTX = Box<Ctx>;

    fn new_ctx(&self) -> Box<Ctx> {
        self.begin()
    }

    fn init_downstream_modules(&self, _modules: &mut pingora_core::modules::http::HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<bool> {
        // Only if the client keeps the connection: without a time of ours it would be kept for ever.
        if session.get_keepalive().is_some() {
            let last = Visit::of(session)?.connection.is_some_and(|connection| connection.last);
            let keeps = !last && !framing::closes(session.req_header());
            session.set_keepalive(keeps.then_some(KEEPALIVE_SECONDS));
        }
        // It would take an early head for its answer.
        let old = session.req_header().version < Version::HTTP_11;
        session.as_downstream_mut().set_ignore_info_resp(old);
        let decided = match session.is_http2() {
            true => stream::decide(session, ctx, &self.traffic.complaints).await?,
            false => decide::decide(&Visit::of(session)?, ctx).await,
        };
        let Err(reply) = decided else {
            // A connection of HTTP/1 minds its own time; a stream that takes nothing is not its connection's to see.
            let of_stream = session.is_http2().then_some(ctx.snapshot.clients.body_timeout);
            session.set_write_timeout(of_stream);
            upgrade::prepare(session, ctx);
            Self::let_go_on(session, ctx).await?;
            return Ok(false);
        };
        Self::reply(session, ctx, reply).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<Box<HttpPeer>> {
        ctx.upstream_started.get_or_insert_with(Instant::now);
        choose(session.req_header(), ctx).await?;
        let left = ctx.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(late());
        }
        let service = ctx.service().ok_or_else(|| Error::new(ErrorType::InternalError))?;
        let address = ctx.tries.address().or_else(|| service.target.fixed());
        let peer = address.and_then(|address| service.target.peer((address, ctx.tries.server_name()), left));
        let mut peer = peer.ok_or_else(|| Error::new(ErrorType::InternalError))?;
        if ctx.upgrade {
            upgrade::suit(&mut peer);
        }
        ctx.upstream = peer._address.as_inet().copied();
        Ok(peer)
    }

    fn fail_to_connect(&self, _session: &mut Session, _peer: &HttpPeer, ctx: &mut Box<Ctx>, mut error: Box<Error>) -> Box<Error> {
        let retry = again(ctx, &error);
        error.set_retry(retry);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Box<Ctx>,
        client_reused: bool,
    ) -> Box<Error> {
        let mut error = upgrade::explained(error, session, ctx).more_context(format!("Peer: {peer}"));
        let waits = *error.esource() == ErrorSource::Upstream && *error.etype() == ErrorType::ReadTimedout;
        if waits && begun(session).is_none() && ctx.bodies.are_to_come() {
            // Nobody answers what was not said yet.
            error = slow("its body has not come in time");
        }
        let whole = !session.as_ref().retry_buffer_truncated();
        let may_be_sent_twice = ctx.repeatable && whole;
        error.retry.decide_reuse(client_reused);
        // A connection that was kept and turns out to be dead is no failure of the peer.
        let stale = may_be_sent_twice && error.retry();
        let fresh = ctx.answered == 0 && session.response_written().is_none();
        let retry = stale || (fresh && may_be_sent_twice && again(ctx, &error));
        error.set_retry(retry);
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Box<Ctx>,
    ) -> Result<()> {
        ctx.bodies.begin();
        forward(&Visit::of(session)?, request, ctx)?;
        // What the upstream sees counts, and a plugin may have chosen that.
        ctx.repeatable = request.method.is_idempotent();
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        part: &mut Option<Bytes>,
        last: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<()> {
        if !last && ctx.is_late() {
            return Err(slow("request_timeout is over before its body is"));
        }
        let Ctx { bodies, memory, snapshot, .. } = &mut **ctx;
        bodies.of_request(memory, snapshot.clients.max_body_size, part, last)?;
        // Pingora would write an empty last piece as a last chunk, and then the last chunk: what is too much would be
        // read as the beginning of somebody's next request.
        if last && part.as_ref().is_some_and(Bytes::is_empty) {
            *part = None;
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        part: &mut Option<Bytes>,
        last: bool,
        ctx: &mut Box<Ctx>,
    ) -> Result<Option<Duration>> {
        if !last && ctx.is_late() {
            return Err(late());
        }
        ctx.bodies.of_answer(part, last).map(|()| None)
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, ctx: &mut Box<Ctx>) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            framing::strip_hop_by_hop(response)?;
            framing::strip_ends(session.req_header(), response);
            return Ok(());
        }
        if response.status == StatusCode::SWITCHING_PROTOCOLS && !ctx.upgrade {
            return Err(upgrade::unasked());
        }
        // What the upstream speaks is between it and us.
        response.set_version(Version::HTTP_11);
        ctx.tries.answered(response.status.as_u16());
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // What it has become may last.
            ctx.deadline = None;
        } else {
            framing::strip_hop_by_hop(response)?;
        }
        if answers::may_change(ctx) {
            answers::of_pingora(session.req_header(), response, ctx)?;
        } else {
            reply::insert_all(response, &ctx.memory.response_headers)?;
        }
        if response.status != StatusCode::SWITCHING_PROTOCOLS {
            framing::strip_ends(session.req_header(), response);
            framing::suit_old_client(session, response);
        }
        for (name, millis) in answer::latencies(ctx) {
            response.insert_header(name, number(millis))?;
        }
        response.insert_header("X-Request-Id", ctx.id.header())?;
        if let Some(cookie) = ctx.tries.cookie.clone() {
            response.append_header("Set-Cookie", cookie)?;
        }
        match response.headers.contains_key(VIA) {
            true => response.append_header("Via", answer::VIA).map(drop),
            false => response.insert_header("Via", answer::VIA),
        }
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Box<Ctx>) -> FailToProxy {
        let begun = begun(session).is_some();
        ctx.has_failed(error, begun);
        let Some(reply) = reply_to(error) else { return FailToProxy { error_code: 0, can_reuse_downstream: false } };
        let error_code = reply.status.as_u16();
        if ctx.answered == 0 && !begun {
            tell(&self.upstream_error, error, error_code, ctx);
            session.set_keepalive(None);
            match Self::reply(session, ctx, reply).await {
                // Pingora just drops it, and what the client is still saying would take the answer back.
                Ok(()) if !session.is_http2() => session.as_downstream_mut().shutdown().await,
                Ok(()) => {}
                Err(error) => tracing::debug!(%error, "the client is gone"),
            }
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Box<Ctx>, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Box<Ctx>, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Box<Ctx>) {
        let status = begun(session).map_or(ctx.answered, |status| status.as_u16());
        if let Some(error) = error {
            ctx.log(&self.traffic.complaints, error, status);
        }
        // What went past Pingora, and what it knows of.
        let (received, sent) = (session.body_bytes_read() as u64, ctx.sent + session.body_bytes_sent() as u64);
        ended(&self.traffic, ctx, &Ending { request: session.req_header(), status, received, sent });
    }
}

/// The status of the answer that Pingora has begun to write. What comes before an answer is none.
fn begun(session: &Session) -> Option<StatusCode> {
    let status = session.response_written()?.status;
    Some(status).filter(|status| !status.is_informational() || *status == StatusCode::SWITCHING_PROTOCOLS)
}

/// The client takes longer to send its request than it may.
fn slow(why: &'static str) -> Box<Error> {
    let cause = io::Error::new(io::ErrorKind::TimedOut, why);
    Error::because(ErrorType::ReadTimedout, "reading the request", cause).into_down()
}

/// The request has had all the time that its service gives.
pub(crate) fn late() -> Box<Error> {
    Error::explain(ErrorType::ReadTimedout, "request_timeout is over").into_up()
}

/// Pingora's settings for a configuration.
pub fn service_conf(config: &Config) -> ServerConf {
    let threads = config.server.threads;
    ServerConf {
        threads: if threads > 0 { threads } else { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) },
        work_stealing: false,
        upstream_keepalive_pool_size: 1024,
        grace_period_seconds: Some(config.server.shutdown_timeout.as_secs() + 2),
        graceful_shutdown_timeout_seconds: Some(0),
        max_retries: 64,
        ..ServerConf::default()
    }
}
