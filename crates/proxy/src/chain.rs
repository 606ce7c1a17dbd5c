//! Runs the plugins of a phase: those of the route, and in their places those of the consumer, once he is known.
//!
//! A plugin that panics ends the request: nothing passes that a plugin has not let pass.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;
use sluice_plugins::{Built, Cx, Flow, Head, Kind, Memory, Phases, Plugin, Reply, UpstreamRequest};
use uuid::Uuid;

/// A plugin in its place.
#[derive(Clone)]
pub(crate) struct Step {
    kind: &'static Kind,
    phases: Phases,
    plugin: Arc<dyn Plugin>,
}

impl Step {
    /// Where it stands: the highest priority first, and of one priority by name.
    fn place(&self) -> (std::cmp::Reverse<u32>, &'static str) {
        (std::cmp::Reverse(self.kind.priority), self.kind.name)
    }
}

/// The plugins of one route or one consumer, the highest priority first, and which phases they need.
#[derive(Clone, Default)]
pub(crate) struct Chain {
    steps: Vec<Step>,
    /// Whether any of them has something to do in these phases.
    phases: Phases,
}

/// What consumers have of their own, and by their groups.
#[derive(Default)]
pub(crate) struct OfConsumers {
    chains: HashMap<Uuid, Chain>,
    /// Whether any of any consumer has something to do in these phases.
    phases: Phases,
}

/// A plugin has failed; the log says how.
#[derive(Debug)]
pub(crate) struct Fault(pub &'static str);

impl FromIterator<(Uuid, Chain)> for OfConsumers {
    fn from_iter<I: IntoIterator<Item = (Uuid, Chain)>>(all: I) -> Self {
        let chains: HashMap<Uuid, Chain> = all.into_iter().filter(|(_, chain)| !chain.is_empty()).collect();
        Self { phases: together(chains.values().map(|chain| chain.phases)), chains }
    }
}

impl OfConsumers {
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }
}

impl Chain {
    /// The plugins that apply, each with its weight; of one name the heaviest wins.
    pub fn new<'a>(weighed: impl IntoIterator<Item = (u8, &'a Built)>) -> Self {
        let mut best: HashMap<&str, (u8, &Built)> = HashMap::new();
        for (weight, one) in weighed {
            let heavier = best.get(one.kind.name).is_none_or(|(than, _)| weight > *than);
            if heavier {
                best.insert(one.kind.name, (weight, one));
            }
        }
        let step = |one: &Built| {
            let phases = one.plugin.narrowed(one.kind.phases);
            Step { kind: one.kind, phases, plugin: one.plugin.clone() }
        };
        let mut steps: Vec<Step> = best.values().map(|(_, one)| step(one)).collect();
        steps.sort_by_key(Step::place);
        Self { phases: together(steps.iter().map(|step| step.phases)), steps }
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Asks one after the other until one has an answer. Whoever held the request is asked first.
    pub fn on_request(&self, consumers: &OfConsumers, cx: &mut Cx<'_>, progress: &mut Progress) -> Flow {
        loop {
            let held = progress.held.take();
            let next = || progress.merged.next(self, own(consumers, cx.memory), |phases| phases.request);
            let Some(step) = held.as_ref().or_else(next) else { return Flow::Continue };
            let flow = guarded(step, || step.plugin.on_request(cx));
            match flow.unwrap_or_else(|_| Flow::Respond(fault())) {
                Flow::Continue => {}
                Flow::Respond(reply) => {
                    progress.refused_by = Some(step.kind.name);
                    return Flow::Respond(reply);
                }
                Flow::Hold(time) => {
                    progress.held = Some(step.clone());
                    return Flow::Hold(time);
                }
            }
        }
    }

    pub fn on_upstream_request(
        &self,
        consumers: &OfConsumers,
        memory: &Memory,
        request: &mut dyn UpstreamRequest,
    ) -> Result<(), Fault> {
        if !self.phases.upstream_request && !consumers.phases.upstream_request {
            return Ok(());
        }
        let mut merged = Merged::default();
        while let Some(step) = merged.next(self, own(consumers, memory), |phases| phases.upstream_request) {
            guarded(step, || step.plugin.on_upstream_request(memory, request))?;
        }
        Ok(())
    }

    /// Whether any plugin may change answers.
    pub fn changes_answers(&self, consumers: &OfConsumers) -> bool {
        self.phases.response || consumers.phases.response
    }

    /// Whether requests and answers are needed as wholes.
    pub fn works_on_wholes(&self, consumers: &OfConsumers) -> bool {
        self.phases.whole || consumers.phases.whole
    }

    pub fn on_response(
        &self,
        consumers: &OfConsumers,
        (request, memory): (&Parts, &Memory),
        head: &mut Head,
    ) -> Result<(), Fault> {
        let mut merged = Merged::default();
        while let Some(step) = merged.next(self, own(consumers, memory), |phases| phases.response) {
            guarded(step, || step.plugin.on_response(request, memory, head))?;
        }
        Ok(())
    }
}

/// Does what a plugin does, and survives it.
fn guarded<T>(step: &Step, act: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let said = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        tracing::error!(plugin = step.kind.name, said, "a plugin failed, and the request with it");
        Fault(step.kind.name)
    })
}

