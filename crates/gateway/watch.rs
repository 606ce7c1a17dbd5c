//! Watches gateway.toml: its folder, so that a file that is renamed over it is seen, and a link that is swapped as well.
//!
//! A writer that truncates and writes is waited for until it closes the file, so that no half of it is ever read.

use std::collections::BTreeSet;
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
/// How long a writer that wrote is waited for to close the file.
const OPEN_WRITER: Duration = Duration::from_millis(150);

/// Watches the file for as long as the process lives.
pub fn watch(file: &Path, control: Arc<Control>) -> notify::Result<()> {
    let (sender, events) = channel();
    let mut watcher = notify::recommended_watcher(sender)?;
    for folder in folders(file) {
        watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    }
    let file = file.to_owned();
    let watching = move || follow(&watcher, &events, &file, &control);
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

fn follow(_watcher: &RecommendedWatcher, events: &Receiver<notify::Result<Event>>, file: &Path, control: &Control) {
    let mut due: Option<Instant> = None;
    loop {
        let wait = due.map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
        match events.recv_timeout(wait.min(Duration::from_secs(3600))) {
            Ok(Ok(event)) => {
                if let Some(delay) = delay_after(&event, file) {
                    // A writer that closes the file ends the wait for it.
                    let at = Instant::now() + delay;
                    due = Some(if delay == SETTLE { due.map_or(at, |due| due.min(at)) } else { at });
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "watching the configuration failed; a SIGHUP reloads it"),
            Err(RecvTimeoutError::Timeout) if due.is_some_and(|due| due <= Instant::now()) => {
                due = None;
                control.reload(Origin::File);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
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
