//! How targets are, as the Admin API asks for it; and what watches them beside the proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use sluice_admin::{AddressHealth, TargetHealth, UpstreamHealth};
use sluice_proxy::{Live, NameServers, Snapshot, resolve_names, watch_targets};

use crate::stop::begun;

/// Looks up names, and asks targets how they are.
pub struct Targets {
    pub live: Arc<Live>,
    pub servers: Arc<NameServers>,
}

#[async_trait]
impl BackgroundService for Targets {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = begun(&mut shutdown) => {}
            () = resolve_names(self.live.clone(), self.servers.clone()) => {}
            () = watch_targets(self.live.clone()) => {}
        }
    }
}

/// Whom the gateway asks for names: the servers that are written, or those of the system, and the system itself.
pub fn name_servers(written: &[SocketAddr]) -> NameServers {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let hosts = hosts.lines().flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1));
    let hosts = hosts.map(str::to_ascii_lowercase).collect();
    if !written.is_empty() {
        return NameServers { servers: written.to_vec(), hosts, system: false };
    }
    let settings = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = settings.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    NameServers { servers: named.map(|ip| SocketAddr::new(ip, 53)).collect(), hosts, system: true }
}

/// How an upstream is, in the words of the Admin API.
pub fn upstream_health(snapshot: &Snapshot, name: &str) -> Option<UpstreamHealth> {
    let report = snapshot.upstream(name)?;
    let targets = report.targets.into_iter().map(|target| {
        let addresses = target.addresses.into_iter();
        let addresses = addresses.map(|one| AddressHealth { ip: one.ip, port: one.port, healthy: one.healthy });
        TargetHealth { target: target.target, lost: target.lost, addresses: addresses.collect() }
    });
    Some(UpstreamHealth { healthy: report.healthy, watched: report.watched, targets: targets.collect() })
}
