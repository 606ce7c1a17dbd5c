//! The texts of a configuration: the main file's, and those of the files that it includes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};
use sluice_config::{ProcessEnvironment, Source, include_patterns};

/// As in a shell: what begins with a dot is an editor's, and no `*` means it.
pub const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Why a file gives no text.
pub enum Unread {
    /// It cannot be read.
    Io(std::io::Error),
    /// It can, and is no text.
    NotText,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the file cannot be read: {error}"),
            Self::NotText => f.write_str("the file is no UTF-8 text"),
        }
    }
}

/// Reads the file.
pub fn read(file: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(file).map_err(Unread::Io)?;
    String::from_utf8(bytes).map_err(|_| Unread::NotText)
}

/// Reads a file that must say something: one without a byte is somebody's half-done write.
pub fn read_whole(file: &Path) -> Source {
    match read(file) {
        Ok(text) if text.is_empty() => Source::unread(file, "the file is empty"),
        Ok(text) => Source::new(file, text),
        Err(unread) => Source::unread(file, unread.to_string()),
    }
}

/// Reads the main file and all that it includes.
pub fn read_all(file: &Path) -> Vec<Source> {
    with_included(read_whole(file))
}

/// The main file, and behind it all that it includes.
pub fn with_included(main: Source) -> Vec<Source> {
    let (files, unread) = matching(&main.path, &patterns(&main));
    let included = files.iter().map(|file| read_whole(file)).chain(unread);
    let mut all: Vec<Source> = included.collect();
    all.insert(0, main);
    all
}

/// The patterns that a main file includes.
pub fn patterns(main: &Source) -> Vec<String> {
    include_patterns(main, &ProcessEnvironment)
}

/// The files that these patterns of a main file mean, in the order of their names; and folders that cannot be looked into.
pub fn matching(main: &Path, patterns: &[String]) -> (BTreeSet<PathBuf>, Vec<Source>) {
    let (mut files, mut unread) = (BTreeSet::new(), Vec::new());
    let own = main.canonicalize().ok();
    for pattern in patterns {
        // What is no pattern is told of by whoever reads the main file.
        for found in glob_with(&absolute(main, pattern), OPTIONS).into_iter().flatten() {
            match found {
                Ok(path) if path.is_dir() || path.canonicalize().ok() == own => {}
                Ok(path) => drop(files.insert(path)),
                Err(error) => unread.push(Source::unread(error.path(), format!("the folder cannot be read: {}", error.error()))),
            }
        }
    }
    (files, unread)
}

/// The folders in which files may come that these patterns mean.
pub fn folders(main: &Path, patterns: &[String]) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for pattern in patterns {
        let pattern = absolute(main, pattern);
        let Some(folder) = Path::new(&pattern).parent().and_then(Path::to_str) else { continue };
        let found = glob_with(folder, OPTIONS).into_iter().flatten().filter_map(Result::ok);
        all.extend(found.filter(|folder| folder.is_dir()));
    }
    all
}

/// The pattern from where the process stands: it is written from the main file's folder.
fn absolute(main: &Path, pattern: &str) -> String {
    match main.parent().map(Path::to_string_lossy) {
        Some(folder) if !folder.is_empty() && !pattern.starts_with('/') => format!("{}/{pattern}", Pattern::escape(&folder)),
        _ => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_files_from_the_main_files_folder() {
        let folder = tempfile::Builder::new().prefix("a[b]").tempdir().expect("a folder");
        let conf = folder.path().join("conf.d");
        std::fs::create_dir_all(conf.join("folder.toml")).expect("made");
        for name in ["gateway.toml", "conf.d/b.toml", "conf.d/a.toml", "conf.d/.#a.toml", "conf.d/a.toml.bak"] {
            std::fs::write(folder.path().join(name), "x = 1").expect("written");
        }
        let main = folder.path().join("gateway.toml");
        let check = |patterns: &[&str], expected: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            let (files, unread) = matching(&main, &patterns);
            let expected: Vec<PathBuf> = expected.iter().map(|name| folder.path().join(name)).collect();
            assert_eq!((files.into_iter().collect::<Vec<_>>(), unread), (expected, Vec::new()), "{patterns:?}");
        };
        check(&["conf.d/*.toml"], &["conf.d/a.toml", "conf.d/b.toml"]);
        check(&["conf.d/b.toml", "conf.d/[a-z].toml"], &["conf.d/a.toml", "conf.d/b.toml"]);
        check(&["*.toml"], &[]);
        check(&["**/a.toml", "none/*.toml"], &["conf.d/a.toml"]);
        check(&["[broken"], &[]);
        check(&[&format!("{}/a.toml", Pattern::escape(conf.to_str().expect("text")))], &["conf.d/a.toml"]);
        assert_eq!(folders(&main, &["conf.d/*.toml".into()]), BTreeSet::from([conf]));
    }
}
