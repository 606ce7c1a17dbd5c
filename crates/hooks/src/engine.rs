//! The engine: takes events from the bus, offers them to every hook that wants them, and starts and stops the workers.
//!
//! A reload replaces the hooks. One that did not change keeps its queue, its memory and what is under way. One that
//! changed (same id) keeps its queue, and what waits is delivered by its new settings. One that is gone or disabled ends
//! what is under way; what waited for it is dropped, counted and logged: who takes a hook out wants it to be quiet.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_events::{Bus, Occurrence};
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::clients::Clients;
use crate::delivery::work;
use crate::hook::Hook;
use crate::lane::Lane;
use crate::queue::{Data, Job, Taken};
use crate::spool::{self, Kept};
use crate::stats::HookStats;

/// What the engine is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where `pending-deliveries.jsonl` is kept between a stop and the next start.
    pub state_dir: PathBuf,
    /// How long a stop goes on delivering before it keeps the rest.
    pub grace: Duration,
}

impl Options {
    /// The usual: half a second of grace.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self { state_dir: state_dir.into(), grace: Duration::from_millis(500) }
    }
}

/// Delivers events to hooks.
pub struct Engine {
    bus: Arc<Bus>,
    options: Options,
    lanes: Mutex<Lanes>,
    clients: Arc<Clients>,
    /// Told when there are new lanes.
    changed: Notify,
    /// Told when a try ends.
    progress: Arc<Notify>,
}

#[derive(Default)]
struct Lanes {
    /// Those of the hooks, in their order.
    active: Vec<Arc<Lane>>,
    /// Those of hooks that are gone, as long as something of theirs is under way.
    leaving: Vec<Arc<Lane>>,
}

