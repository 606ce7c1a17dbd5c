//! When the files may be read, by what events tell of them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind};

/// An editor's several events within this time are one change.
const SETTLE: Duration = Duration::from_millis(10);
/// How long a file that goes is waited for to come again: some editors write so.
const GONE: Duration = Duration::from_millis(500);
/// How long a writer that wrote is waited for to close the file, from his last write.
const OPEN_WRITER: Duration = Duration::from_secs(5);

/// What is waited for before the files are read.
#[derive(Default)]
pub struct Expected {
    /// From when on they may be read.
    settled: Option<Instant>,
    /// Files that somebody is at, and until when he is waited for.
    busy: HashMap<OsString, Instant>,
}

impl Expected {
    /// When the files are to be read; none if nothing happened.
    pub fn due(&self) -> Option<Instant> {
        self.busy.values().copied().chain(self.settled).max()
    }

    /// Something is different.
    pub fn soon(&mut self) {
        self.settled.get_or_insert_with(|| Instant::now() + SETTLE);
    }

    /// Takes note of an event, if it is about a file of ours.
    pub fn hear(&mut self, event: &Event, is_ours: impl Fn(&OsStr) -> bool) {
        for name in event.paths.iter().filter_map(|path| path.file_name()).filter(|name| is_ours(name)) {
            match event.kind {
                // A writer that closes the file ends the wait for it.
                EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Name(_)) => {
                    self.busy.remove(name);
                    self.soon();
                }
                EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) | EventKind::Any => {
                    self.busy.insert(name.to_owned(), Instant::now() + OPEN_WRITER);
                }
                EventKind::Remove(_) => {
                    self.busy.insert(name.to_owned(), Instant::now() + GONE);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, RemoveKind, RenameMode};

    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const RENAMED: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));
    const CREATED: EventKind = EventKind::Create(CreateKind::File);
    const REMOVED: EventKind = EventKind::Remove(RemoveKind::File);

    /// What is waited for after these events: nothing, or about so long.
    fn check(events: &[(EventKind, &str)], expected: Option<Duration>) {
        let mut waits = Expected::default();
        let began = Instant::now();
        for (kind, name) in events {
            waits.hear(&Event::new(*kind).add_path(format!("/x/{name}").into()), |name| name != "other");
        }
        let wait = waits.due().map(|due| due.duration_since(began));
        let is_about = |wait: Duration, expected: Duration| wait >= expected && wait < expected + SETTLE.max(expected / 2);
        let fits = match (wait, expected) {
            (Some(wait), Some(expected)) => is_about(wait, expected),
            (wait, expected) => wait.is_none() && expected.is_none(),
        };
        assert!(fits, "{events:?} {wait:?}");
    }

    #[test]
    fn whoever_writes_is_waited_for() {
        check(&[], None);
        check(&[(RENAMED, "a")], Some(SETTLE));
        check(&[(CREATED, "a"), (WRITTEN, "a")], Some(OPEN_WRITER));
        check(&[(CREATED, "a"), (WRITTEN, "a"), (CLOSED, "a")], Some(SETTLE));
        check(&[(WRITTEN, "a"), (CLOSED, "b")], Some(OPEN_WRITER));
        check(&[(WRITTEN, "other"), (REMOVED, "other")], None);
    }

    #[test]
    fn a_file_that_comes_again_was_not_gone() {
        check(&[(REMOVED, "a")], Some(GONE));
        check(&[(REMOVED, "a"), (CREATED, "a"), (CLOSED, "a")], Some(SETTLE));
    }
}
