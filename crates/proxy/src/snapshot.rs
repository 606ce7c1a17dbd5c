//! Everything that requests need, built from one configuration and never changed: a reload builds another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use ipnet::IpNet;
use sluice_config::{ClientIpHeader, Clients, Config, Consumer, Millis, PathHandling, Route, Scope, Service};
use sluice_events::{Bus, Entity};
use sluice_plugins::Built;

use crate::access_log::AccessLog;
use crate::balancer::{Target, Upstreams};
use crate::chain::{Chain, OfConsumers};
use crate::client_ip::Trust;
use crate::doors::Doors;
use crate::protocols::Protocols;
use crate::router::Router;
use crate::tally::{Sums, Tally};
use crate::tls::UpstreamTls;

/// The snapshot in force. A request loads it once.
pub type Live = ArcSwap<Snapshot>;

/// A configuration as the proxy needs it.
pub struct Snapshot {
    pub(crate) router: Router,
    pub(crate) routes: Vec<RouteView>,
    pub(crate) consumers: OfConsumers,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) client_ip_header: ClientIpHeader,
    pub(crate) clients: Clients,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) doors: Doors,
    pub(crate) upstreams: Upstreams,
}

/// A route with everything that is on its way.
pub(crate) struct RouteView {
    pub name: String,
    pub entity: Arc<Entity>,
    pub strip_path: bool,
    pub path_handling: PathHandling,
    pub preserve_host: bool,
    pub protocols: Protocols,
    pub service: Option<Arc<ServiceView>>,
    pub chain: Chain,
    pub tally: Arc<Tally>,
}

/// A service with the way to it.
pub(crate) struct ServiceView {
    pub name: String,
    pub entity: Arc<Entity>,
    pub path: Option<String>,
    /// What the upstream sees as Host.
    pub authority: HeaderValue,
    pub retries: u16,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    /// How long a request and its answer may take as a whole.
    pub request_timeout: Option<Duration>,
    pub target: Target,
}

impl Snapshot {
    /// Builds the world of a configuration from it, its plugins and the ways in; what is known of targets is taken over from
    /// `before`.
    pub fn build(config: &Config, plugins: &[Built], (doors, bus): (Doors, &Arc<Bus>), before: Option<&Self>) -> Self {
        let upstreams = Upstreams::new(config, bus, before.map(|before| &before.upstreams));
        let services: HashMap<&str, Arc<ServiceView>> = config
            .services
            .iter()
            .map(|service| (service.name.as_str(), Arc::new(ServiceView::new(service, config, &upstreams))))
            .collect();
        let off: HashSet<&str> = config.services.iter().filter(|s| !s.enabled).map(|s| s.name.as_str()).collect();
        let off = |route: &Route| route.service.as_ref().is_some_and(|(name, _)| off.contains(name.as_str()));
        let by_scope = ByScope::new(plugins);
        let served = config.routes.iter().enumerate().filter(|(_, route)| !off(route));
        Self {
            router: Router::new(served),
            routes: config.routes.iter().map(|route| RouteView::new(route, &services, &by_scope)).collect(),
            consumers: config.consumers.iter().map(|consumer| (consumer.id, by_scope.of_consumer(consumer))).collect(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            client_ip_header: config.server.client_ip_header,
            clients: config.server.clients,
            access_log: AccessLog::new(config, plugins),
            doors,
            upstreams,
        }
    }

    /// Counts on where another one stands: by route, as long as it leads to the same service.
    pub fn continuing(mut self, before: &Self) -> Self {
        let known: HashMap<_, _> = before.routes.iter().map(|route| (route.labels(), &route.tally)).collect();
        for route in &mut self.routes {
            if let Some(tally) = known.get(&route.labels()) {
                route.tally = (*tally).clone();
            }
        }
        self
    }

    /// What was counted of each route that had a request: its name, its service's name, the sums.
    pub fn sums(&self) -> impl Iterator<Item = (&str, &str, Sums)> {
        let all = self.routes.iter().map(|route| (route.labels(), route.tally.sums()));
        all.filter(|(_, sums)| sums.under_way > 0 || !sums.codes.is_empty())
            .map(|((route, service), sums)| (route, service, sums))
    }
}

impl Snapshot {
    /// The ways in.
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// Who is believed about who asks.
    pub(crate) fn trust(&self) -> Trust<'_> {
        Trust { proxies: &self.trusted_proxies, header: self.client_ip_header }
    }

