//! What the gateway needs: entities in Kong's shape, with defaults filled in and references resolved.

mod access_log;
mod admin;
mod certificate;
mod clients;
mod consumer;
mod event_hook;
mod healthchecks;
mod plugin;
mod route;
mod server;
mod service;
mod upstream;

pub use access_log::{AccessLog, AccessLogFormat};
pub use admin::{Admin, AdminToken, ListenAt};
pub use certificate::{CaCertificate, Certificate, Sni};
pub use clients::Clients;
pub use consumer::{Consumer, ConsumerGroup, CredentialEntry};
pub use event_hook::{EventHook, EventName, Format};
pub use healthchecks::{
    Active, ActiveHealthy, ActiveUnhealthy, CheckType, Healthchecks, Passive, PassiveHealthy, PassiveUnhealthy,
};
pub use plugin::{PluginEntry, Scope};
pub use route::{PathHandling, Route, RouteProtocol, Source as RouteSource};
pub use server::{ClientAuth, ClientIpHeader, Egress, Hooks, Limits, Server, TlsListener, TlsVersion};
pub use service::{Protocol, Service, UpstreamTls};
pub(crate) use upstream::is_host_name;
pub use upstream::{Algorithm, HashInput, HashOn, Target, TargetPlace, Upstream};

use std::path::{Path, PathBuf};

/// A whole configuration.
#[derive(Clone)]
pub struct Config {
    /// How the proxy listens and runs.
    pub server: Server,
    /// What all limits share.
    pub limits: Limits,
    /// What all event hooks share.
    pub hooks: Hooks,
    /// The Admin API.
    pub admin: Admin,
    /// The access log.
    pub access_log: AccessLog,
    /// Upstream services, in the order of the file.
    pub services: Vec<Service>,
    /// Upstreams, in the order of the file.
    pub upstreams: Vec<Upstream>,
    /// The targets of all upstreams, in the order of the file.
    pub targets: Vec<Target>,
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Consumers, in the order of the file.
    pub consumers: Vec<Consumer>,
    /// Groups of consumers, in the order of the file.
    pub consumer_groups: Vec<ConsumerGroup>,
    /// Certificates, in the order of the file.
    pub certificates: Vec<Certificate>,
    /// The names that they are served for.
    pub snis: Vec<Sni>,
    /// Authorities, in the order of the file.
    pub ca_certificates: Vec<CaCertificate>,
    /// Plugins of every scope.
    pub plugins: Vec<PluginEntry>,
    /// Event hooks, in the order of the file.
    pub event_hooks: Vec<EventHook>,
}

impl Config {
    /// The files that certificates were read from: what they say may change without this configuration.
    pub fn certificate_files(&self) -> impl Iterator<Item = &Path> {
        let own = self.certificates.iter().flat_map(|certificate| &certificate.files);
        own.chain(self.ca_certificates.iter().flat_map(|authority| &authority.files)).map(PathBuf::as_path)
    }
}

/// When an entity came, and when it last changed, in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// When it came.
    pub created_at: u64,
    /// When it last changed.
    pub updated_at: u64,
}
