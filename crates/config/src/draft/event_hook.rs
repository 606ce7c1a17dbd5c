//! Reads `[event_hooks.NAME]`; `config` is left to the handler, and `filter` to those who know the fields of events.

use super::{At, Reader, id_of, take_key};
use crate::block::Block;
use crate::diagnostics::Problem;
use crate::entities::{EventHook, Stamps};
use crate::file::EventHookTable;

impl Reader {
    pub(super) fn event_hook(&mut self, mut at: At<'_>) -> Option<EventHook> {
        let config = take_key(&mut at.node, "config").unwrap_or_else(|| Block::empty(at.path.key("config")).into_node());
        let filter = take_key(&mut at.node, "filter").map(|node| Block::new(at.path.key("filter"), node));
        let table: EventHookTable = self.take(&at.path, &at.node)?;
        if table.concurrency == Some(0) {
            self.problems.push(Problem::at(at.path.key("concurrency"), "must be at least 1"));
        }
        Some(EventHook {
            id: id_of(table.id, "event_hooks", at.name),
            name: at.name.to_owned(),
            source: table.source,
            event: table.event,
            filter,
            handler: table.handler,
            format: table.format,
            on_change: table.on_change,
            snooze: table.snooze,
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
}