impl Engine {
    /// An engine without hooks. Nothing happens before [`Engine::run`].
    pub fn new(bus: Arc<Bus>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            bus,
            options,
            lanes: Mutex::default(),
            clients: Arc::default(),
            changed: Notify::new(),
            progress: Arc::default(),
        })
    }

    /// Works with these hooks from now on. It can be called from any thread, before [`Engine::run`] and during it.
    pub fn replace(&self, hooks: Vec<Hook>) {
        let now = Instant::now();
        let mut lanes = self.lanes();
        let mut old: HashMap<Uuid, Arc<Lane>> = lanes.active.drain(..).map(|lane| (lane.id, lane)).collect();
        for hook in hooks {
            let lane = match old.remove(&hook.id) {
                Some(lane) => {
                    lane.change(hook, now);
                    lane
                }
                None => Arc::new(Lane::new(hook)),
            };
            lanes.active.push(lane);
        }
        for lane in old.into_values() {
            lane.close(now);
            lanes.leaving.push(lane);
        }
        lanes.leaving.retain(|lane| !lane.is_idle(now));
        self.bus.set_wanted(|kind| lanes.active.iter().any(|lane| lane.matches(kind)));
        drop(lanes);
        self.changed.notify_one();
    }

    /// Delivers until `shutdown`, and then what can be delivered within the grace; the rest is kept in a file, which is
    /// taken up at the beginning of the next run. The hooks should be there before, or theirs is lost. The file stays until
    /// all of it is done, so after a kill some of it may be delivered twice, with the same id.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut taken = self.take_up();
        let mut workers = JoinSet::new();
        let mut batch = Vec::new();
        let mut shutdown = pin!(shutdown);
        loop {
            self.start(&mut workers);
            if taken.as_ref().is_some_and(|taken| taken.strong_count() == 0) {
                self.settle();
                taken = None;
            }
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.progress.notified(), if taken.is_some() => {}
                () = self.changed.notified() => {}
                Some(end) = workers.join_next() => if let Err(error) = end {
                    error!("the worker of a hook broke down, and the hook is still until the next start: {error}");
                },
                () = self.bus.collect(&mut batch) => {
                    self.dispatch(&mut batch);
                    // Those who push may be faster than this loop: the workers get their turn all the same.
                    yield_now().await;
                }
            }
        }
        // Elapsed: the rest is kept.
        let _ = timeout_at(Instant::now() + self.options.grace, self.drain(&mut batch)).await;
        workers.shutdown().await;
        self.bus.try_collect(&mut batch);
        self.dispatch(&mut batch);
        self.keep();
    }

    /// The counters of every hook.
    pub fn stats(&self) -> Vec<HookStats> {
        self.lanes().active.iter().map(|lane| lane.stats()).collect()
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the workers of lanes that have none.
    fn start(&self, workers: &mut JoinSet<()>) {
        for lane in self.lanes().active.iter().filter(|lane| lane.is_new()) {
            workers.spawn(work(lane.clone(), self.clients.clone(), self.progress.clone()));
        }
    }

    /// Offers what happened to every hook. The lock makes a reload come before or after, not between.
    fn dispatch(&self, batch: &mut Vec<Occurrence>) {
        let (lanes, now) = (self.lanes(), Instant::now());
        for occurrence in batch.drain(..) {
            for lane in &lanes.active {
                lane.offer(&occurrence, now);
            }
        }
    }

    /// Goes on until nothing is under way and nothing more can start now.
    async fn drain(&self, batch: &mut Vec<Occurrence>) {
        loop {
            self.bus.try_collect(batch);
            self.dispatch(batch);
            if self.is_idle() {
                return;
            }
            tokio::select! {
                () = self.progress.notified() => {}
                () = self.bus.collect(batch) => {}
            }
        }
    }

    fn is_idle(&self) -> bool {
        let (lanes, now) = (self.lanes(), Instant::now());
        lanes.active.iter().chain(&lanes.leaving).all(|lane| lane.is_idle(now))
    }

    /// Takes up what the last run kept. Everything is done once nobody holds what it gives.
    fn take_up(&self) -> Option<Weak<Taken>> {
        let all = spool::take_up(&self.options.state_dir);
        if all.is_empty() {
            return None;
        }
        let (now, holder) = (Instant::now(), Arc::new(Taken));
        let (mut taken, mut lost) = (0, 0);
        for kept in all {
            let count = kept.count;
            match self.restore(kept, &holder, now) {
                Some(()) => taken += count,
                None => lost += count,
            }
        }
        info!(taken, "took up what was pending at the last stop");
        if lost > 0 {
            warn!(dropped = lost, "events were dropped: their hooks are gone, or want them no more");
        }
        Some(Arc::downgrade(&holder))
    }

    fn settle(&self) {
        if let Err(error) = spool::settle(&self.options.state_dir) {
            error!("what was pending at the last stop is done, but its file cannot be removed: {error}");
        }
    }

    fn restore(&self, kept: Kept, taken: &Arc<Taken>, now: Instant) -> Option<()> {
        let kind = sluice_events::kind_of(&kept.source, &kept.event)?;
        let lane = self.lanes().active.iter().find(|lane| lane.id == kept.hook && lane.matches(kind))?.clone();
        let due = now + Duration::from_millis(kept.due_at.unwrap_or(0).saturating_sub(unix_ms()));
        let data = Data::Kept(serde_json::Value::Object(kept.data).to_string().into(), taken.clone());
        let Kept { id, count, first_at, last_at, attempts, .. } = kept;
        lane.restore(Job { seq: 0, id, kind, data, count, first_at, last_at, attempts }, due, now);
        Some(())
    }

    /// Keeps what is not delivered.
    fn keep(&self) {
        let (lanes, now) = (self.lanes(), Instant::now());
        for lane in &lanes.leaving {
            lane.tell_of_unfinished();
        }
        let all: Vec<Kept> = lanes.active.iter().flat_map(|lane| unfinished(lane, now)).collect();
        let pending: u64 = all.iter().map(|kept| kept.count).sum();
        match spool::keep(&self.options.state_dir, &all) {
            Ok(()) if all.is_empty() => {}
            Ok(()) => info!(pending, "events that are not delivered yet are kept for the next start"),
            Err(error) => error!(dropped = pending, "events that are not delivered yet cannot be kept: {error}"),
        }
    }
}

fn unfinished(lane: &Lane, now: Instant) -> impl Iterator<Item = Kept> {
    let (hook, wall) = (lane.id, unix_ms());
    lane.unfinished().into_iter().map(move |(job, due)| Kept {
        hook,
        source: job.kind.source.to_owned(),
        event: job.kind.name.to_owned(),
        data: job.data.to_map(),
        due_at: due.map(|due| wall + due.saturating_duration_since(now).as_millis() as u64),
        id: job.id,
        count: job.count,
        first_at: job.first_at,
        last_at: job.last_at,
        attempts: job.attempts,
    })
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
