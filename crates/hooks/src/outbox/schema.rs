//! The tables, and how the file is opened: made if there is none, set aside if nobody can read it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tracing::error;

/// How long a lock of somebody else is waited for.
const BUSY: Duration = Duration::from_millis(200);

/// One row is one delivery, from the moment that it was taken in. `seq` is the order of arrival; `tries` has a JSON object
/// a try, with commas between; `answer` is what the receiver said last.
const TABLES: &str = "
    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        hook BLOB NOT NULL,
        state INTEGER NOT NULL,
        source TEXT NOT NULL,
        event TEXT NOT NULL,
        data TEXT NOT NULL,
        count INTEGER NOT NULL,
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        due_at INTEGER,
        ended_at INTEGER,
        tries TEXT,
        answer TEXT
    );
    CREATE INDEX by_hook ON deliveries (hook, state);
    CREATE TABLE hooks (id BLOB PRIMARY KEY, standing TEXT NOT NULL) WITHOUT ROWID;
";

/// The number of this form of the tables.
const VERSION: i64 = 1;

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("outbox.db")
}

/// Opens the file for its one writer. One that is none of SQLite's, or broken, is set aside for a human.
pub(super) fn open(dir: &Path) -> rusqlite::Result<Connection> {
    match try_open(dir) {
        Err(error) if is_broken(&error) => {
            set_aside(dir, &error);
            try_open(dir)
        }
        other => other,
    }
}

/// Whether the file itself is at fault.
pub(super) fn is_broken(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
}

pub(super) fn set_aside(dir: &Path, error: &rusqlite::Error) {
    let (path, aside) = (path(dir), dir.join("outbox.db.unreadable"));
    error!(path = %path.display(), "the outbox cannot be read and is set aside: {error}");
    if let Err(error) = fs::rename(&path, &aside) {
        error!("the outbox cannot be set aside: {error}");
    }
    for beside in ["outbox.db-wal", "outbox.db-shm"] {
        // They belong to the file that is gone; most often there is none.
        let _ = fs::remove_file(dir.join(beside));
    }
}

fn try_open(dir: &Path) -> rusqlite::Result<Connection> {
    make_private(&path(dir));
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path(dir), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "journal_mode", "wal")?;
    // The log is handed to the system with each commit: a killed process loses nothing.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -2_000)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if version == 0 {
        transaction.execute_batch(TABLES)?;
    }
    // Written each time: who cannot write finds out here.
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(connection)
}

/// It holds data of events, so nobody else may read it. SQLite gives what it makes beside it the same mode.
fn make_private(path: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // If it is there already, or cannot be made, SQLite says what is to be said.
    let _ = options.open(path);
}

/// Opens the file to look in, beside the writer.
pub(super) fn look_in(dir: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path(dir), flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}
