//! All upstreams of a configuration; what is known of their targets comes from the configuration before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sluice_config::{Config, Service, Stamps, Target, TargetPlace};
use sluice_events::{Bus, Emitter, TargetHealth};
use uuid::Uuid;

use super::names::Names;
use super::upstream::{Around, Upstream};
use crate::tls::UpstreamTls;

/// Upstreams by their names, and those that services are by themselves.
pub(crate) struct Upstreams {
    named: HashMap<String, Arc<Upstream>>,
    /// By `host:port`.
    own: HashMap<String, Arc<Upstream>>,
    pub names: Names,
}

impl Upstreams {
    pub fn new(config: &Config, bus: &Arc<Bus>, before: Option<&Self>) -> Self {
        let taken: HashSet<String> = config.upstreams.iter().map(|upstream| upstream.name.to_ascii_lowercase()).collect();
        let own: Vec<Target> = config.services.iter().filter_map(|service| own_target(service, &taken)).collect();
        let hosts = config.targets.iter().chain(&own).filter_map(|target| match &target.place {
            TargetPlace::Name { host, .. } => Some(host.clone()),
            TargetPlace::Address(_) | TargetPlace::Unix(_) => None,
        });
        let names = Names::new(hosts, before.map(|before| &before.names));
        let flipped: Emitter<TargetHealth> = bus.emitter();
        let mut targets: HashMap<Uuid, Vec<&Target>> = HashMap::new();
        config.targets.iter().for_each(|target| targets.entry(target.upstream.1).or_default().push(target));
        let mut served: HashMap<String, Vec<&Service>> = HashMap::new();
        config.services.iter().for_each(|service| served.entry(service.host.to_ascii_lowercase()).or_default().push(service));
        let named = config.upstreams.iter().map(|upstream| {
            let name = upstream.name.to_ascii_lowercase();
            let targets = targets.get(&upstream.id).map_or(&[][..], Vec::as_slice);
            let before = before.and_then(|before| before.get(&upstream.name)).map(|before| &**before);
            let tls = served.get(&name).into_iter().flatten().find_map(|service| UpstreamTls::new(service, config));
            let built = Upstream::new(upstream, targets, Around { names: &names, before, flipped: flipped.clone(), tls });
            (name, Arc::new(built))
        });
        let named = named.collect();
        let own = own.iter().map(|target| {
            let key = target.place.to_string();
            let before = before.and_then(|before| before.own.get(&key)).map(|before| &**before);
            (key, Arc::new(Upstream::of_name(target, Around { names: &names, before, flipped: flipped.clone(), tls: None })))
        });
        Self { named, own: own.collect(), names }
    }

    /// The upstream that a service is served by; none if it is at an address.
    pub fn of_service(&self, service: &Service) -> Option<&Arc<Upstream>> {
        let named = self.named.get(&service.host.to_ascii_lowercase());
        named.or_else(|| self.own.get(&TargetPlace::of(&service.host, service.port).to_string()))
    }

    /// The upstream of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.named.get(&name.to_ascii_lowercase())
    }

    /// Those of the configuration.
    pub fn named(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.named.values()
    }

    /// Every one.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.named.values().chain(self.own.values())
    }
}

/// What a service is by itself: the target of an upstream of its own, if its host is a name and no upstream's.
fn own_target(service: &Service, taken: &HashSet<String>) -> Option<Target> {
    let place = TargetPlace::of(&service.host, service.port);
    let named = matches!(place, TargetPlace::Name { .. });
    (named && !taken.contains(&service.host.to_ascii_lowercase())).then(|| Target {
        id: service.id,
        upstream: (service.name.clone(), service.id),
        place,
        weight: 100,
        tags: Vec::new(),
        stamps: Stamps::default(),
    })
}
