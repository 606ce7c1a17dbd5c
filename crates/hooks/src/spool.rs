//! What is not delivered at a stop is written to a file, a line each, and taken up at the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
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

/// Where the file is.
pub(crate) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("pending-deliveries.jsonl")
}

/// Writes the file, whole or not at all. It holds data of events, so nobody else may read it.
pub(crate) fn write<'a>(state_dir: &Path, all: impl IntoIterator<Item = &'a Kept>) -> io::Result<()> {
    fs::create_dir_all(state_dir)?;
    let path = path(state_dir);
    let draft = path.with_extension("jsonl.new");
    let mut file = BufWriter::new(private(&draft)?);
    for kept in all {
        serde_json::to_writer(&mut file, kept)?;
        file.write_all(b"\n")?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&draft, &path)?;
    File::open(state_dir)?.sync_all()
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What the file holds, and how many of its lines nobody can read. No file is nothing.
pub(crate) fn read(state_dir: &Path) -> io::Result<(Vec<Kept>, usize)> {
    let text = match fs::read_to_string(path(state_dir)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let lines: Vec<Option<Kept>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
    let broken = lines.iter().filter(|line| line.is_none()).count();
    Ok((lines.into_iter().flatten().collect(), broken))
}

/// Takes the file away once its deliveries are in memory again.
pub(crate) fn remove(state_dir: &Path) -> io::Result<()> {
    match fs::remove_file(path(state_dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Leaves the file to a human, under another name.
pub(crate) fn set_aside(state_dir: &Path) -> io::Result<()> {
    let path = path(state_dir);
    fs::rename(&path, path.with_extension("jsonl.unreadable"))
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

    #[test]
    fn what_is_written_is_read_again_and_broken_lines_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("deep/down");
        assert_eq!(read(&state_dir).unwrap().0.len(), 0);
        write(&state_dir, &[kept("msg_1"), kept("msg_2")]).unwrap();
        let mut text = fs::read_to_string(path(&state_dir)).unwrap();
        text.push_str("{\"hook\":");
        fs::write(path(&state_dir), text).unwrap();
        let (all, broken) = read(&state_dir).unwrap();
        assert_eq!(all.iter().map(|kept| kept.id.as_str()).collect::<Vec<_>>(), ["msg_1", "msg_2"]);
        assert_eq!((all[0].count, all[0].data["ip"].as_str(), broken), (3, Some("a\nb"), 1));
        remove(&state_dir).unwrap();
        remove(&state_dir).unwrap();
        assert_eq!(fs::read_dir(&state_dir).unwrap().count(), 0, "no draft is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[kept("msg_1")]).unwrap();
        assert_eq!(fs::metadata(path(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
