//! The only implementation of Pingora's `ProxyHttp`: each phase is handed to the room that it belongs to.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, VIA};
use http::{StatusCode, Version};
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use sluice_config::Config;
use sluice_plugins::{Cx, Flow, Memory, Reply};
use smallvec::SmallVec;

use crate::answer;
use crate::client_ip::client_ip as client_ip_behind;
use crate::ctx::Ctx;
use crate::exchange;
use crate::failure::reply_to;
use crate::forward::{forward, peer_ip};
use crate::framing;
use crate::normalise::normalise;
use crate::reply;
use crate::request_id::RequestId;
use crate::router::Target;
use crate::snapshot::Live;
use crate::target::upstream_path;
use crate::traffic::Traffic;

/// How long an idle connection of a client is kept.
const KEEPALIVE_SECONDS: u64 = 60;
/// How long what is left of a refused request's body is read, so that the connection can be used again.
const DRAIN: Duration = Duration::from_secs(5);

/// The proxy: what it serves is the snapshot in force.
pub struct Gateway {
    live: Arc<Live>,
    traffic: Arc<Traffic>,
}

impl Gateway {
    /// A proxy of this snapshot and its successors.
    pub fn new(live: Arc<Live>, traffic: Arc<Traffic>) -> Self {
        Self { live, traffic }
    }

    /// Finds the route, asks its plugins, and prepares what the upstream will see; or says what to answer instead.
    fn decide(session: &Session, ctx: &mut Ctx) -> Flow {
        let Ctx { snapshot, client_ip, memory, route: chosen, target, prefix, .. } = ctx;
        let request = session.req_header().as_ref();
        if let Some(peer) = peer_ip(session) {
            *client_ip = client_ip_behind(peer, &request.headers, &snapshot.trusted_proxies);
        }
        if let Some(reply) = framing::refuse(request) {
            return Flow::Respond(reply);
        }
        let path = normalise(request.uri.path());
        let host = host_of(request);
        let Some(found) = snapshot.router.find(Target { host: &host, path: &path, method: &request.method }) else {
            return Flow::Respond(Reply::error(StatusCode::NOT_FOUND, "no Route matched with those values"));
        };
        let route = &snapshot.routes[found.route];
        *chosen = Some(found.route);
        let service = route.service.as_ref();
        if snapshot.has_plugins(route) {
            let service = service.map(|service| &service.entity);
            let mut cx = Cx { request, path: &path, client_ip: *client_ip, route: &route.entity, service, memory };
            if let Flow::Respond(reply) = route.chain.on_request(&snapshot.consumers, &mut cx) {
                return Flow::Respond(reply);
            }
        }
        let Some(service) = service else {
            return Flow::Respond(Reply::error(StatusCode::SERVICE_UNAVAILABLE, "no Service found with those values"));
        };
        if route.strip_path && found.prefix > 1 {
            *prefix = HeaderValue::from_str(&path[..found.prefix]).ok();
        }
        let mut upstream = upstream_path(service.path.as_deref(), &path, route.strip_path, found.prefix);
        if let Some(query) = request.uri.query() {
            upstream.push('?');
            upstream.push_str(query);
        }
        *target = Bytes::from(upstream);
        Flow::Continue
    }
}

/// The host that a request is for, in lower case and without its port.
fn host_of(request: &http::request::Parts) -> Cow<'_, str> {
    let header = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let said = header.or_else(|| request.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let host = match said.rsplit_once(':') {
        // The colons of an IPv6 address stand between brackets.
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => said,
    };
    if host.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }
}

#[async_trait]
impl ProxyHttp for Gateway {
    // Boxed, since Pingora's futures move it about.
    type CTX = Box<Ctx>;

    fn new_ctx(&self) -> Box<Ctx> {
        Box::new(Ctx {
            snapshot: self.live.load_full(),
            id: RequestId::new(),
            started: Instant::now(),
            upstream_started: None,
            client_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            route: None,
            target: Bytes::new(),
            prefix: None,
            failures: 0,
            answered: 0,
            memory: Memory::default(),
            _under_way: self.traffic.begin(),
        })
    }

    fn init_downstream_modules(&self, _modules: &mut pingora_core::modules::http::HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Box<Ctx>) -> Result<bool> {
        // Only if the client keeps the connection: without a time of ours it would be kept for ever.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(KEEPALIVE_SECONDS));
        }
        match Self::decide(session, ctx) {
            Flow::Continue
                if ctx.service().is_some_and(|service| service.target.is_plain()) && exchange::fits(session.req_header()) =>
            {
                exchange::exchange(session, ctx).await?;
                Ok(true)
            }
            Flow::Continue => Ok(false),
            Flow::Respond(reply) => {
                session.set_total_drain_timeout(Some(DRAIN));
                reply::write(session, ctx, reply).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Box<Ctx>) -> Result<Box<HttpPeer>> {
        ctx.upstream_started = Some(Instant::now());
        let service = ctx.service().ok_or_else(|| Error::new(ErrorType::InternalError))?;
        service.target.peer().await.map_err(|error| {
            tracing::warn!(service = service.name, %error, "name resolution failed");
            Error::because(ErrorType::HTTPStatus(503), "name resolution failed", error)
        })
    }

    fn fail_to_connect(&self, _session: &mut Session, _peer: &HttpPeer, ctx: &mut Box<Ctx>, mut error: Box<Error>) -> Box<Error> {
        let retries = ctx.service().map_or(0, |service| service.retries);
        ctx.failures += 1;
        error.set_retry(ctx.failures <= retries);
        error
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Box<Ctx>,
    ) -> Result<()> {
        forward(session, request, ctx)
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, ctx: &mut Box<Ctx>) -> Result<()> {
        if response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(());
        }
        // What the upstream speaks is between it and us.
        response.set_version(Version::HTTP_11);
        if response.status != StatusCode::SWITCHING_PROTOCOLS {
            framing::strip_hop_by_hop(response);
            framing::suit_old_client(session, response);
        }
        reply::insert_all(response, std::mem::take(&mut ctx.memory.response_headers))?;
        let mut ours = SmallVec::<[_; 3]>::new();
        answer::on_the_way(ctx, |name, value| ours.push((name, value)));
        ours.into_iter().try_for_each(|(name, value)| response.insert_header(name, value))?;
        match response.headers.contains_key(VIA) {
            true => response.append_header("Via", HeaderValue::from_static("1.1 sluice")).map(drop),
            false => response.insert_header("Via", HeaderValue::from_static("1.1 sluice")),
        }
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Box<Ctx>) -> FailToProxy {
        let Some(reply) = reply_to(error) else { return FailToProxy { error_code: 0, can_reuse_downstream: false } };
        let error_code = reply.status.as_u16();
        if ctx.answered == 0 && session.response_written().is_none() {
            session.set_keepalive(None);
            if let Err(error) = reply::write(session, ctx, reply).await {
                tracing::debug!(%error, "the client is gone");
            }
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Box<Ctx>, _error: &Error) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Box<Ctx>) {
        let Some(error) = error else { return };
        let route = ctx.route.map(|at| &ctx.snapshot.routes[at]);
        let service = route.and_then(|route| route.service.as_ref()).map(|service| service.name.as_str());
        let route = route.map(|route| route.name.as_str());
        let status = session.response_written().map_or(ctx.answered, |head| head.status.as_u16());
        tracing::warn!(request_id = ctx.id.as_str(), route, service, client = %ctx.client_ip, status, %error, "a request failed");
    }
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
