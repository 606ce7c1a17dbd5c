//! The one who writes: a thread that takes all changes that are there and commits them together.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::change::Change;
use super::database::{self, Database};
use super::lock::Lock;
use super::{Shared, Told, schema};

/// How many changes are committed together.
const TOGETHER: usize = 2_048;
/// How often what is over is trimmed, at least.
const TRIM: Duration = Duration::from_secs(10);
/// After how many changes it is trimmed sooner.
const TRIM_AFTER: usize = 4_096;
/// How soon a disk that is not good is looked at again: quickly at first, for an earlier process may just be ending.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    shared: Arc<Shared>,
    changes: Receiver<Change>,
    told: mpsc::Sender<Told>,
    lock: Option<Lock>,
    /// What earlier processes left was told.
    opened: bool,
}

/// Everybody who tells is gone.
struct End;

/// Why the file is not open.
enum Closed {
    /// Another process has it.
    Held,
    /// It cannot be opened.
    Broken(String),
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("another process uses it (state_dir is for one gateway)"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl Closed {
    fn because(error: impl fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Writer {
    pub fn new(shared: Arc<Shared>, changes: Receiver<Change>, told: mpsc::Sender<Told>) -> Self {
        Self { shared, changes, told, lock: None, opened: false }
    }

    /// Writes until nobody tells any more.
    pub fn run(mut self) {
        while let Some(mut database) = self.open() {
            match self.write_to(&mut database) {
                Ok(End) => break,
                Err(error) => {
                    if schema::is_broken(&error) {
                        drop(database);
                        schema::set_aside(&self.shared.dir, &error);
                    }
                    self.degrade(&error.to_string());
                }
            }
        }
        self.shared.status(|status| status.state = "closed");
    }

    /// Opens the file, as often as it takes; changes are forgotten meanwhile. Nothing: everybody is gone.
    fn open(&mut self) -> Option<Database> {
        let mut wait = SOON;
        let began = Instant::now();
        loop {
            match self.try_open() {
                Ok(database) => return Some(database),
                Err(Closed::Held) if !self.opened && self.shared.predecessor.is_some_and(|time| began.elapsed() < time) => {
                    self.wait_for_predecessor();
                    self.forget_for(SOON).ok()?;
                }
                // An earlier process may need a moment to end; who is told meanwhile waits in the channel.
                Err(_) if !self.opened && began.elapsed() < LATER => std::thread::sleep(SOON),
                Err(closed) => {
                    self.degrade(&closed.to_string());
                    self.forget_for(wait).ok()?;
                    wait = (wait * 2).min(LATER);
                }
            }
        }
    }

    /// Another process delivers out of it until its last request has ended: memory has what comes here. How hooks stand is
    /// no secret of that process, and what is paused there is paused here.
    fn wait_for_predecessor(&self) {
        let news =
            self.shared.status(|status| status.reason.replace("the process before this one has it still".into()).is_none());
        if !news {
            return;
        }
        info!("the outbox is the process's before this one until its last request has ended; deliveries are kept in memory");
        match schema::look_in(&self.shared.dir).and_then(|file| database::standings(&file)) {
            Ok(standings) => self.tell(Told::Standings(standings)),
            // They come with the rest.
            Err(error) => warn!("how hooks stand cannot be read yet: {error}"),
        }
    }

    fn try_open(&mut self) -> Result<Database, Closed> {
        if self.lock.is_none() {
            fs::create_dir_all(&self.shared.dir).map_err(Closed::because)?;
            self.lock = Lock::take(&self.shared.dir).map_err(Closed::because)?;
            if self.lock.is_none() {
                return Err(Closed::Held);
            }
        }
        let database = Database::open(&self.shared.dir).map_err(Closed::because)?;
        if !self.opened {
            let read = || rusqlite::Result::Ok((database.waiting()?, database.standings()?, database.last_seq()?));
            let (kept, standings, last_seq) = read().map_err(|error| {
                if schema::is_broken(&error) {
                    schema::set_aside(&self.shared.dir, &error);
                }
                Closed::because(error)
            })?;
            self.opened = true;
            self.tell(Told::Opened { kept, standings, last_seq });
        }
        if self.shared.status(|status| status.state == "opening") {
            self.is_good();
        }
        Ok(database)
    }

    fn write_to(&mut self, database: &mut Database) -> rusqlite::Result<End> {
        let (mut batch, mut trimmed, mut written) = (Vec::new(), Instant::now(), 0);
        // What was missed before is asked for once.
        let mut asked = false;
        loop {
            let missed = self.shared.missed.swap(false, Ordering::AcqRel) || (!asked && self.is_degraded());
            if missed {
                asked = true;
                self.tell(Told::Behind);
            }
            match self.changes.recv_timeout(TRIM) {
                Ok(change) => batch.push(change),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(End),
            }
            batch.extend(self.changes.try_iter().take(TOGETHER - 1));
            let result = if batch.is_empty() { Ok(()) } else { database.write(&batch) };
            written += batch.len();
            let whole = batch.iter().any(|change| matches!(change, Change::Whole));
            acknowledge(&mut batch);
            if result.is_err() {
                self.shared.missed.store(true, Ordering::Release);
            }
            result?;
            if whole {
                self.is_good();
            }
            if written >= TRIM_AFTER || trimmed.elapsed() >= TRIM {
                let more = database.trim(&self.shared.hooks.load())?;
                // What is left of it leaves after the next changes, so that those do not wait.
                written = if more { TRIM_AFTER } else { 0 };
                trimmed = Instant::now();
            }
        }
    }

    /// Forgets what it is told for a while.
    fn forget_for(&self, time: Duration) -> Result<(), End> {
        let until = Instant::now() + time;
        loop {
            match self.changes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(change) => {
                    self.shared.missed.store(true, Ordering::Release);
                    acknowledge(&mut vec![change]);
                }
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(End),
            }
        }
    }

    fn is_degraded(&self) -> bool {
        self.shared.status(|status| status.state == "memory")
    }

    /// It has everything that it should have.
    fn is_good(&self) {
        let was = self.shared.status(|status| {
            status.reason = None;
            std::mem::replace(&mut status.state, "ok")
        });
        if was == "memory" {
            info!("the outbox can be written again");
        }
    }

    fn degrade(&self, reason: &str) {
        let news = self.shared.status(|status| {
            let news = status.state != "memory";
            status.degraded += u64::from(news);
            status.state = "memory";
            status.reason = Some(reason.to_owned());
            news
        });
        if news {
            error!("the outbox cannot be written, and deliveries are kept in memory only: {reason}");
            self.tell(Told::Degraded(reason.to_owned()));
        }
    }

    fn tell(&self, told: Told) {
        if self.told.blocking_send(told).is_err() {
            warn!("nobody listens to the outbox any more");
        }
    }
}

/// Tells those who wait that what came before them is written, or will not be.
fn acknowledge(batch: &mut Vec<Change>) {
    for change in batch.drain(..) {
        if let Change::Flush(done) = change {
            // Who waited may have lost patience.
            let _ = done.send(());
        }
    }
}
