//! The server: every part of the gateway as a Pingora service, wired to the others.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use pingora_core::listeners::ListenerConfig;
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::Server;
use pingora_core::services::background::background_service;
use pingora_core::services::listening::Service;
use sluice_config::Config;
use sluice_events::Bus;
use sluice_hooks::Engine;
use sluice_plugins::{Limiters, PLUGINS};
use sluice_proxy::{Front, Gateway, Traffic, service_conf};
use tokio::sync::{oneshot, watch};

use crate::access_log::AccessLog;
use crate::control::{AdminControl, Control};
use crate::endpoint::Endpoint;
use crate::files;
use crate::handover::giver::Giver;
use crate::life::Life;
use crate::listeners::{Listeners, proxies};
use crate::place::Place;
use crate::run::Ended;
use crate::services::{Admin, Hooks, Housekeeping, Httpbin};
use crate::signals::Signals;
use crate::stop::{Drain, Farewell};
use crate::targets::{Targets, name_servers};

/// What the services are made of.
pub struct Wiring<'a> {
    pub config: &'a Config,
    pub demo: Option<SocketAddr>,
    pub control: Arc<Control>,
    pub bus: Arc<Bus>,
    pub engine: Arc<Engine>,
    pub limiters: Arc<Limiters>,
    pub traffic: Arc<Traffic>,
    pub access_log: Arc<AccessLog>,
    pub listeners: Arc<Listeners>,
    pub signals: Signals,
    pub life: Arc<Life>,
    pub place: Arc<Place>,
    /// Where successors ask, once everything listens.
    pub socket: oneshot::Receiver<UnixListener>,
    /// Told when the proxy accepts.
    pub up: SyncSender<()>,
    /// Told when the hooks have delivered or kept what waited: the end of a stop.
    pub done: SyncSender<Ended>,
}

impl Wiring<'_> {
    /// The server, ready to run.
    pub fn server(self) -> anyhow::Result<Server> {
        let Self { config, control, bus, engine, limiters, traffic, listeners, life, .. } = self;
        let (drain, drained) = watch::channel(false);
        let (leave, leaving) = watch::channel(false);
        let mut server = Server::new_with_opt_and_conf(None, service_conf(config));
        server.bootstrap();
        let gateway = Gateway::new(control.live().clone(), traffic.clone(), &bus);
        let front = Front::new(&server.configuration, gateway, leaving, files::connections());
        server.add_service(endpoint(config, &listeners, front, self.up)?);
        let targets = Targets { live: control.live().clone(), servers: Arc::new(name_servers(&config.server.dns_resolver)) };
        server.add_service(background_service("targets", targets));
        server.add_service(background_service("hooks", Hooks { engine, drained: drained.clone(), done: self.done }));
        let farewell = Farewell { life: life.clone(), drained };
        let router = sluice_admin::router(Arc::new(AdminControl(control.clone())), admin_options());
        let places = config.admin.listen.iter().map(|place| listeners.of(place)).collect::<Result<_, _>>()?;
        let admin = Admin { listeners: Mutex::new(places), router, farewell: farewell.clone() };
        server.add_service(background_service("admin", admin));
        let housekeeping =
            Housekeeping { control, limiters, access_log: self.access_log, signals: self.signals, bus: bus.clone() };
        server.add_service(background_service("housekeeping", housekeeping));
        if let Some(address) = self.demo {
            let listener = Mutex::new(Some(listeners.tcp(address)?));
            server.add_service(background_service("httpbin", Httpbin { listener, farewell }));
        }
        let giver = Giver { life, listeners, place: self.place, socket: tokio::sync::Mutex::new(self.socket) };
        server.add_service(background_service("giver", giver));
        let drain = Drain { traffic, timeout: config.server.shutdown_timeout, leave, drained: drain };
        server.add_service(background_service("drain", drain));
        Ok(server)
    }
}

/// The proxy, wherever it listens.
fn endpoint(config: &Config, listeners: &Listeners, front: Front, up: SyncSender<()>) -> anyhow::Result<Endpoint> {
    let mut addresses = pingora_core::listeners::Listeners::new();
    let mut opened = Vec::new();
    // Whoever reads has a buffer of his own, and another one of 64 KiB would be most of what an idle connection takes.
    let unbuffered = L4BufferSettings::default().read(0);
    // What TLS there is comes after this, by the doors of the proxy: certificates change while the gateway runs.
    for (address, _) in proxies(config) {
        addresses.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(unbuffered));
        opened.push((address, listeners.tcp(address)?));
    }
    Ok(Endpoint { proxy: Service::with_listeners("proxy".into(), addresses, front), listeners: opened, up })
}

fn admin_options() -> sluice_admin::Options {
    sluice_admin::Options {
        version: env!("CARGO_PKG_VERSION"),
        plugins: PLUGINS.iter().map(|kind| (kind.name, kind.priority)).collect(),
    }
}
