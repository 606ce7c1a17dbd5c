//! For the tests of plugins: a plugin built from a piece of gateway.toml, and a request for it.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use serde_json::{Value, json};
use sluice_config::{Environment, Source, read};
use sluice_events::{Bus, Entity, Occurrence};
use sluice_limits::{ManualClock, SharedClock};

use crate::{Consumers, Cx, Flow, Head, Limiters, Memory, Plugin, Reply, ResponseHeaders, UpstreamRequest, build};

/// A plugin with the world around it.
pub(crate) struct Bench {
    pub clock: ManualClock,
    pub bus: Arc<Bus>,
    pub memory: Memory,
    pub limiters: Arc<Limiters>,
    consumers: Consumers,
    plugin: Arc<dyn Plugin>,
    service: Arc<Entity>,
    route: Arc<Entity>,
}

struct NoEnvironment;
impl Environment for NoEnvironment {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Builds all plugins of the text; the first of them.
pub(crate) fn built(text: &str, clock: &ManualClock, bus: &Arc<Bus>) -> Result<Arc<dyn Plugin>, Vec<String>> {
    let limiters = Limiters::new(SharedClock::new(clock.clone()));
    all_built(text, bus, &limiters).map(|(mut all, _)| all.remove(0))
}

type World = (Vec<Arc<dyn Plugin>>, Consumers);

/// Builds all plugins of the text.
fn all_built(text: &str, bus: &Arc<Bus>, limiters: &Limiters) -> Result<World, Vec<String>> {
    let draft = read(Source::new("t", text), &NoEnvironment);
    assert_eq!(draft.problems, []);
    let consumers = Consumers::new(&draft.config);
    match build(&draft.config, &consumers, bus, limiters) {
        Ok(all) => Ok((all.into_iter().map(|one| one.plugin).collect(), consumers)),
        Err(problems) => Err(problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()),
    }
}

/// Checks what is wrong with the options of a plugin: each problem in turn holds the words that are expected of it.
pub(crate) fn check_problems(text: &str, expected: &[&str]) {
    let problems = built(text, &ManualClock::default(), &Arc::default()).err().unwrap_or_default();
    assert_eq!(problems.len(), expected.len(), "{text}: {problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "{problem} is not about {expected}");
    }
}

impl Bench {
    /// The first plugin of the text, at ten seconds past a full hour.
    pub fn new(text: &str) -> Self {
        Self::all(text).remove(0)
    }

    /// A bench for each plugin of the text; they share the clock, the events and the limiters.
    pub fn all(text: &str) -> Vec<Self> {
        let clock = ManualClock::at(std::time::Duration::from_secs(1_700_000_000 / 3_600 * 3_600 + 10));
        let bus: Arc<Bus> = Arc::default();
        bus.set_wanted(|_| true);
        let limiters = Arc::new(Limiters::new(SharedClock::new(clock.clone())));
        let entity = |id| Arc::new(Entity::new(id, json!({ "name": "demo" })));
        let (plugins, _) = all_built(text, &bus, &limiters).expect("a sound configuration");
        let one = |plugin| Self {
            clock: clock.clone(),
            bus: bus.clone(),
            memory: Memory::default(),
            limiters: limiters.clone(),
            consumers: all_built(text, &bus, &limiters).expect("it was built before").1,
            plugin,
            service: entity(1),
            route: entity(2),
        };
        plugins.into_iter().map(one).collect()
    }

    /// From now on this consumer asks, with a credential of this id.
    pub fn identify(&mut self, username: &str, credential: &str) {
        self.memory.consumer = self.consumers.iter().find(|consumer| consumer.username == username).cloned();
        self.memory.credential = Some(credential.into());
    }

    /// From now on this route is asked.
    pub fn go_to(&mut self, route: u128) {
        self.route = Arc::new(Entity::new(route, json!({ "name": "demo" })));
    }

    /// Asks the plugin about a GET; an answer instead of going on is returned.
    pub fn ask(&mut self, target: &str, headers: &[(&str, &str)], ip: &str) -> Option<Reply> {
        match self.flow(target, headers, ip) {
            Flow::Continue => None,
            Flow::Respond(reply) => Some(reply),
            Flow::Hold(wait) => panic!("the request is held for {wait:?}"),
        }
    }

    /// Asks the plugin about a GET with the bench's own memory.
    pub fn flow(&mut self, target: &str, headers: &[(&str, &str)], ip: &str) -> Flow {
        let mut memory = std::mem::take(&mut self.memory);
        memory.response_headers = ResponseHeaders::default();
        let flow = self.put(&mut memory, &request(target, headers), ip);
        self.memory = memory;
        flow
    }

    /// Asks the plugin about one of several requests at a time: each has a memory of its own.
    pub fn ask_with(&self, memory: &mut Memory) -> Flow {
        self.put(memory, &request("/", &[]), "192.0.2.1")
    }

    /// Lets the plugin change the head of the answer to such a request.
    pub fn answer(&self, method: &str, headers: &[(&str, &str)], head: &mut Head) {
        let mut request = request("/", headers);
        request.method = method.parse().expect("a method");
        self.plugin.on_response(&request, &self.memory, head);
    }

    /// The request as the upstream gets it, if the plugin lets it pass.
    pub fn forward(&mut self, target: &str, headers: &[(&str, &str)]) -> Parts {
        assert!(self.ask(target, headers, "192.0.2.1").is_none());
        let mut whole = Whole(request(target, headers));
        self.plugin.on_upstream_request(&self.memory, &mut whole);
        whole.0
    }

    fn put(&self, memory: &mut Memory, request: &Parts, ip: &str) -> Flow {
        let client_ip: IpAddr = ip.parse().expect("an address");
        let (route, service) = (&self.route, Some(&self.service));
        self.plugin.on_request(&mut Cx { request, path: request.uri.path(), client_ip, route, service, memory })
    }

    /// The events since the last look: the kind, and the data.
    pub fn events(&self) -> Vec<(String, Value)> {
        let mut occurrences = Vec::new();
        self.bus.try_collect(&mut occurrences);
        let told = |o: &Occurrence| (format!("{}/{}", o.event.kind().source, o.event.kind().name), o.event.data());
        occurrences.iter().map(told).collect()
    }

    /// A header that the plugin left for the answer.
    pub fn left(&self, name: &str) -> Option<&str> {
        self.memory.response_headers.iter().find(|(key, _)| *key == name).and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// A request on Pingora's way.
struct Whole(Parts);

impl UpstreamRequest for Whole {
    fn set_header(&mut self, name: &HeaderName, value: HeaderValue) {
        self.0.headers.insert(name, value);
    }
    fn remove_header(&mut self, name: &HeaderName) {
        self.0.headers.remove(name);
    }
    fn remove_query(&mut self, _: &str) {}
    fn whole(&mut self) -> Option<&mut Parts> {
        Some(&mut self.0)
    }
}

fn request(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}
