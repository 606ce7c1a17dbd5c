//! For the tests of plugins: a plugin built from a piece of gateway.toml, and a request for it.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use serde_json::json;
use sluice_config::{Environment, Source, read};
use sluice_events::{Bus, Entity};
use sluice_limits::{ManualClock, SharedClock};

use crate::{Consumers, Cx, Flow, Limiters, Memory, Plugin, Reply, build};

/// A plugin with the world around it.
pub(crate) struct Bench {
    pub clock: ManualClock,
    pub bus: Arc<Bus>,
    pub memory: Memory,
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

/// Builds all plugins of the text.
pub(crate) fn built(text: &str, clock: &ManualClock, bus: &Arc<Bus>) -> Result<Arc<dyn Plugin>, Vec<String>> {
    let draft = read(Source::new("t", text), &NoEnvironment);
    assert_eq!(draft.problems, []);
    let limiters = Limiters::new(SharedClock::new(clock.clone()));
    let built = build(&draft.config, &Consumers::new(&draft.config), bus, &limiters);
    built
        .map(|mut all| all.remove(0).plugin)
        .map_err(|problems| problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect())
}

impl Bench {
    /// The first plugin of the text, at ten seconds past a full hour.
    pub fn new(text: &str) -> Self {
        let clock = ManualClock::at(std::time::Duration::from_secs(1_700_000_000 / 3_600 * 3_600 + 10));
        let bus: Arc<Bus> = Arc::default();
        bus.set_wanted(|_| true);
        let plugin = built(text, &clock, &bus).expect("a sound configuration");
        let entity = |id| Arc::new(Entity::new(id, json!({ "name": "demo" })));
        Self { clock, bus, memory: Memory::default(), plugin, service: entity(1), route: entity(2) }
    }

    /// Asks the plugin about a GET; an answer instead of going on is returned.
    pub fn ask(&mut self, target: &str, headers: &[(&str, &str)], ip: &str) -> Option<Reply> {
        let request = request(target, headers);
        let client_ip: IpAddr = ip.parse().expect("an address");
        self.memory.response_headers.clear();
        let mut cx = Cx {
            request: &request,
            path: request.uri.path(),
            client_ip,
            route: &self.route,
            service: Some(&self.service),
            memory: &mut self.memory,
        };
        match self.plugin.on_request(&mut cx) {
            Flow::Continue => None,
            Flow::Respond(reply) => Some(reply),
        }
    }

    /// A header that the plugin left for the answer.
    pub fn left(&self, name: &str) -> Option<&str> {
        self.memory.response_headers.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.to_str().ok())
    }
}

fn request(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}
