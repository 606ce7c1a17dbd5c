//! Watches the files of the configuration: their folders, so that a file that is renamed over one is seen, and a link that is
//! swapped, and a new file that is included.
//!
//! A writer that truncates and writes is waited for until it closes the file, so that no half of it is read. What no event
//! tells of (a link that points elsewhere now, a folder that was replaced, a mode that changed) is seen by a look at the
//! files every two seconds.

mod expected;
mod seen;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::control::{Control, Origin};
use expected::Expected;
pub use seen::{Look, Seen};

/// How often the files are looked at without an event.
const LOOK: Duration = Duration::from_secs(2);

/// Watches the files for as long as the process lives; `seen` is how they looked before they were read.
pub fn watch(seen: Seen, control: Arc<Control>) -> notify::Result<()> {
    let (sender, events) = channel();
    let mut folders = Folders { watcher: notify::recommended_watcher(sender)?, watched: BTreeSet::new() };
    folders.follow(&seen);
    let watching = move || follow(folders, &events, seen, &control);
    thread::Builder::new().name("watch".into()).spawn(watching).map(drop).map_err(notify::Error::io)
}

fn follow(mut folders: Folders, events: &Receiver<notify::Result<Event>>, mut seen: Seen, control: &Control) {
    let mut expected = Expected::default();
    // What was edited before anybody watched.
    if seen.again() != seen {
        expected.soon();
    }
    loop {
        let wait = expected.due().map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
        match events.recv_timeout(wait) {
            Ok(Ok(event)) => expected.hear(&event, |name| seen.is_ours(name)),
            Ok(Err(error)) => tell(&error),
            // Without an event, only what stood still since the last look is read: a writer may be at it, unseen.
            Err(RecvTimeoutError::Timeout) if expected.due().is_none() => {
                let now = seen.again();
                if now != seen {
                    expected.soon();
                }
                seen = now;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Here, and not only when nothing comes: other files of the folder may be written without a pause.
        if expected.due().is_some_and(|due| due <= Instant::now()) {
            expected = Expected::default();
            seen = seen.again();
            folders.follow(&seen);
            control.reload(Origin::File);
        }
    }
}

fn tell(error: &notify::Error) {
    tracing::warn!(%error, "watching the configuration failed; it is looked at every two seconds");
}

/// The folders that events come from.
struct Folders {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
}

impl Folders {
    /// Watches the folders of what was seen, and no others.
    fn follow(&mut self, seen: &Seen) {
        let wanted = seen.folders();
        for folder in self.watched.difference(&wanted) {
            // It may be gone from the disk as well.
            let _ = self.watcher.unwatch(folder);
        }
        self.watched.retain(|folder| wanted.contains(folder));
        for folder in wanted {
            if self.watched.contains(&folder) {
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(folder)),
                Err(error) => tell(&error),
            }
        }
    }
}
