//! The server: every part of the gateway as a Pingora service, wired to the others.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

use pingora_core::listeners::{self, ListenerConfig};
use pingora_core::protocols::l4::stream::L4BufferSettings;
use pingora_core::server::Server;
use pingora_core::services::background::background_service;
use pingora_core::services::listening::Service;
use sluice_config::Config;
use sluice_events::Bus;
use sluice_hooks::Engine;
use sluice_plugins::{Limiters, PLUGINS};
use sluice_proxy::{Front, Gateway, Traffic, service_conf};
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::control::{AdminControl, Control};
use crate::files;
use crate::run::{Ended, Listeners};
use crate::services::{Admin, Hooks, Housekeeping, Httpbin};
use crate::signals::Signals;
use crate::stop::Drain;
use crate::targets::{Targets, name_servers};

/// What the services are made of.
pub struct Wiring<'a> {
    pub config: &'a Config,
    pub control: Arc<Control>,
    pub bus: Arc<Bus>,
    pub engine: Arc<Engine>,
    pub limiters: Arc<Limiters>,
    pub traffic: Arc<Traffic>,
    pub access_log: Arc<AccessLog>,
    pub listeners: Listeners,
    pub signals: Signals,
    /// Told when the hooks have delivered or kept what waited: the end of a stop.
    pub done: SyncSender<Ended>,
}

impl Wiring<'_> {
    /// The server, ready to run.
    pub fn server(self) -> Server {
        let Self { config, control, bus, engine, limiters, traffic, access_log, listeners, signals, done } = self;
        let (drain, drained) = watch::channel(false);
        let mut server = Server::new_with_opt_and_conf(None, service_conf(config));
        server.bootstrap();
        let gateway = Gateway::new(control.live().clone(), traffic.clone(), &bus);
        let mut endpoints = listeners::Listeners::new();
        // What TLS there is comes after this, by the doors of the proxy: certificates change while the gateway runs.
        let addresses = config.server.listen.iter().chain(config.server.tls.iter().map(|tls| &tls.listen));
        // Whoever reads has a buffer of his own, and another one of 64 KiB would be most of what an idle connection takes.
        let unbuffered = L4BufferSettings::default().read(0);
        addresses.for_each(|address| endpoints.add_listener(ListenerConfig::tcp(address.to_string()).l4_buffer(unbuffered)));
        server.add_service(Service::with_listeners(
            "proxy".into(),
            endpoints,
            Front::new(&server.configuration, gateway, files::connections()),
        ));
        let targets = Targets { live: control.live().clone(), servers: Arc::new(name_servers(&config.server.dns_resolver)) };
        server.add_service(background_service("targets", targets));
        server.add_service(background_service("hooks", Hooks { engine, drained: drained.clone(), done }));
        let router = sluice_admin::router(Arc::new(AdminControl(control.clone())), admin_options(config));
        server.add_service(background_service("admin", Admin { listener: Mutex::new(Some(listeners.admin)), router }));
        let housekeeping = Housekeeping { control, limiters, access_log, signals, bus: bus.clone() };
        server.add_service(background_service("housekeeping", housekeeping));
        if let Some(httpbin) = listeners.httpbin {
            server.add_service(background_service("httpbin", Httpbin { listener: Mutex::new(Some(httpbin)), drained }));
        }
        server
            .add_service(background_service("drain", Drain { traffic, timeout: config.server.shutdown_timeout, drained: drain }));
        server
    }
}

fn admin_options(config: &Config) -> sluice_admin::Options {
    sluice_admin::Options {
        token: config.admin.token.clone(),
        version: env!("CARGO_PKG_VERSION"),
        plugins: PLUGINS.iter().map(|kind| (kind.name, kind.priority)).collect(),
    }
}
