//! Runs the plugins of a phase: those of the route, and in their places those of the consumer, once he is known.

use std::collections::HashMap;
use std::sync::Arc;

use sluice_config::Scope;
use sluice_plugins::{Built, Cx, Flow, Kind, Memory, Phases, Plugin, UpstreamRequest};
use uuid::Uuid;

/// A plugin in its place.
#[derive(Clone)]
pub(crate) struct Step {
    kind: &'static Kind,
    plugin: Arc<dyn Plugin>,
}

impl Step {
    /// Where it stands: the highest priority first, and of one priority by name.
    fn place(&self) -> (std::cmp::Reverse<u16>, &'static str) {
        (std::cmp::Reverse(self.kind.priority), self.kind.name)
    }
}

/// The plugins of one route or one consumer, the highest priority first, and which phases they need.
#[derive(Clone, Default)]
pub(crate) struct Chain {
    steps: Vec<Step>,
    /// Whether any of them changes requests for the upstream.
    changes: bool,
}

/// What consumers have of their own.
pub(crate) type OfConsumers = HashMap<Uuid, Chain>;

impl Chain {
    /// The plugins that apply where `applies` gives a scope a weight; of one name the heaviest wins.
    pub fn new(built: &[Built], applies: impl Fn(&Scope) -> Option<u8>) -> Self {
        let mut best: HashMap<&str, (u8, &Built)> = HashMap::new();
        for one in built {
            let Some(weight) = applies(&one.scope) else { continue };
            let heavier = best.get(one.kind.name).is_none_or(|(than, _)| weight > *than);
            if heavier {
                best.insert(one.kind.name, (weight, one));
            }
        }
        let mut steps: Vec<Step> = best.values().map(|(_, one)| Step { kind: one.kind, plugin: one.plugin.clone() }).collect();
        steps.sort_by_key(Step::place);
        Self { changes: steps.iter().any(|step| step.kind.phases.upstream_request), steps }
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
            match step.plugin.on_request(cx) {
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

    pub fn on_upstream_request(&self, consumers: &OfConsumers, memory: &Memory, request: &mut dyn UpstreamRequest) {
        if !self.changes && consumers.is_empty() {
            return;
        }
        let mut merged = Merged::default();
        while let Some(step) = merged.next(self, own(consumers, memory), |phases| phases.upstream_request) {
            step.plugin.on_upstream_request(memory, request);
        }
    }
}

fn own<'a>(consumers: &'a OfConsumers, memory: &Memory) -> &'a [Step] {
    if consumers.is_empty() {
        return &[];
    }
    let consumer = memory.consumer.as_ref();
    consumer.and_then(|consumer| consumers.get(&consumer.id)).map_or(&[], |chain| &chain.steps)
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
            if wants(step.kind.phases) {
                return Some(step);
            }
        }
    }

    fn take_route<'a>(&mut self, step: &'a Step) -> &'a Step {
        self.route += 1;
        step
    }
}
