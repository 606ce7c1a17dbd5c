//! The outbox: what is not delivered yet, and a record of what became of it, in SQLite in `state_dir`.
//!
//! Memory has the truth while the process lives; the outbox is told of every change of it, by a thread of its own that
//! commits whatever came meanwhile in one transaction. A delivery is tried only once the outbox has it, so a process that
//! is killed loses nothing that it had taken in. (SQLite's WAL is handed to the system with each commit and to the disk
//! from time to time: a machine that loses power may lose the last moments, and is never left with half a file.)
//!
//! Nobody waits for a disk for long: if it is full, locked, slow or broken, changes are forgotten, memory goes on alone, and
//! [`Told::Degraded`] says so. Once the disk is good again, every lane tells the outbox all that it has.

mod change;
mod database;
mod lock;
mod reader;
mod schema;
mod trim;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use schemars::JsonSchema;
use serde::Serialize;
use sluice_config::Hooks;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::standing::Standing;

pub(crate) use change::{Change, Entry, State};
pub(crate) use database::Kept;
pub use reader::Wanted as WantedRecords;
pub(crate) use reader::{one, page, to_replay};

/// How many changes may wait for the disk.
const ROOM: usize = 16_384;
/// How long a commit is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a stop waits for the last commit.
const LAST: Duration = Duration::from_secs(2);

/// What the outbox tells the engine.
pub(crate) enum Told {
    /// It is open: this is what earlier processes left, and how hooks stood.
    Opened { kept: Vec<Kept>, standings: Vec<(Uuid, Standing)>, last_seq: u64 },
    /// A process that is being replaced has it still: this is how hooks stand there.
    Standings(Vec<(Uuid, Standing)>),
    /// It cannot be written.
    Degraded(String),
    /// It can be written again, but has missed changes.
    Behind,
}

/// How the outbox is, for people.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct OutboxStatus {
    /// `opening`, `ok`, `memory` (it cannot be written, and deliveries are kept in memory only), or `closed`.
    pub state: &'static str,
    /// Why it is not `ok`.
    pub reason: Option<String>,
    /// How often it became `memory` since the start.
    pub degraded: u64,
}

/// What the writer and everybody else share.
pub(crate) struct Shared {
    dir: PathBuf,
    /// How long a process that is being replaced may have it still; none if there is no such process.
    predecessor: Option<Duration>,
    /// What `[hooks]` says.
    hooks: Arc<ArcSwap<Hooks>>,
    status: Mutex<OutboxStatus>,
    /// Changes were forgotten since the lanes told everything.
    missed: AtomicBool,
}

impl Shared {
    fn status<T>(&self, look: impl FnOnce(&mut OutboxStatus) -> T) -> T {
        look(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The outbox as everybody else sees it.
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    /// Nothing before the start and after the end.
    sender: Mutex<Option<SyncSender<Change>>>,
}

impl Outbox {
    /// One that is not open yet: what it is told, it forgets.
    pub fn new(state_dir: &Path, predecessor: Option<Duration>, hooks: Arc<ArcSwap<Hooks>>) -> Self {
        let status = Mutex::new(OutboxStatus { state: "closed", reason: None, degraded: 0 });
        let shared = Shared { dir: state_dir.to_owned(), predecessor, hooks, status, missed: AtomicBool::new(false) };
        Self { shared: Arc::new(shared), sender: Mutex::default() }
    }

    /// One that somebody else listens to.
    #[cfg(test)]
    pub fn overheard() -> (Self, std::sync::mpsc::Receiver<Change>) {
        let outbox = Self::new(Path::new("nowhere"), None, Arc::default());
        let (sender, changes) = sync_channel(ROOM);
        *outbox.sender() = Some(sender);
        (outbox, changes)
    }

    /// Opens it, on a thread of its own.
    pub fn start(&self) -> std::io::Result<(mpsc::Receiver<Told>, std::thread::JoinHandle<()>)> {
        let (sender, changes) = sync_channel(ROOM);
        let (told, receiver) = mpsc::channel(64);
        self.shared.status(|status| status.state = "opening");
        let writer = writer::Writer::new(self.shared.clone(), changes, told);
        let thread = std::thread::Builder::new().name("outbox".into()).spawn(move || writer.run())?;
        *self.sender() = Some(sender);
        Ok((receiver, thread))
    }

    /// Tells it of a change. It never waits: what there is no room for is forgotten, and made good later.
    pub fn tell(&self, change: Change) -> bool {
        match self.sender().as_ref().map(|sender| sender.try_send(change)) {
            Some(Ok(())) => return true,
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => {}
        }
        self.shared.missed.store(true, Ordering::Release);
        false
    }

    /// Waits until everything that it was told is on its way to the disk, or cannot be; not for long.
    pub async fn flush(&self) {
        self.wait(PATIENCE).await;
    }

    async fn wait(&self, patience: Duration) {
        let (done, wait) = oneshot::channel();
        if self.tell(Change::Flush(done)) {
            // Too late, or gone: memory has it.
            let _ = timeout(patience, wait).await;
        }
    }

    /// Writes what is left and closes it.
    pub async fn close(&self) {
        self.wait(LAST).await;
        self.sender().take();
    }

    /// How it is.
    pub fn status(&self) -> OutboxStatus {
        self.shared.status(|status| status.clone())
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    fn sender(&self) -> std::sync::MutexGuard<'_, Option<SyncSender<Change>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