    /// Whether a plugin may have something to do with requests of this route.
    pub(crate) fn has_plugins(&self, route: &RouteView) -> bool {
        !route.chain.is_empty() || !self.consumers.is_empty()
    }

    /// Whether requests of this route, or their answers, are needed as wholes.
    pub(crate) fn works_on_wholes(&self, route: &RouteView) -> bool {
        route.chain.works_on_wholes(&self.consumers)
    }
}

/// Plugins by where they apply.
struct ByScope<'a>(HashMap<&'a Scope, Vec<&'a Built>>);

impl<'a> ByScope<'a> {
    fn new(plugins: &'a [Built]) -> Self {
        let mut all: HashMap<&Scope, Vec<&Built>> = HashMap::new();
        plugins.iter().for_each(|built| all.entry(&built.scope).or_default().push(built));
        Self(all)
    }

    /// What a consumer has of his own; then his first group's count, then the next one's.
    fn of_consumer(&self, consumer: &Consumer) -> Chain {
        let own = self.weighing(u8::MAX, &Scope::Consumer(consumer.username.clone()));
        let groups = consumer.groups.iter().enumerate().flat_map(|(place, group)| {
            let weight = (u8::MAX - 1).saturating_sub(u8::try_from(place).unwrap_or(u8::MAX));
            self.weighing(weight, &Scope::ConsumerGroup(group.clone()))
        });
        Chain::new(own.chain(groups))
    }

    /// What a route has of its own; then its service's count, then those for all.
    fn of_route(&self, route: &Route) -> Chain {
        let own = self.weighing(2, &Scope::Route(route.name.clone()));
        let service = route.service.iter().flat_map(|(name, _)| self.weighing(1, &Scope::Service(name.clone())));
        Chain::new(own.chain(service).chain(self.weighing(0, &Scope::Global)))
    }

    fn weighing(&self, weight: u8, scope: &Scope) -> impl Iterator<Item = (u8, &'a Built)> + use<'a> {
        let all = self.0.get(scope).cloned().unwrap_or_default();
        all.into_iter().map(move |built| (weight, built))
    }
}

impl RouteView {
    fn new(route: &Route, services: &HashMap<&str, Arc<ServiceView>>, plugins: &ByScope<'_>) -> Self {
        let service = route.service.as_ref().map(|(name, _)| name.as_str());
        let shown = route.clone();
        let fields = move || serde_json::to_value(shown).expect("a route has string keys only");
        Self {
            name: route.name.clone(),
            entity: Arc::new(Entity::of(route.id.as_u128(), fields)),
            strip_path: route.strip_path,
            path_handling: route.path_handling,
            preserve_host: route.preserve_host,
            protocols: Protocols::of(route),
            service: service.and_then(|name| services.get(name)).cloned(),
            chain: plugins.of_route(route),
            tally: Arc::default(),
        }
    }

    /// What tells what is counted of it apart: its name and its service's.
    fn labels(&self) -> (&str, &str) {
        (&self.name, self.service.as_ref().map_or("", |service| &service.name))
    }
}

impl ServiceView {
    fn new(service: &Service, config: &Config, upstreams: &Upstreams) -> Self {
        let shown = service.clone();
        let fields = move || serde_json::to_value(shown).expect("a service has string keys only");
        let authority = HeaderValue::from_str(&service.authority());
        Self {
            name: service.name.clone(),
            entity: Arc::new(Entity::of(service.id.as_u128(), fields)),
            path: service.path.clone(),
            authority: authority.unwrap_or_else(|_| HeaderValue::from_static("")),
            retries: service.retries,
            connect_timeout: service.connect_timeout.duration(),
            read_timeout: service.read_timeout.duration(),
            write_timeout: service.write_timeout.duration(),
            request_timeout: service.request_timeout.map(Millis::duration),
            target: Target::new(service, UpstreamTls::new(service, config).as_ref(), upstreams),
        }
    }
}
