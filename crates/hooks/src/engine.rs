//! The engine: takes events from the bus, offers them to every hook that wants them, and starts and stops the workers.
//!
//! A reload replaces the hooks. One that did not change keeps its queue, its memory and what is under way. One that
//! changed (same id) keeps its queue, and what waits is delivered by its new settings. One that is gone or disabled ends
//! what is under way; what waited for it is dropped, counted and logged: who takes a hook out wants it to be quiet.

use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sluice_config::Hooks;
use sluice_events::{Bus, Occurrence};
use tokio::runtime::Handle;
use tokio::sync::{Notify, SetOnce, mpsc};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::around::Around;
use crate::clients::{Clients, Network};
use crate::delivery::work;
use crate::hook::Hook;
use crate::job::{Data, Job, unix_ms};
use crate::lane::Lane;
use crate::outbox::{Change, Kept, Told};
use crate::standing::Standing;
use crate::stats::HookStats;

/// How long the beginning waits for what earlier processes left; if it comes later, it is taken up then.
const OPENING: Duration = Duration::from_secs(2);
/// How long the next batch is left to grow after one that only added to what waits.
const REST: Duration = Duration::from_millis(5);
/// How long a stop waits for the outbox to be closed.
const CLOSING: Duration = Duration::from_secs(2);

/// What the engine is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the outbox is.
    pub state_dir: PathBuf,
    /// How long a stop goes on delivering before it keeps the rest.
    pub grace: Duration,
    /// How long a process that this one replaces may go on delivering out of the outbox; none if there is no such process.
    pub predecessor: Option<Duration>,
}

impl Options {
    /// The usual: half a second of grace.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self { state_dir: state_dir.into(), grace: Duration::from_millis(500), predecessor: None }
    }
}

