//! Reads `[event_hooks.NAME]`; `config` is left to the handler, and `filter` to those who know the fields of events.

use super::{At, Reader, take_key};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{EventHook, Stamps};
use crate::file::EventHookTable;
use crate::key_path::KeyPath;
use crate::values::Millis;

impl Reader {
    pub(super) fn event_hook(&mut self, mut at: At<'_>) -> Option<EventHook> {
        let config = take_key(&mut at.node, "config").unwrap_or_else(|| Block::empty(at.path.key("config")).into_node());
        let filter = take_key(&mut at.node, "filter").map(|node| Block::new(at.path.key("filter"), node));
        let table: EventHookTable = self.take(&at.path, &at.node)?;
        self.check_events(&at.path, &table);
        if table.concurrency == Some(0) {
            self.problems.push(Problem::at(at.path.key("concurrency"), "must be at least 1"));
        }
        self.check_digest(&at.path, &table);
        if table.rate.is_some_and(|rate| !(0.0001..=1_000_000.0).contains(&rate)) {
            let problem = Problem::at(at.path.key("rate"), "must be from 0.0001 to 1000000 deliveries a second");
            self.problems.push(problem.help("one a minute is 0.0167; leave it out for no limit"));
        }
        Some(EventHook {
            id: self.id_of(table.id, ("event_hooks", at.name), &at.path),
            name: at.name.to_owned(),
            source: table.source,
            event: table.event,
            events: table.events,
            filter,
            handler: table.handler,
            format: table.format,
            on_change: table.on_change,
            snooze: table.snooze,
            digest: table.digest,
            rate: table.rate,
            enabled: table.enabled,
            timeout: table.timeout,
            retry: table.retry.map(|retry| retry.schedule),
            concurrency: table.concurrency,
            secrets: table.secrets,
            tags: table.tags,
            config: Block::new(at.path.key("config"), config),
            path: at.path,
            stamps: Stamps::default(),
        })
    }

    /// A hook names its events in one of two ways.
    fn check_events(&mut self, path: &KeyPath, table: &EventHookTable) {
        let Some(events) = &table.events else {
            let told = self.problems.iter().any(|problem| ["source", "events"].iter().any(|key| problem.path == path.key(key)));
            if table.source.is_none() && !told {
                let problem = Problem::at(path.clone(), "required field missing: source");
                self.problems.push(problem.help("write `source`, or several `events`"));
            }
            return;
        };
        if events.is_empty() {
            let problem = Problem::at(path.key("events"), "a hook without an event would never fire");
            self.problems.push(problem.help("write [{ source = \"…\", event = \"…\" }]"));
        }
        for (key, written) in [("source", table.source.is_some()), ("event", table.event.is_some())] {
            if written {
                let problem = Problem::at_key(path.key(key), format!("`{key}` does not stand beside `events`"));
                self.problems.push(problem.help("take one of them out; each of the `events` has a source of its own"));
            }
        }
    }

    fn check_digest(&mut self, path: &KeyPath, table: &EventHookTable) {
        let Some(digest) = table.digest else { return };
        if digest < Millis(1_000) {
            let problem = Problem::at(path.key("digest"), format!("{} ms are too short to gather anything", digest.0));
            self.problems
                .push(problem.help(format!("write \"{0}s\" for {0} s; a number alone is milliseconds", digest.0.max(1))));
        }
        if table.snooze.is_some_and(|snooze| snooze > 0) {
            let problem = Problem::at(path.key("digest"), "`snooze` swallows what `digest` would gather");
            self.problems.push(problem.help("take one of them out"));
        }
    }
}
