//! Writes the access log: a thread of its own takes the lines that requests left, and adds them to the file.

mod sink;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, Thread, park, park_timeout};
use std::time::{Duration, Instant};

use sluice_config::AccessLogFormat;
use sluice_proxy::Traffic;

use sink::Sink;

/// How long lines wait at most.
const TICK: Duration = Duration::from_millis(50);
/// How long a stop waits for the last lines.
const LAST: Duration = Duration::from_secs(2);
/// How often it is told that lines are dropped.
const BETWEEN: Duration = Duration::from_secs(60);

/// The access log as everybody else sees it.
pub struct AccessLog {
    traffic: Arc<Traffic>,
    orders: Arc<Orders>,
    thread: Thread,
    ended: Mutex<Receiver<()>>,
    told: Mutex<Told>,
}

/// What the thread is told.
#[derive(Default)]
struct Orders {
    on: AtomicBool,
    file: Mutex<Option<PathBuf>>,
    /// The file is to be opened again.
    reopen: AtomicBool,
    close: AtomicBool,
    written: AtomicU64,
}

/// How many lost lines were told of, and when.
struct Told {
    dropped: u64,
    at: Option<Instant>,
}

impl AccessLog {
    /// Starts the thread. It sleeps until there is something to write.
    pub fn start(traffic: Arc<Traffic>) -> std::io::Result<Arc<Self>> {
        let orders = Arc::<Orders>::default();
        let (end, ended) = sync_channel(1);
        let (lines, heard) = (traffic.clone(), orders.clone());
        let thread = Builder::new().name("access-log".into()).spawn(move || work(&lines, &heard, &end))?.thread().clone();
        traffic.lines().wake(thread.clone());
        let told = Mutex::new(Told { dropped: 0, at: None });
        Ok(Arc::new(Self { traffic, orders, thread, ended: Mutex::new(ended), told }))
    }

    /// Writes as this says from now on.
    pub fn apply(&self, config: &sluice_config::AccessLog) {
        *self.orders.file() = config.file.clone();
        self.orders.on.store(config.format != AccessLogFormat::Off, Ordering::Release);
        self.reopen();
    }

    /// Opens the file again: somebody has moved it.
    pub fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Lines that were written since the start.
    pub fn written(&self) -> u64 {
        self.orders.written.load(Ordering::Relaxed)
    }

    /// Tells of lines that were lost, if any were since it told last; not too often.
    pub fn tell_dropped(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = self.traffic.lines().dropped();
        if dropped > told.dropped && told.at.is_none_or(|at| at.elapsed() >= BETWEEN) {
            tracing::warn!(
                dropped = dropped - told.dropped,
                "lines of the access log were lost: they came faster than they could be written"
            );
            *told = Told { dropped, at: Some(Instant::now()) };
        }
    }

    /// Writes what is left, if that does not take too long.
    pub fn close(&self) {
        self.orders.close.store(true, Ordering::Release);
        self.thread.unpark();
        // Late or gone: nothing more can be done.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LAST);
    }
}

impl Orders {
    fn file(&self) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(traffic: &Traffic, orders: &Orders, end: &SyncSender<()>) {
    let lines = traffic.lines();
    let mut sink = Sink::default();
    loop {
        let close = orders.close.load(Ordering::Acquire);
        let reopen = orders.reopen.swap(false, Ordering::AcqRel);
        // What was said before goes to where it was said for.
        lines.take(|bytes, all| {
            let lost = sink.write(bytes);
            lines.lose(lost);
            orders.written.fetch_add(all.saturating_sub(lost), Ordering::Relaxed);
        });
        if close {
            // Nobody may wait any more.
            let _ = end.send(());
            return;
        }
        if reopen {
            sink.open(orders.file().clone());
        }
        match orders.on.load(Ordering::Acquire) {
            true => {
                sink.look();
                park_timeout(TICK);
            }
            false => park(),
        }
    }
}
