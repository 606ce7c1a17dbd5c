//! What is remembered of a request between Pingora's phases.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use sluice_plugins::Memory;

use crate::balancer::Tries;
use crate::bodies::Bodies;
use crate::complaints::Complaints;
use crate::failure::offence;
use crate::request_id::RequestId;
use crate::snapshot::{ServiceView, Snapshot};
use crate::traffic::UnderWay;

/// One request on its way.
pub struct Ctx {
    /// The configuration that this request lives under from start to end.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) id: RequestId,
    pub(crate) started: Instant,
    pub(crate) upstream_started: Option<Instant>,
    /// How long the upstream took to begin its answer.
    pub(crate) waited: Option<Duration>,
    /// The upstream that was asked last.
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) client_ip: IpAddr,
    /// The position of the route, once found.
    pub(crate) route: Option<usize>,
    /// The path and query that the upstream sees.
    pub(crate) target: Bytes,
    /// The part of the path that was taken off.
    pub(crate) prefix: Option<HeaderValue>,
    /// What was tried of its service.
    pub(crate) tries: Tries,
    /// When its service gives it no more time.
    pub(crate) deadline: Option<Instant>,
    /// The status of an answer that went past Pingora; 0 as long as there is none.
    pub(crate) answered: u16,
    /// Bytes of its body.
    pub(crate) sent: u64,
    /// The plugin that refused it, and whether for a limit.
    pub(crate) refused_by: Option<&'static str>,
    pub(crate) limited: bool,
    /// Whether its route counts it as under way.
    pub(crate) counted: bool,
    /// It asks for an upgrade that is passed on.
    pub(crate) upgrade: bool,
    pub(crate) memory: Memory,
    pub(crate) bodies: Bodies,
    /// The upstream may be sent twice what it was sent.
    pub(crate) repeatable: bool,
    pub(crate) under_way: UnderWay,
}

impl Ctx {
    /// Where the request goes.
    pub(crate) fn service(&self) -> Option<&ServiceView> {
        self.snapshot.routes[self.route?].service.as_deref()
    }

    /// Whether a plugin needs the request or the answer as a whole.
    pub(crate) fn is_needed_whole(&self) -> bool {
        self.route.is_some_and(|at| self.snapshot.works_on_wholes(&self.snapshot.routes[at]))
    }

    /// Whether its service gives it no more time.
    pub(crate) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Counts the failure against the target, unless time ran out while it answered: that may be the client's doing.
    pub(crate) fn has_failed(&mut self, error: &pingora_core::Error, begun: bool) {
        if !(begun && self.is_late()) {
            self.tries.failed(error);
        }
    }

    /// Says in the log why the request failed.
    pub(crate) fn log(&self, complaints: &Complaints, error: &pingora_core::Error, status: u16) {
        if let Some(reason) = offence(error) {
            return complaints.tell(self.client_ip, reason, error);
        }
        let route = self.route.map(|at| self.snapshot.routes[at].name.as_str());
        let service = self.service().map(|service| service.name.as_str());
        // That clients go is ordinary.
        if *error.esource() == pingora_core::ErrorSource::Downstream {
            tracing::debug!(request_id = self.id.as_str(), client = %self.client_ip, status, %error, "a client is gone");
            return;
        }
        let shown = self.tries.shown().or_else(|| self.service().map(|service| service.target.shown()));
        let upstream = shown.as_deref();
        tracing::warn!(request_id = self.id.as_str(), route, service, upstream, client = %self.client_ip, status, %error, "a request failed");
    }
}
