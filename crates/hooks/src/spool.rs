//! What is not delivered at a stop is written to a file, a line each, and taken up at the next start.
//!
//! The file stays, under another name, until all of it is delivered, given up or dropped: a process that is killed in
//! between loses nothing of it. What was delivered by then is delivered once more by the next one, with the same id.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::error;
use uuid::Uuid;

/// One delivery in the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub hook: Uuid,
    pub id: String,
    pub source: String,
    pub event: String,
    pub data: Map<String, Value>,
    pub count: u64,
    pub first_at: u64,
    pub last_at: u64,
    pub attempts: u32,
    /// When to try it next, in Unix milliseconds; nothing is at once.
    pub due_at: Option<u64>,
}

/// Where the file of the last stop is.
fn pending(state_dir: &Path) -> PathBuf {
    state_dir.join("pending-deliveries.jsonl")
}

/// Where it is once it was taken up.
fn taken(state_dir: &Path) -> PathBuf {
    state_dir.join("pending-deliveries.taken.jsonl")
}

/// Keeps all that is not delivered at a stop, instead of what was taken up at the start.
pub(crate) fn keep(state_dir: &Path, all: &[Kept]) -> io::Result<()> {
    if !all.is_empty() {
        fs::create_dir_all(state_dir)?;
        write(&pending(state_dir), all)?;
    }
    settle(state_dir)
}

/// Removes what was taken up: all of it is done, or kept anew.
pub(crate) fn settle(state_dir: &Path) -> io::Result<()> {
    remove(&taken(state_dir))
}

/// Writes a file, whole or not at all. It holds data of events, so nobody else may read it.
fn write(path: &Path, all: &[Kept]) -> io::Result<()> {
    let draft = path.with_extension("jsonl.new");
    let mut file = BufWriter::new(private(&draft)?);
    for kept in all {
        serde_json::to_writer(&mut file, kept)?;
        file.write_all(b"\n")?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Takes up what the last stop kept, and what was taken up before it and was not done. Of a delivery that is in both, the
/// newer counts.
pub(crate) fn take_up(state_dir: &Path) -> Vec<Kept> {
    let (pending, taken) = (pending(state_dir), taken(state_dir));
    let (newer, older) = (read_or_set_aside(&pending), read_or_set_aside(&taken));
    let mut ids = HashSet::new();
    let all: Vec<Kept> = newer.into_iter().chain(older).filter(|kept| ids.insert(kept.id.clone())).collect();
    if let Err(error) = hold(&pending, &taken, &all) {
        error!("what was pending at the last stop is under way, but its file cannot be moved: {error}");
    }
    all
}

/// Makes one file of the two, under the name of those that were taken up.
fn hold(pending: &Path, taken: &Path, all: &[Kept]) -> io::Result<()> {
    match (pending.try_exists()?, taken.try_exists()?) {
        (false, _) => Ok(()),
        (true, false) => fs::rename(pending, taken),
        (true, true) => {
            write(taken, all)?;
            remove(pending)
        }
    }
}

/// What a file holds. No file is nothing; one that cannot be read, or not all of it, is left to a human as well.
fn read_or_set_aside(path: &Path) -> Vec<Kept> {
    let (all, broken) = match fs::read(path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            error!(path = %path.display(), "what was pending at the last stop cannot be read and is set aside: {error}");
            if let Err(error) = fs::rename(path, aside(path)) {
                error!("the file cannot be set aside: {error}");
            }
            return Vec::new();
        }
    };
    if broken > 0 {
        error!(broken, "lines of what was pending at the last stop cannot be read; the file is set aside");
        // A copy, and then the file without them.
        if let Err(error) = fs::copy(path, aside(path)).and_then(|_| write(path, &all)) {
            error!("the file cannot be set aside: {error}");
        }
    }
    all
}

/// The deliveries, and how many lines nobody can read.
fn parse(text: &[u8]) -> (Vec<Kept>, usize) {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parsed: Vec<Option<Kept>> = lines.map(|line| serde_json::from_slice(line).ok()).collect();
    let broken = parsed.iter().filter(|kept| kept.is_none()).count();
    (parsed.into_iter().flatten().collect(), broken)
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("jsonl.unreadable")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: &str) -> Kept {
        let (source, event) = ("rate-limiting-advanced".into(), "rate-limit-exceeded".into());
        let data = Map::from_iter([("ip".to_owned(), "a\nb".into())]);
        Kept {
            hook: Uuid::nil(),
            id: id.into(),
            source,
            event,
            data,
            count: 3,
            first_at: 1,
            last_at: 2,
            attempts: 1,
            due_at: Some(9),
        }
    }

    fn ids(all: &[Kept]) -> Vec<&str> {
        all.iter().map(|kept| kept.id.as_str()).collect()
    }

    fn files(state_dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(state_dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_taken_up_stays_until_it_is_settled() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("deep/down");
        assert!(take_up(&state_dir).is_empty());
        keep(&state_dir, &[kept("msg_1"), kept("msg_2")]).unwrap();
        // The second time is that of a process after one that was killed.
        for _ in 0..2 {
            let all = take_up(&state_dir);
            assert_eq!(ids(&all), ["msg_1", "msg_2"]);
            assert_eq!((all[0].count, all[0].data["ip"].as_str()), (3, Some("a\nb")));
            assert_eq!(files(&state_dir), ["pending-deliveries.taken.jsonl"]);
        }
        settle(&state_dir).unwrap();
        settle(&state_dir).unwrap();
        assert!(files(&state_dir).is_empty());
    }

    #[test]
    fn a_stop_replaces_what_was_taken_up_and_of_two_files_the_newer_counts() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path();
        keep(state_dir, &[kept("msg_1"), kept("msg_2")]).unwrap();
        take_up(state_dir);
        let newer = [Kept { attempts: 5, ..kept("msg_2") }, kept("msg_3")];
        // As if the process had been killed in the middle of its stop.
        write(&pending(state_dir), &newer).unwrap();
        for _ in 0..2 {
            let all = take_up(state_dir);
            assert_eq!(ids(&all), ["msg_2", "msg_3", "msg_1"]);
            assert_eq!(all[0].attempts, 5);
            assert_eq!(files(state_dir), ["pending-deliveries.taken.jsonl"]);
        }
        keep(state_dir, &newer).unwrap();
        assert_eq!(files(state_dir), ["pending-deliveries.jsonl"]);
        keep(state_dir, &[]).unwrap();
        assert_eq!(ids(&take_up(state_dir)), ["msg_2", "msg_3"]);
        keep(state_dir, &[]).unwrap();
        assert!(files(state_dir).is_empty());
    }

    #[test]
    fn broken_lines_are_left_to_a_human_and_the_others_are_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &[kept("msg_1")]).unwrap();
        let mut text = fs::read(pending(dir.path())).unwrap();
        text.extend_from_slice(b"{\"hook\":\xff");
        fs::write(pending(dir.path()), &text).unwrap();
        assert_eq!(ids(&take_up(dir.path())), ["msg_1"]);
        assert_eq!(files(dir.path()), ["pending-deliveries.jsonl.unreadable", "pending-deliveries.taken.jsonl"]);
        assert_eq!(fs::read(aside(&pending(dir.path()))).unwrap(), text);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        keep(dir.path(), &[kept("msg_1")]).unwrap();
        assert_eq!(fs::metadata(pending(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
