//! Watches gateway.toml: its folder, so that a file that is renamed over it is seen, and a link that is swapped as well.
//!
//! A writer that truncates and writes is waited for until it closes the file, so that no half of it is read. What no event
//! tells of (a link that points elsewhere now, a folder that was replaced, a mode that changed) is seen by a look at the
//! file every two seconds.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::control::{Control, Origin};

/// An editor's several events within this time are one change.
const SETTLE: Duration = Duration::from_millis(10);
/// How long a writer that wrote is waited for to close the file, from his last write.
const OPEN_WRITER: Duration = Duration::from_secs(5);
/// How often the file is looked at without an event.
const LOOK: Duration = Duration::from_secs(2);

/// Watches the file for as long as the process lives; `seen` is how it looked before it was read.
pub fn watch(file: &Path, seen: Look, control: Arc<Control>) -> notify::Result<()> {
    let (sender, events) = channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    for folder in folders(file) {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    let file = file.to_owned();
    let watching = move || follow(&watcher, &events, (&file, seen), &control);
    thread::Builder::new().name("watch".into()).spawn(watching).map(drop).map_err(notify::Error::io)
}

/// The folder of the file, and if it is a link, that of what it points at.
fn folders(file: &Path) -> BTreeSet<PathBuf> {
    let folder_of = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let target = file.canonicalize().map(|target| folder_of(&target));
    let folder = folder_of(file);
    let folder = folder.canonicalize().unwrap_or(folder);
    [Some(folder), target.ok()].into_iter().flatten().collect()
}

fn follow(
    _watcher: &RecommendedWatcher,
    events: &Receiver<notify::Result<Event>>,
    (file, mut seen): (&Path, Look),
    control: &Control,
) {
    // What was edited before anybody watched.
    let mut due = (Look::at(file) != seen).then(|| Instant::now() + SETTLE);
    loop {
        let wait = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
        match events.recv_timeout(wait) {
            Ok(Ok(event)) => {
                if let Some(delay) = delay_after(&event, file) {
                    // A writer that closes the file ends the wait for it.
                    let at = Instant::now() + delay;
                    due = Some(if delay == SETTLE { due.map_or(at, |due| due.min(at)) } else { at });
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "watching the configuration failed; it is looked at every two seconds"),
            // Without an event, only what stood still since the last look is read: a writer may be at it, unseen.
            Err(RecvTimeoutError::Timeout) if due.is_none() => {
                let now = Look::at(file);
                if now != seen {
                    due = Some(Instant::now() + SETTLE);
                }
                seen = now;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Here, and not only when nothing comes: other files of the folder may be written without a pause.
        if due.is_some_and(|due| due <= Instant::now()) {
            due = None;
            seen = Look::at(file);
            control.reload(Origin::File);
        }
    }
}

/// What tells one state of the file from another without reading it.
#[derive(Clone, PartialEq, Eq)]
pub struct Look(Option<(u64, u64, u32, i64, i64, u64)>);

impl Look {
    /// How it looks now.
    pub fn at(file: &Path) -> Self {
        let about = std::fs::metadata(file).ok();
        Self(about.map(|about| (about.dev(), about.ino(), about.mode(), about.mtime(), about.mtime_nsec(), about.size())))
    }
}

/// How long to wait after an event before the file is read; none if the event is about something else.
fn delay_after(event: &Event, file: &Path) -> Option<Duration> {
    let ours = event.paths.iter().filter_map(|path| path.file_name()).any(|name| {
        // Kubernetes swaps a link `..data` that the file's own link goes through.
        Some(name) == file.file_name() || name.to_string_lossy().starts_with("..") || is_target(name, file)
    });
    match event.kind {
        _ if !ours => None,
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Name(_)) => Some(SETTLE),
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) | EventKind::Any => Some(OPEN_WRITER),
        _ => None,
    }
}

fn is_target(name: &std::ffi::OsStr, file: &Path) -> bool {
    file.read_link().is_ok_and(|target| target.file_name() == Some(name))
}
