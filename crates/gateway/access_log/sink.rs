//! Where lines go: a file that may be moved, be full or vanish with its folder, or standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the file is where it was, and how often one is tried that cannot be opened.
const BETWEEN: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Default)]
pub struct Sink {
    /// None: standard error.
    path: Option<PathBuf>,
    file: Option<File>,
    /// The file ends in the middle of a line.
    torn: bool,
    /// How many lines were lost since it was told that they are.
    failing: Option<u64>,
    looked: Option<Instant>,
}

impl Sink {
    /// Writes to this file from now on, opened anew.
    pub fn open(&mut self, path: Option<PathBuf>) {
        if self.path != path {
            self.failing = None;
        }
        *self = Self { path, failing: self.failing, ..Self::default() };
        self.try_open();
    }

    /// Writes whole lines. How many were lost.
    pub fn write(&mut self, bytes: &[u8]) -> u64 {
        if self.path.is_none() {
            // If nobody can be told, nobody can be told of that.
            let _ = io::stderr().lock().write_all(bytes);
            return 0;
        }
        if self.file.is_none() && self.is_due() {
            self.try_open();
        }
        let Some(file) = &mut self.file else { return self.lose(bytes) };
        let mut left = bytes;
        match write_all(file, &mut self.torn, &mut left) {
            Ok(()) => {
                self.recovered();
                0
            }
            Err(error) => {
                self.failed(&error);
                self.lose(left)
            }
        }
    }

    /// Looks from time to time whether the file is still the one of this name.
    pub fn look(&mut self) {
        if self.path.is_none() || !self.is_due() {
            return;
        }
        self.looked = Some(Instant::now());
        let gone = |file: &File, path: &Path| match (file.metadata(), std::fs::metadata(path)) {
            (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) != (named.dev(), named.ino()),
            _ => true,
        };
        if self.file.as_ref().zip(self.path.as_deref()).is_none_or(|(file, path)| gone(file, path)) {
            self.file = None;
            self.try_open();
        }
    }

    fn is_due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= BETWEEN)
    }

    fn try_open(&mut self) {
        let Some(path) = &self.path else { return };
        self.looked = Some(Instant::now());
        match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => {
                self.torn = false;
                self.file = Some(file);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Told once, until it works again.
    fn failed(&mut self, error: &io::Error) {
        if self.failing.is_none() {
            let file = self.path.as_deref().unwrap_or(Path::new("")).display();
            tracing::error!(%file, %error, "the access log cannot be written: its lines are lost until it can");
            self.failing = Some(0);
        }
    }

    fn recovered(&mut self) {
        if let Some(lost) = self.failing.take() {
            tracing::warn!(lost, "the access log is written again");
        }
    }

    fn lose(&mut self, bytes: &[u8]) -> u64 {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.failing = Some(self.failing.unwrap_or(0) + lines);
        lines
    }
}

/// Writes all of it; `left` is what could not be. Half a line gets an end before the next one begins.
fn write_all(file: &mut File, torn: &mut bool, left: &mut &[u8]) -> io::Result<()> {
    if *torn {
        file.write_all(b"\n")?;
        *torn = false;
    }
    while !left.is_empty() {
        match file.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                *torn = left[written - 1] != b'\n';
                *left = &left[written..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).expect("the log")
    }

    #[test]
    fn a_file_that_was_moved_is_written_until_it_is_opened_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
        let mut sink = Sink::default();
        sink.open(Some(path.clone()));
        assert_eq!(sink.write(b"a\n"), 0);
        std::fs::rename(&path, &old).expect("a rename");
        assert_eq!(sink.write(b"b\n"), 0);
        sink.open(Some(path.clone()));
        assert_eq!(sink.write(b"c\n"), 0);
        assert_eq!((read(&old).as_str(), read(&path).as_str()), ("a\nb\n", "c\n"));
    }

    #[test]
    fn what_cannot_be_written_is_counted_until_it_can() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs").join("log");
        let mut sink = Sink::default();
        sink.open(Some(path.clone()));
        assert_eq!(sink.write(b"a\nb\n"), 2);
        std::fs::create_dir(folder.path().join("logs")).expect("a folder");
        assert_eq!(sink.write(b"c\n"), 1, "it is not tried all the time");
        sink.looked = None;
        assert_eq!(sink.write(b"d\n"), 0);
        assert_eq!(read(&path), "d\n");
        // It vanishes again.
        std::fs::remove_dir_all(folder.path().join("logs")).expect("it was there");
        sink.looked = None;
        sink.look();
        assert_eq!(sink.write(b"e\n"), 1);
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_how_many() {
        let mut sink = Sink::default();
        sink.open(Some("/dev/full".into()));
        assert_eq!(sink.write(b"a\nb\nc\n"), 3);
        assert_eq!(sink.failing, Some(3));
    }
}
