//! How the files of a configuration look, without reading them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glob::Pattern;

use crate::config_file;

/// What tells one state of a file from another without reading it.
#[derive(Clone, PartialEq, Eq)]
pub struct Look(Option<(u64, u64, u32, i64, i64, u64)>);

impl Look {
    /// How it looks now.
    pub fn at(file: &Path) -> Self {
        let about = std::fs::metadata(file).ok();
        Self(about.map(|about| (about.dev(), about.ino(), about.mode(), about.mtime(), about.mtime_nsec(), about.size())))
    }
}

/// How the main file looked, and those that it includes.
#[derive(PartialEq, Eq)]
pub struct Seen {
    main: PathBuf,
    look: Look,
    patterns: Vec<String>,
    included: Vec<(PathBuf, Look)>,
}

impl Seen {
    /// How they look now.
    pub fn at(main: &Path) -> Self {
        let look = Look::at(main);
        Self::of(main, look, config_file::patterns(&config_file::read_whole(main)))
    }

    /// How they look now.
    pub fn again(&self) -> Self {
        let look = Look::at(&self.main);
        // A file that looks the same includes the same.
        if look == self.look { Self::of(&self.main, look, self.patterns.clone()) } else { Self::at(&self.main) }
    }

    fn of(main: &Path, look: Look, patterns: Vec<String>) -> Self {
        let (files, _) = config_file::matching(main, &patterns);
        let included = files.into_iter().map(|file| (file.clone(), Look::at(&file))).collect();
        Self { main: main.to_owned(), look, patterns, included }
    }

    /// Whether a file of this name may be one of them.
    pub fn is_ours(&self, name: &OsStr) -> bool {
        // Kubernetes swaps a link `..data` that the files' own links go through.
        name.to_string_lossy().starts_with("..")
            || self.files().any(|file| file.file_name() == Some(name) || is_target(name, file))
            || self.patterns.iter().any(|pattern| is_meant(name, pattern))
    }

    /// The folders that they are in; of those that are links, also what they point at.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let own = self.files().map(folder_of);
        let targets = self.files().filter_map(|file| file.canonicalize().ok()).map(|target| folder_of(&target));
        let others = config_file::folders(&self.main, &self.patterns);
        own.chain(targets).chain(others).map(|folder| folder.canonicalize().unwrap_or(folder)).collect()
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        [self.main.as_path()].into_iter().chain(self.included.iter().map(|(file, _)| file.as_path()))
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn is_target(name: &OsStr, file: &Path) -> bool {
    file.read_link().is_ok_and(|target| target.file_name() == Some(name))
}

/// Whether a new file of this name may be meant by a pattern: it is so if its last part says so.
fn is_meant(name: &OsStr, pattern: &str) -> bool {
    let last = pattern.rsplit('/').next().unwrap_or_default();
    Pattern::new(last).is_ok_and(|last| last.matches_with(&name.to_string_lossy(), config_file::OPTIONS))
}
