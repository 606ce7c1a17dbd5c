//! A hook: what the configuration says about it, checked, with its handler built.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sluice_config::{EventHook, EventName, KeyPath, Millis, Problem, one_of};
use sluice_events::{EventKind, SOURCES};
use uuid::Uuid;

use crate::egress::Egress;
use crate::handler::{BuildCx, Handler};
use crate::registry::{HANDLERS, Kind, kind};
use crate::retry::{self, Schedule};
use crate::signing::{self, Key};
use crate::wanted::Wanted;
use crate::webhook;

/// How long a delivery may take, unless the hook says.
pub(crate) const TIMEOUT: Millis = Millis(10_000);

/// A hook that can work. It is always an enabled one.
pub struct Hook {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// By what two versions are compared.
    pub(crate) fingerprint: Value,
    /// For receivers.
    pub(crate) public_keys: Vec<String>,
    pub(crate) policy: Policy,
    pub(crate) kind: &'static Kind,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) kinds: Vec<&'static EventKind>,
    pub(crate) wanted: Wanted,
}

/// How a hook delivers.
pub(crate) struct Policy {
    pub snooze: Duration,
    pub on_change: bool,
    pub digest: Duration,
    pub rate: Option<f64>,
    pub schedule: Schedule,
    pub timeout: Duration,
    pub concurrency: usize,
}

impl Hook {
    /// Whether it wants events of this kind.
    pub(crate) fn matches(&self, kind: &EventKind) -> bool {
        self.kinds.iter().any(|wanted| std::ptr::eq(*wanted, kind))
    }
}

/// Builds the hooks that are enabled, and tells everything that is wrong with any, enabled or not.
pub fn build(entries: &[EventHook], egress: &Egress) -> (Vec<Hook>, Vec<Problem>) {
    let (mut hooks, mut problems) = (Vec::new(), Vec::new());
    for entry in entries {
        match build_one(entry, egress) {
            Ok(hook) if entry.enabled => hooks.push(hook),
            Ok(_) => {}
            Err(found) => problems.extend(found),
        }
    }
    (hooks, problems)
}

fn build_one(entry: &EventHook, egress: &Egress) -> Result<Hook, Vec<Problem>> {
    let (kinds, mut problems) = wanted_kinds(entry);
    let wanted = entry.filter.as_ref().map(|filter| Wanted::read(filter, &kinds)).transpose();
    let wanted = wanted.map_err(|found| problems.extend(found)).ok().flatten().unwrap_or_default();
    let (keys, bad_keys) = signing::keys(entry);
    problems.extend(bad_keys);
    if entry.timeout == Some(Millis(0)) {
        problems.push(Problem::at(entry.path.key("timeout"), "a delivery needs some time").help("leave it out for 10 seconds"));
    }
    problems.extend(meaningless_format(entry));
    let built = match handler_kind(entry) {
        // Without kinds the handler still finds what is wrong with its own options.
        Ok(kind) => (kind.build)(entry, &BuildCx { kinds: &kinds, keys: &keys, egress }).map(|handler| (kind, handler)),
        Err(problem) => Err(vec![problem]),
    };
    match built {
        Ok((kind, handler)) if problems.is_empty() => Ok(Hook {
            id: entry.id,
            name: entry.name.clone(),
            fingerprint: entry.fingerprint(),
            public_keys: keys.iter().filter_map(Key::public).collect(),
            policy: policy(entry, kind),
            kind,
            handler,
            kinds,
            wanted,
        }),
        Ok(_) => Err(problems),
        Err(found) => {
            problems.extend(found);
            Err(problems)
        }
    }
}

/// The kinds of events that the hook names, each once, and what is wrong with the names.
fn wanted_kinds(entry: &EventHook) -> (Vec<&'static EventKind>, Vec<Problem>) {
    let (mut kinds, mut problems): (Vec<&'static EventKind>, Vec<Problem>) = (Vec::new(), Vec::new());
    for (path, name) in entry.event_names() {
        match kinds_of(&path, &name) {
            Ok(found) => kinds.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    let mut known: Vec<&'static EventKind> = Vec::new();
    kinds.retain(|kind| {
        let new = !known.iter().any(|known| std::ptr::eq(*known, *kind));
        known.extend(new.then_some(*kind));
        new
    });
    (kinds, problems)
}

/// The kinds of this name: one, or all of its source but those that tell a part of what another one of them tells.
fn kinds_of(path: &KeyPath, name: &EventName) -> Result<Vec<&'static EventKind>, Problem> {
    let Some(source) = sluice_events::source(&name.source) else {
        let problem = Problem::at(path.key("source"), format!("there is no source \"{}\"", name.source));
        return Err(problem.help(one_of(&name.source, SOURCES.iter().map(|source| source.name))));
    };
    let Some(event) = &name.event else {
        return Ok(source.events.iter().filter(|kind| kind.narrows.is_none()).collect());
    };
    let found = source.events.iter().find(|kind| kind.name == event);
    found.map(|kind| vec![kind]).ok_or_else(|| {
        let problem = Problem::at(path.key("event"), format!("the source \"{}\" has no event \"{event}\"", source.name));
        problem.help(one_of(event, source.events.iter().map(|kind| kind.name)))
    })
}

/// A format where the handler does not ask for one would be believed to work.
fn meaningless_format(entry: &EventHook) -> Option<Problem> {
    let known = kind(&entry.handler).filter(|kind| kind.name != webhook::KIND.name)?;
    entry.format?;
    let message = format!("`format` is for the handler \"webhook\"; what \"{}\" makes has a form of its own", known.name);
    Some(Problem::at(entry.path.key("format"), message).help("take it out, or write handler = \"webhook\""))
}

fn handler_kind(entry: &EventHook) -> Result<&'static Kind, Problem> {
    kind(&entry.handler).ok_or_else(|| {
        let (path, names) = (entry.path.key("handler"), HANDLERS.iter().map(|kind| kind.name));
        Problem::at(path, format!("there is no handler \"{}\"", entry.handler)).help(one_of(&entry.handler, names))
    })
}

fn policy(entry: &EventHook, kind: &Kind) -> Policy {
    Policy {
        snooze: Duration::from_secs(entry.snooze.unwrap_or(0)),
        on_change: entry.on_change.unwrap_or(false),
        digest: entry.digest.map(Millis::duration).unwrap_or_default(),
        rate: entry.rate,
        schedule: Schedule::new(entry.retry.as_deref().unwrap_or(retry::DEFAULT)),
        timeout: entry.timeout.unwrap_or(TIMEOUT).duration(),
        concurrency: usize::from(entry.concurrency.unwrap_or(kind.concurrency).max(1)),
    }
}