/// What a client is told of a fault.
pub(crate) fn fault() -> Reply {
    Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred")
}

/// The phases that any of them has.
fn together(all: impl Iterator<Item = Phases>) -> Phases {
    all.fold(Phases::NONE, |all, one| Phases {
        request: all.request || one.request,
        upstream_request: all.upstream_request || one.upstream_request,
        response: all.response || one.response,
        whole: all.whole || one.whole,
    })
}

fn own<'a>(consumers: &'a OfConsumers, memory: &Memory) -> &'a [Step] {
    if consumers.is_empty() {
        return &[];
    }
    let consumer = memory.consumer.as_ref();
    consumer.and_then(|consumer| consumers.chains.get(&consumer.id)).map_or(&[], |chain| &chain.steps)
}

/// How far a request came.
#[derive(Default)]
pub(crate) struct Progress {
    merged: Merged,
    /// The plugin that holds it.
    held: Option<Step>,
    /// The plugin that answered it.
    pub refused_by: Option<&'static str>,
}

/// Two sorted lists read as one. The second may appear on the way; where both have a plugin, the second's counts.
#[derive(Default)]
struct Merged {
    route: usize,
    own: usize,
}

impl Merged {
    fn next<'a>(&mut self, chain: &'a Chain, own: &'a [Step], wants: impl Fn(Phases) -> bool) -> Option<&'a Step> {
        loop {
            let step = match (chain.steps.get(self.route), own.get(self.own)) {
                (Some(of_route), Some(of_own)) if of_route.place() < of_own.place() => self.take_route(of_route),
                (Some(of_route), Some(of_own)) => {
                    self.route += usize::from(of_route.kind.name == of_own.kind.name);
                    self.own += 1;
                    of_own
                }
                (Some(of_route), None) => self.take_route(of_route),
                (None, Some(of_own)) => {
                    self.own += 1;
                    of_own
                }
                (None, None) => return None,
            };
            if wants(step.phases) {
                return Some(step);
            }
        }
    }

    fn take_route<'a>(&mut self, step: &'a Step) -> &'a Step {
        self.route += 1;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::net::{IpAddr, Ipv4Addr};

    use http::HeaderName;
    use http::header::HeaderValue;
    use serde_json::json;
    use sluice_config::Problem;
    use sluice_events::Entity;
    use sluice_plugins::{BuildCx, Configured};

    thread_local! {
        /// In which phase the plugin fails.
        static FAILS: Cell<&'static str> = const { Cell::new("") };
    }

    struct Broken;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Options {}

    impl Configured for Broken {
        const NAME: &'static str = "broken";
        const SUMMARY: &'static str = "Fails";
        const PRIORITY: u32 = 1;
        const PHASES: Phases = Phases { request: true, upstream_request: true, response: true, whole: false };
        type Options = Options;
        fn build(_: Options, _: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
            Ok(Self)
        }
    }

    static KIND: Kind = Kind::of::<Broken>();

    #[allow(clippy::panic, reason = "that is what it is for")]
    fn fail_in(phase: &str) {
        if FAILS.get() == phase {
            panic!("it fails in {phase}");
        }
    }

    impl Plugin for Broken {
        fn on_request(&self, _: &mut Cx<'_>) -> Flow {
            fail_in("request");
            Flow::Continue
        }
        fn on_upstream_request(&self, _: &Memory, _: &mut dyn UpstreamRequest) {
            fail_in("upstream_request");
        }
        fn on_response(&self, _: &Parts, _: &Memory, _: &mut Head) {
            fail_in("response");
        }
    }

    struct Nothing;
    impl UpstreamRequest for Nothing {
        fn set_header(&mut self, _: &HeaderName, _: HeaderValue) {}
        fn remove_header(&mut self, _: &HeaderName) {}
        fn remove_query(&mut self, _: &str) {}
        fn whole(&mut self) -> Option<&mut Parts> {
            None
        }
    }

    #[test]
    fn a_plugin_that_fails_lets_nothing_pass() {
        let built = Built { kind: &KIND, scope: sluice_config::Scope::Global, plugin: Arc::new(Broken) };
        let chain = Chain::new([(0, &built)]);
        let consumers = OfConsumers::default();
        let request = http::Request::new(()).into_parts().0;
        let route = Arc::new(Entity::new(1, json!({})));
        let mut memory = Memory::default();
        let mut ask = |phase| {
            FAILS.set(phase);
            let client_ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let mut cx = Cx { request: &request, path: "/", client_ip, route: &route, service: None, memory: &mut memory };
            let flow = chain.on_request(&consumers, &mut cx, &mut Progress::default());
            let passes = matches!(flow, Flow::Continue);
            assert!(passes || matches!(flow, Flow::Respond(reply) if reply.status == 500));
            let told = chain.on_upstream_request(&consumers, &memory, &mut Nothing).is_ok();
            let mut head = Head::new(StatusCode::OK, Vec::new());
            (passes, told, chain.on_response(&consumers, (&request, &memory), &mut head).is_ok())
        };
        assert_eq!(ask(""), (true, true, true));
        assert_eq!(ask("request"), (false, true, true));
        assert_eq!(ask("upstream_request"), (true, false, true));
        assert_eq!(ask("response"), (true, true, false));
    }
}