/// Delivers events to hooks.
pub struct Engine {
    bus: Arc<Bus>,
    grace: Duration,
    lanes: Mutex<Lanes>,
    pub(crate) around: Arc<Around>,
    pub(crate) clients: Arc<Clients>,
    /// Told when a try ends.
    progress: Arc<Notify>,
    /// Where it runs.
    pub(crate) runtime: SetOnce<Handle>,
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
        let Options { state_dir, grace, predecessor } = options;
        Arc::new(Self {
            grace,
            lanes: Mutex::default(),
            around: Arc::new(Around::new(&bus, &state_dir, predecessor)),
            bus,
            clients: Arc::default(),
            progress: Arc::default(),
            runtime: SetOnce::new(),
        })
    }

    /// What `[hooks]` says of deliveries and connections, from now on.
    pub fn apply(&self, hooks: &Hooks, network: Network) {
        self.around.apply(hooks);
        self.clients.apply(network);
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
                None => Arc::new(Lane::new(hook, self.around.clone())),
            };
            lanes.active.push(lane);
        }
        for lane in old.into_values() {
            lane.close(now);
            lanes.leaving.push(lane);
        }
        lanes.leaving.retain(|lane| !lane.is_idle(now));
        self.say_what_is_wanted(&lanes);
        drop(lanes);
        self.around.changed.notify_one();
    }

    /// Delivers until `shutdown`, and then what can be delivered within the grace; the rest stays in the outbox for the
    /// next run. The hooks should be there before, or theirs is lost.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let (mut told, writer) = match self.around.outbox.start() {
            Ok(started) => started,
            Err(error) => return error!("the hooks do not work: the thread of the outbox cannot be started: {error}"),
        };
        // It is set once: an engine runs once.
        let _ = self.runtime.set(Handle::current());
        // What was left comes before what is new, if it comes soon.
        if let Ok(Some(first)) = timeout(OPENING, told.recv()).await {
            self.hear(first).await;
        }
        let mut workers = JoinSet::new();
        let mut batch = Vec::new();
        self.work(&mut workers, &mut batch, &mut told, shutdown).await;
        // Elapsed: the rest is kept.
        let _ = timeout_at(Instant::now() + self.grace, self.drain(&mut batch)).await;
        workers.shutdown().await;
        self.bus.try_collect(&mut batch);
        self.take(&mut batch).await;
        self.close().await;
        drop(told);
        // It ends by itself; who starts next finds the outbox free.
        let join = tokio::task::spawn_blocking(move || writer.join());
        let _ = timeout(CLOSING, join).await;
    }

    async fn work(
        &self,
        workers: &mut JoinSet<()>,
        batch: &mut Vec<Occurrence>,
        told: &mut mpsc::Receiver<Told>,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut shutdown = pin!(shutdown);
        loop {
            self.start(workers);
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = self.around.changed.notified() => self.say_what_is_wanted(&self.lanes()),
                Some(told) = told.recv() => self.hear(told).await,
                Some(end) = workers.join_next() => if let Err(error) = end {
                    error!("the worker of a hook broke down, and the hook is still until the next start: {error}");
                },
                () = self.bus.collect(batch) => {
                    if self.take(batch).await {
                        // Those who push may be faster than this loop: the workers get their turn all the same.
                        yield_now().await;
                    } else {
                        // It only adds to what waits anyway, and costs less in larger batches.
                        sleep(REST).await;
                    }
                }
            }
        }
    }

    /// The counters of every hook.
    pub fn stats(&self) -> Vec<HookStats> {
        self.lanes().active.iter().map(|lane| lane.stats()).collect()
    }

    /// The hook of this id, at work.
    pub(crate) fn lane(&self, hook: Uuid) -> Option<Arc<Lane>> {
        self.lanes().active.iter().find(|lane| lane.id == hook).cloned()
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn active(&self) -> Vec<Arc<Lane>> {
        self.lanes().active.clone()
    }

    fn say_what_is_wanted(&self, lanes: &Lanes) {
        self.bus.set_wanted(|kind| lanes.active.iter().any(|lane| lane.wants(kind)));
    }

    /// Starts the workers of lanes that have none.
    fn start(&self, workers: &mut JoinSet<()>) {
        for lane in self.lanes().active.iter().filter(|lane| lane.is_new()) {
            workers.spawn(work(lane.clone(), self.clients.clone(), self.progress.clone()));
        }
    }

    /// Takes in what happened: offers it to every hook, has the outbox keep what they make of it, and only then lets them
    /// begin. Whether there is something new among it.
    async fn take(&self, batch: &mut Vec<Occurrence>) -> bool {
        let lanes = self.offer(batch);
        let before = self.around.order.next();
        let now = Instant::now();
        // Every lane tells, whether the one before did or not.
        let told: Vec<_> = lanes.iter().map(|lane| lane.tell(now)).collect();
        if told.iter().any(|told| told.kept) {
            self.around.outbox.flush().await;
        }
        lanes.iter().for_each(|lane| lane.admit(before));
        told.iter().any(|told| told.new)
    }

    /// The lock makes a reload come before or after, not between.
    fn offer(&self, batch: &mut Vec<Occurrence>) -> Vec<Arc<Lane>> {
        let (lanes, now) = (self.lanes(), Instant::now());
        for occurrence in batch.drain(..) {
            for lane in &lanes.active {
                lane.offer(&occurrence, now);
            }
        }
        lanes.active.clone()
    }

    /// Goes on until nothing is under way and nothing more can start now.
    async fn drain(&self, batch: &mut Vec<Occurrence>) {
        loop {
            self.bus.try_collect(batch);
            self.take(batch).await;
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

    /// What the outbox has to say.
    async fn hear(&self, told: Told) {
        match told {
            Told::Opened { kept, standings, last_seq } => {
                self.around.order.begin_behind(last_seq);
                self.stand(standings);
                self.take_up(kept);
            }
            Told::Standings(standings) => self.stand(standings),
            Told::Degraded(reason) => self.around.reports.degraded(&reason),
            Told::Behind => {
                let now = Instant::now();
                self.active().iter().for_each(|lane| lane.tell_all(now));
                self.around.outbox.tell(Change::Whole);
            }
        }
    }

    fn stand(&self, standings: Vec<(Uuid, Standing)>) {
        for (hook, standing) in standings {
            if let Some(lane) = self.lane(hook) {
                lane.stand(standing);
            }
        }
    }

    /// Takes up what earlier processes left.
    fn take_up(&self, all: Vec<Kept>) {
        let now = Instant::now();
        let (mut taken, mut lost) = (0, 0);
        for kept in all {
            let (hook, seq, due, count) = (kept.hook, kept.seq, kept.due(now), kept.count);
            let lane = self.lane(hook);
            match lane.zip(kept.into_job()).filter(|(lane, job)| lane.wants(job.kind)) {
                Some((lane, job)) => {
                    lane.restore(job, due, now);
                    taken += count;
                }
                None => {
                    self.around.outbox.tell(Change::Gone { seq });
                    lost += count;
                }
            }
        }
        if taken > 0 {
            info!(taken, "took up what was not delivered yet");
        }
        if lost > 0 {
            warn!(dropped = lost, "events were dropped: their hooks are gone, or want them no more");
        }
    }

    /// Keeps what is not delivered.
    async fn close(&self) {
        let now = Instant::now();
        self.lanes().leaving.iter().for_each(|lane| lane.tell_of_unfinished());
        let lanes = self.active();
        lanes.iter().for_each(|lane| lane.keep(now));
        self.around.outbox.close().await;
        let pending: u64 = lanes.iter().flat_map(|lane| lane.unfinished()).map(|(job, _)| job.count).sum();
        match self.around.outbox.status().reason {
            _ if pending == 0 => {}
            None => info!(pending, "events that are not delivered yet are kept for the next start"),
            Some(reason) => error!(dropped = pending, "events that are not delivered yet cannot be kept: {reason}"),
        }
    }
}

impl Kept {
    /// When to try it.
    fn due(&self, now: Instant) -> Instant {
        now + Duration::from_millis(self.due_at.unwrap_or(0).saturating_sub(unix_ms()))
    }

    /// What it was, if there still are such events.
    pub(crate) fn into_job(self) -> Option<Job> {
        let Self { seq, id, count, first_at, last_at, attempts, .. } = self;
        let kind = sluice_events::kind_of(&self.source, &self.event)?;
        let data = Data::Kept(self.data.into());
        Some(Job { seq, id, kind, data, count, first_at, last_at, attempts, kept: true })
    }
}
