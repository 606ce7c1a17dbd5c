//! What is remembered of a request between Pingora's phases.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderValue;
use sluice_plugins::Memory;

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
    /// How often connecting failed.
    pub(crate) failures: u16,
    /// The status of an answer that went past Pingora; 0 as long as there is none.
    pub(crate) answered: u16,
    /// Bytes of its body.
    pub(crate) sent: u64,
    /// The plugin that refused it, and whether for a limit.
    pub(crate) refused_by: Option<&'static str>,
    pub(crate) limited: bool,
    /// Whether its route counts it as under way.
    pub(crate) counted: bool,
    pub(crate) memory: Memory,
    pub(crate) under_way: UnderWay,
}

impl Ctx {
    /// Where the request goes.
    pub(crate) fn service(&self) -> Option<&ServiceView> {
        self.snapshot.routes[self.route?].service.as_deref()
    }

    /// Says in the log why the request failed.
    pub(crate) fn log(&self, error: &pingora_core::Error, status: u16) {
        let route = self.route.map(|at| self.snapshot.routes[at].name.as_str());
        let service = self.service().map(|service| service.name.as_str());
        // That clients go is ordinary.
        if *error.esource() == pingora_core::ErrorSource::Downstream {
            tracing::debug!(request_id = self.id.as_str(), client = %self.client_ip, status, %error, "a client is gone");
            return;
        }
        tracing::warn!(request_id = self.id.as_str(), route, service, client = %self.client_ip, status, %error, "a request failed");
    }
}
