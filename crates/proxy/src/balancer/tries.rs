//! What a request tries: one peer after the other, each given back on whatever way the request leaves it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::request::Parts;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use sluice_config::CheckType;

use super::Address;
use super::hash_key::key_of;
use super::health::Seen;
use super::peer::{Peer, State};
use super::upstream::Upstream;
use crate::ctx::Ctx;
use crate::failure::{LOST, NO_PEER};

/// What a peer is held to have taken at least that failed: one that fails fast is not fast.
const FAILED: Duration = Duration::from_secs(1);

/// The tries of a request.
#[derive(Default)]
pub(crate) struct Tries {
    now: Option<Attempt>,
    /// Those that failed.
    had: Vec<Arc<State>>,
    last: Option<Arc<Peer>>,
    /// How the last of them did.
    failed_as: Option<ErrorType>,
    /// How many failed.
    pub failures: u16,
    /// What the request is known by where keys are hashed, once that was asked for.
    key: Option<Option<u64>>,
    /// What the client is given to be known by.
    pub cookie: Option<HeaderValue>,
}

/// A request at a peer.
struct Attempt {
    upstream: Arc<Upstream>,
    peer: Arc<Peer>,
    begun: Instant,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.peer.state.end();
    }
}

/// Chooses the peer for the next try. A service that has but one address has nothing to choose.
pub(crate) async fn choose(request: &Parts, ctx: &mut Ctx) -> Result<()> {
    let service = ctx.service().ok_or_else(|| Error::new(ErrorType::InternalError))?;
    let Some(upstream) = service.target.upstream().cloned() else { return Ok(()) };
    if !upstream.known(service.connect_timeout).await && upstream.is_lost() {
        return Err(Error::explain(LOST, upstream.name.clone()));
    }
    if let (Some(hashing), None) = (&upstream.hash, ctx.tries.key) {
        let (key, cookie) = key_of(hashing, request, ctx);
        (ctx.tries.key, ctx.tries.cookie) = (Some(key), cookie);
    }
    let peer = upstream.peers().pick(ctx.tries.key.flatten(), &ctx.tries.had).cloned();
    // Whoever has been at one peer is told what came of that.
    let none = || match ctx.tries.failed_as.clone() {
        Some(kind) => Error::explain(kind, "nobody else is healthy").into_up(),
        None => Error::explain(NO_PEER, upstream.name.clone()),
    };
    let peer = peer.ok_or_else(none)?;
    peer.state.begin();
    ctx.tries.last = Some(peer.clone());
    ctx.tries.now = Some(Attempt { upstream, peer, begun: Instant::now() });
    Ok(())
}

/// Whether a request that failed so is tried again: as often as its service allows, if the failure is the connection's
/// or comes of waiting. That it may be sent twice, or was not sent at all, is for the caller to say.
pub(crate) fn again(ctx: &mut Ctx, error: &Error) -> bool {
    let chosen = ctx.tries.now.is_some() || ctx.service().is_some_and(|service| service.target.fixed().is_some());
    ctx.tries.failed(error);
    ctx.tries.failures = ctx.tries.failures.saturating_add(1);
    let retries = ctx.service().map_or(0, |service| service.retries);
    let in_time = !ctx.is_late();
    tracing::debug!(request_id = ctx.id.as_str(), %error, "a try has failed");
    chosen && *error.esource() == ErrorSource::Upstream && is_transient(error) && in_time && ctx.tries.failures <= retries
}

fn is_transient(error: &Error) -> bool {
    use ErrorType::{
        BindError, ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, ConnectionClosed, HandshakeError, InvalidCert,
        ReadError, ReadTimedout, SocketError, TLSHandshakeFailure, TLSHandshakeTimedout, WriteError, WriteTimedout,
    };
    matches!(
        error.etype(),
        BindError
            | ConnectError
            | ConnectNoRoute
            | ConnectRefused
            | ConnectTimedout
            | ConnectionClosed
            | HandshakeError
            | InvalidCert
            | ReadError
            | ReadTimedout
            | SocketError
            | TLSHandshakeFailure
            | TLSHandshakeTimedout
            | WriteError
            | WriteTimedout
    )
}

impl Tries {
    /// The address that was chosen.
    pub fn address(&self) -> Option<&Address> {
        self.now.as_ref().map(|now| &now.peer.address)
    }

    /// What the peer sees as Host; none if nothing was chosen, or it has no name.
    pub fn authority(&self, tls: bool) -> Option<&HeaderValue> {
        let now = self.now.as_ref()?;
        now.upstream.host_header.as_ref().or_else(|| now.peer.authority(tls))
    }

    /// The name that the peer's certificate must have.
    pub fn server_name(&self) -> Option<&str> {
        let now = self.now.as_ref()?;
        Some(now.upstream.server_name(&now.peer))
    }

    /// The address of the last try, as people read it.
    pub fn shown(&self) -> Option<String> {
        self.last.as_ref().map(|peer| peer.address.to_string())
    }

    /// The peer has answered.
    pub fn answered(&self, status: u16) {
        let Some(Attempt { upstream, peer, begun }) = &self.now else { return };
        peer.state.latency.observe(peer.state.now(), begun.elapsed());
        let passive = &upstream.healthchecks.passive;
        if !upstream.is_watched() || passive.kind == CheckType::Tcp {
            return;
        }
        if passive.healthy.http_statuses.contains(&status) {
            upstream.count(peer, Seen::Success, passive.healthy.successes);
        } else if passive.unhealthy.http_statuses.contains(&status) {
            upstream.count(peer, Seen::HttpFailure, passive.unhealthy.http_failures);
        }
    }

    /// The peer has failed: the next try is another's.
    pub fn failed(&mut self, error: &Error) {
        if *error.esource() != ErrorSource::Upstream {
            return;
        }
        let Some(attempt) = self.now.take() else { return };
        let Attempt { upstream, peer, begun } = &attempt;
        peer.state.latency.observe(peer.state.now(), begun.elapsed().max(FAILED));
        let unhealthy = &upstream.healthchecks.passive.unhealthy;
        use ErrorType::{ConnectTimedout, ReadTimedout, TLSHandshakeTimedout, WriteTimedout};
        match error.etype() {
            ConnectTimedout | ReadTimedout | TLSHandshakeTimedout | WriteTimedout => {
                upstream.count(peer, Seen::Timeout, unhealthy.timeouts);
            }
            _ => upstream.count(peer, Seen::TcpFailure, unhealthy.tcp_failures),
        }
        self.had.push(peer.state.clone());
        self.failed_as = Some(error.etype().clone());
    }
}
