//! Keeps two processes from delivering out of one outbox: the later one waits for the end of the earlier.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// Held as long as this process writes the outbox; the system lets go of it when the process ends, however that is.
pub(super) struct Lock(#[expect(dead_code, reason = "it is only held")] File);

impl Lock {
    /// Takes it; nothing if another process has it.
    pub fn take(dir: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("outbox.lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
