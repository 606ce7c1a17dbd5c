//! Who else is at the files: whoever is about to write them looks here first.
//!
//! The kernel tells of everything that was done with them before anybody asks, in its order. It does not tell who opens a file to
//! write, so whoever has one open is waited for a moment, and whoever has changed one until he closes it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use sluice_config::Source;

/// How long somebody who has a file open may be about to write it.
const GLANCE: Duration = Duration::from_millis(100);
/// How long somebody who writes is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// After how long without a write a file that is open is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);

/// Everybody else who is at the files.
#[derive(Default)]
pub struct Others {
    /// None where the kernel has no more of them: nobody is seen then.
    inotify: Option<OwnedFd>,
    folders: HashMap<i32, PathBuf>,
    files: HashMap<PathBuf, At>,
    /// Whether a file is getting its name from us.
    exchanging: bool,
}

/// What is known of who is at a file.
#[derive(Default)]
struct At {
    open: u32,
    /// When somebody opened it last.
    opened: Option<Instant>,
    /// Those who have had it open for so long that they read.
    readers: u32,
    /// When it was changed last by somebody who has not closed it.
    changed: Option<Instant>,
}

impl At {
    fn is_written(&self) -> bool {
        self.changed.is_some_and(|at| at.elapsed() < ABANDONED)
    }

    /// Whether somebody who has it open may be about to write it.
    fn may_be_written(&mut self) -> bool {
        if self.opened.is_none_or(|at| at.elapsed() >= GLANCE) {
            self.readers += std::mem::take(&mut self.open);
        }
        self.open > 0
    }

    fn hear(&mut self, event: ReadFlags) {
        if event.contains(ReadFlags::OPEN) {
            self.open += 1;
            self.opened = Some(Instant::now());
        } else if event.contains(ReadFlags::MODIFY) {
            self.changed = Some(Instant::now());
        } else if event.contains(ReadFlags::CLOSE_WRITE) {
            self.open = self.open.saturating_sub(1);
            self.changed = None;
        } else if event.contains(ReadFlags::CLOSE_NOWRITE) {
            // Whoever reads mostly opens and closes at once, as we do; he is no less likely to be the one who came last.
            match self.open {
                0 => self.readers = self.readers.saturating_sub(1),
                _ => self.open -= 1,
            }
        } else {
            // Another file has the name now.
            *self = Self::default();
        }
    }
}

impl Others {
    /// Looks at these files from now on.
    pub fn follow(&mut self, files: &[Source]) {
        if self.inotify.is_none() {
            self.inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        }
        let Some(inotify) = &self.inotify else { return };
        for file in files.iter().filter_map(|file| file.path.canonicalize().ok()) {
            let flags = WatchFlags::OPEN | WatchFlags::MODIFY | WatchFlags::CLOSE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
            // A folder that was replaced is another one under its name.
            if let Some(folder) = file.parent()
                && let Ok(watch) = add_watch(inotify, folder, flags)
            {
                self.folders.insert(watch, folder.to_owned());
                self.files.entry(file).or_default();
            }
        }
    }

    /// Waits until nobody is at the files, and for a moment for whoever has one open; false if somebody goes on writing.
    pub fn leave(&mut self) -> bool {
        let began = Instant::now();
        loop {
            self.hear();
            let written = self.files.values().any(At::is_written);
            let open = self.files.values_mut().any(At::may_be_written);
            if !written && (!open || began.elapsed() >= GLANCE) {
                return true;
            }
            if began.elapsed() >= PATIENCE {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Exchanges two files by this; whoever has one of them open has it still.
    pub fn exchange<T>(&mut self, exchange: impl FnOnce() -> T) -> T {
        self.hear();
        self.exchanging = true;
        let exchanged = exchange();
        self.hear();
        self.exchanging = false;
        exchanged
    }

    /// This file is another one now: whoever has it open still has the one before it.
    pub fn replaced(&mut self, file: &Path) {
        if let Some(at) = self.files.get_mut(file) {
            *at = At { changed: at.changed, ..At::default() };
        }
    }

    /// Whether somebody is at this file.
    pub fn are_at(&mut self, file: &Path) -> bool {
        self.hear();
        self.files.get_mut(file).is_some_and(|at| at.is_written() || at.may_be_written())
    }

    /// Takes note of what has happened. The kernel tells of two who open a file one after the other as of one: whoever is about to
    /// read a file calls this first, so that he is not taken for somebody else.
    pub fn hear(&mut self) {
        let Some(inotify) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(inotify, &mut buffer);
        while let Ok(event) = events.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                self.files.values_mut().for_each(|at| *at = At::default());
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let file = self.folders.get(&event.wd()).zip(name).map(|(folder, name)| folder.join(name));
            let Some(at) = file.and_then(|file| self.files.get_mut(&file)) else { continue };
            if !(self.exchanging && event.events().contains(ReadFlags::MOVED_TO)) {
                at.hear(event.events());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write;

    use super::*;

    #[test]
    fn whoever_has_a_file_open_is_seen_and_whoever_changes_it_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().canonicalize().expect("it is there").join("gateway.toml");
        std::fs::write(&file, "x").expect("written");
        let mut others = Others::default();
        others.follow(&[Source::new(&file, "x")]);
        assert!(others.leave() && !others.are_at(&file));
        std::fs::read(&file).expect("read");
        std::fs::write(&file, "y").expect("written");
        std::fs::write(folder.path().join("other"), "y").expect("written");
        assert!(!others.are_at(&file), "who was there has gone");
        let reader = File::open(&file).expect("opened");
        assert!(others.are_at(&file));
        assert!(others.leave() && !others.are_at(&file), "he reads");
        drop(reader);
        let mut writer = OpenOptions::new().append(true).open(&file).expect("opened");
        writer.write_all(b"z").expect("written");
        assert!(others.are_at(&file) && !others.leave());
        drop(writer);
        assert!(others.leave() && !others.are_at(&file));
        let mut writer = File::create(&file).expect("truncated");
        writer.write_all(b"z").expect("written");
        assert!(others.are_at(&file));
        std::fs::write(folder.path().join("new"), "x").expect("written");
        std::fs::rename(folder.path().join("new"), &file).expect("renamed");
        assert!(!others.are_at(&file), "what he writes is another file");
    }
}
