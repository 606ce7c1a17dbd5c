//! Asks targets how they are, as `healthchecks.active` has it: the healthy ones from time to time, the others too.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pingora_core::connectors::TransportConnector;
use pingora_core::connectors::http::v1::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use sluice_config::{Active, CheckType};

use super::health::Seen;
use super::peer::Peer;
use super::upstream::Upstream;
use crate::snapshot::Live;

/// A reload is noticed after this long at the latest.
const LOOK: Duration = Duration::from_millis(200);
/// However near the next check is.
const PAUSE: Duration = Duration::from_millis(5);

/// Watches the targets of the configurations in force; it has no end.
pub async fn watch_targets(live: Arc<Live>) {
    let connectors = Arc::new((TransportConnector::new(None), Connector::new(None)));
    loop {
        let mut next = LOOK;
        for upstream in live.load_full().upstreams.named() {
            let peers = upstream.peers();
            // Somebody who still had the configuration before has changed something.
            if peers.is_stale() {
                upstream.refresh();
            }
            let Some(active) = upstream.active() else { continue };
            for peer in peers.all.iter().filter(|peer| peer.weight > 0) {
                let left = peer.state.until_check();
                let every = if peer.state.health.is_healthy() { active.healthy.interval } else { active.unhealthy.interval };
                if every.0 <= 0.0 {
                    continue;
                }
                if left.is_zero() && !peer.state.checking.swap(true, Ordering::AcqRel) {
                    tokio::spawn(check(upstream.clone(), peer.clone(), connectors.clone()));
                }
                next = next.min(left.max(PAUSE));
            }
        }
        tokio::time::sleep(next).await;
    }
}

/// Asks a peer once, when there is a place for it, and says when it is asked again.
async fn check(upstream: Arc<Upstream>, peer: Arc<Peer>, connectors: Arc<(TransportConnector, Connector)>) {
    let _done = Done(&peer);
    let Some(active) = upstream.active() else { return };
    let Ok(_place) = upstream.places.acquire().await else { return };
    let asked = tokio::time::timeout(active.timeout.duration(), ask(&upstream, &peer, &connectors)).await;
    let asked = asked.unwrap_or_else(|_| Err(Error::new(ErrorType::ReadTimedout)));
    let unhealthy = &active.unhealthy;
    match asked {
        Ok(None) => upstream.count(&peer, Seen::Success, active.healthy.successes),
        Ok(Some(status)) if active.healthy.http_statuses.contains(&status) => {
            upstream.count(&peer, Seen::Success, active.healthy.successes);
        }
        Ok(Some(status)) if unhealthy.http_statuses.contains(&status) => {
            upstream.count(&peer, Seen::HttpFailure, unhealthy.http_failures);
        }
        Ok(Some(_)) => {}
        Err(error) => {
            tracing::debug!(upstream = upstream.name, address = %peer.address, %error, "a check has failed");
            let late = matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::ConnectTimedout);
            let (seen, limit) =
                if late { (Seen::Timeout, unhealthy.timeouts) } else { (Seen::TcpFailure, unhealthy.tcp_failures) };
            upstream.count(&peer, seen, limit);
        }
    }
    let every = if peer.state.health.is_healthy() { active.healthy.interval } else { active.unhealthy.interval };
    peer.state.check_after(every.duration());
}

/// Lets the next check of a peer come, on whatever way this one ends.
struct Done<'a>(&'a Peer);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.state.checking.store(false, Ordering::Release);
    }
}

/// The status of the answer; none if a connection is all that was asked for.
async fn ask(upstream: &Upstream, peer: &Peer, connectors: &(TransportConnector, Connector)) -> Result<Option<u16>> {
    let active = &upstream.healthchecks.active;
    let (transport, http) = connectors;
    let target = peer_of(upstream, peer).ok_or_else(|| Error::new(ErrorType::InternalError))?;
    if active.kind == CheckType::Tcp {
        return transport.new_stream(&target).await.map(|_| None);
    }
    let (mut session, _) = http.get_http_session(&target).await?;
    session.write_request_header(Box::new(request(upstream, peer, active)?)).await?;
    session.read_response().await?;
    // The connection is not kept: that a new one comes about is part of what is asked.
    Ok(session.get_status().map(|status| status.as_u16()))
}

fn peer_of(upstream: &Upstream, peer: &Peer) -> Option<HttpPeer> {
    let active = &upstream.healthchecks.active;
    let name = active.https_sni.as_deref().unwrap_or_else(|| upstream.server_name(peer));
    // Its address is set below: the constructor is for those of the network alone.
    let nowhere = std::net::SocketAddr::from(([0, 0, 0, 0], peer.port));
    let mut target = HttpPeer::new(nowhere, active.kind == CheckType::Https, name.to_owned());
    target._address = peer.address.known()?;
    if let Some(tls) = &upstream.check_tls {
        tls.apply(&mut target);
    }
    target.options.verify_cert = active.https_verify_certificate;
    target.options.verify_hostname = active.https_verify_certificate;
    Some(target)
}

fn request(upstream: &Upstream, peer: &Peer, active: &Active) -> Result<RequestHeader> {
    let mut request = RequestHeader::build("GET", active.http_path.as_bytes(), None)?;
    let host = upstream.host_header.as_ref().or_else(|| peer.authority(active.kind == CheckType::Https));
    match host {
        Some(host) => request.insert_header("Host", host)?,
        None => request.insert_header("Host", &upstream.name)?,
    }
    request.insert_header("User-Agent", concat!("sluice/", env!("CARGO_PKG_VERSION"), " (health check)"))?;
    request.insert_header("Connection", "close")?;
    for (name, values) in &active.headers {
        request.remove_header(name.as_str());
        for value in values {
            request.append_header(name.clone(), value)?;
        }
    }
    Ok(request)
}
