//! What people ask of the engine: what became of deliveries, and to try, pause, resume or replay.

use std::time::Duration;

use serde_json::{Map, Value};
use sluice_events::EventKind;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use uuid::Uuid;

use crate::answer::{Answer, Said};
use crate::delivery::try_once;
use crate::engine::Engine;
use crate::handler::{Cx, Delivery, Failure};
use crate::hook::Hook;
use crate::job::{seq_of, unix_ms};
use crate::lane::Replayed;
use crate::outbox::{self, OutboxStatus, WantedRecords};
use crate::queue::CAPACITY;
use crate::record::Record;

/// How long whoever asks right after the start waits until the hooks are at work.
const START: Duration = Duration::from_secs(5);

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// There is no such hook, or it is not enabled.
    #[error("there is no such hook at work")]
    NoHook,
    /// There is no such delivery.
    #[error("there is no such delivery")]
    NoDelivery,
    /// It stands in the way of the hook as it is.
    #[error("{0}")]
    Conflict(String),
    /// The hook cannot do that.
    #[error("{0}")]
    Unsupported(String),
    /// The outbox cannot be read.
    #[error("the outbox cannot be read: {0}")]
    Outbox(String),
}

/// How often a replay did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, schemars::JsonSchema, serde::Serialize)]
pub struct ReplayCounts {
    /// Deliveries that are tried again.
    pub replayed: u64,
    /// Deliveries that are under way anyway, or that the hook does not want any more.
    pub skipped: u64,
}

/// What became of a test.
#[derive(Clone, Debug)]
pub struct Tested {
    /// The data of the event that the hook was tried on, with `source` and `event`.
    pub data: Value,
    /// What the receiver said, if it is one that can.
    pub answer: Option<Answer>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Engine {
    /// How the outbox is.
    pub fn outbox(&self) -> OutboxStatus {
        self.around.outbox.status()
    }

    /// Deliveries, the newest first.
    pub async fn records(&self, wanted: WantedRecords) -> Result<Vec<Record>, Refused> {
        self.look_in(move |dir| outbox::page(dir, &wanted)).await
    }

    /// One delivery, with the data that it tells of.
    pub async fn record(&self, id: &str) -> Result<Record, Refused> {
        let seq = seq_of(id).ok_or(Refused::NoDelivery)?;
        let record = self.look_in(move |dir| outbox::one(dir, seq)).await?;
        record.filter(|record| record.id == id).ok_or(Refused::NoDelivery)
    }

    /// Tries one again, with the same id, be it dead or delivered. One that waits is tried at once.
    pub async fn replay(&self, id: &str) -> Result<Record, Refused> {
        let seq = seq_of(id).ok_or(Refused::NoDelivery)?;
        let one = WantedRecords { before: Some(seq.saturating_add(1)), limit: 1, ..WantedRecords::default() };
        let kept = self.look_in(move |dir| outbox::to_replay(dir, &one)).await?;
        let kept = kept.into_iter().find(|kept| kept.id == id).ok_or(Refused::NoDelivery)?;
        let lane = self.lane(kept.hook).ok_or(Refused::NoHook)?;
        let job = kept.into_job();
        let job = job.ok_or_else(|| Refused::Conflict("there are no such events any more".into()))?;
        match lane.replay(job, Instant::now()) {
            Replayed::Again | Replayed::Hastened | Replayed::UnderWay => self.record(id).await,
            Replayed::Disabled => Err(disabled()),
            Replayed::Unwanted => Err(Refused::Conflict("the hook does not want such events any more".into())),
        }
    }

    /// Tries all of a hook again that are wanted, the oldest of the newest first; at most as many as can wait.
    pub async fn replay_all(&self, hook: Uuid, wanted: WantedRecords) -> Result<ReplayCounts, Refused> {
        let lane = self.lane(hook).ok_or(Refused::NoHook)?;
        let wanted = WantedRecords { hook: Some(hook), limit: wanted.limit.min(CAPACITY), ..wanted };
        let all = self.look_in(move |dir| outbox::to_replay(dir, &wanted)).await?;
        let (now, mut counts) = (Instant::now(), ReplayCounts::default());
        for kept in all {
            match kept.into_job().map(|job| lane.replay(job, now)) {
                Some(Replayed::Again | Replayed::Hastened) => counts.replayed += 1,
                Some(Replayed::Disabled) => return Err(disabled()),
                Some(Replayed::UnderWay | Replayed::Unwanted) | None => counts.skipped += 1,
            }
        }
        Ok(counts)
    }

    /// Nothing new starts for the hook from now on; what comes waits.
    pub fn pause(&self, hook: Uuid) -> Result<(), Refused> {
        self.lane(hook).map(|lane| lane.pause()).ok_or(Refused::NoHook)
    }

    /// A hook that was paused or disabled works again.
    pub fn resume(&self, hook: Uuid) -> Result<(), Refused> {
        self.lane(hook).map(|lane| lane.resume()).ok_or(Refused::NoHook)
    }

    /// Tries the hook once, on this data or on a sample, and waits for what becomes of it. It is not recorded and not
    /// tried again.
    pub async fn test(&self, hook: Uuid, data: Map<String, Value>) -> Result<Tested, Refused> {
        let hook = self.lane(hook).ok_or(Refused::NoHook)?.hook();
        let delivery = sample(&hook, data)?;
        let mut shown = delivery.data.clone();
        shown.insert("source".into(), delivery.kind.source.into());
        shown.insert("event".into(), delivery.kind.name.into());
        let clients = self.clients.clone();
        let start = Instant::now();
        let outcome = self.run_here(async move { try_once(&delivery, &hook, &clients).await }).await?;
        let record = outcome.record;
        Ok(Tested { data: shown.into(), answer: record.answer, error: record.error, took: start.elapsed() })
    }

    /// Sends the hook's receiver a ping with this body, and waits for what becomes of it.
    pub async fn ping(&self, hook: Uuid, body: Value) -> Result<(), Refused> {
        let hook = self.lane(hook).ok_or(Refused::NoHook)?.hook();
        let clients = self.clients.clone();
        let name = hook.kind.name;
        let pinged = self.run_here(async move {
            let answer = Said::default();
            let cx = Cx { clients: &clients, deadline: Instant::now() + hook.policy.timeout, answer: &answer };
            hook.handler.ping(body, &cx).await
        });
        match pinged.await? {
            None => Err(Refused::Unsupported(format!("the handler \"{name}\" has nobody to ping"))),
            Some(Ok(())) => Ok(()),
            Some(Err(Failure::Retry { reason, .. } | Failure::GiveUp { reason } | Failure::Gone { reason })) => {
                Err(Refused::Conflict(reason))
            }
        }
    }

    /// Connections belong to the engine's runtime, so whatever uses them runs there.
    async fn run_here<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Refused> {
        let runtime = self.at_work().await.ok_or_else(|| Refused::Conflict("the hooks are not at work yet".into()))?;
        runtime.spawn(work).await.map_err(|_| Refused::Conflict("the handler broke down".into()))
    }

    /// The engine's runtime, once the hooks are at work; none if that takes too long.
    async fn at_work(&self) -> Option<&Handle> {
        tokio::time::timeout(START, self.runtime.wait()).await.ok()
    }

    async fn look_in<T: Send + 'static>(
        &self,
        look: impl FnOnce(&std::path::Path) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        // Before that there may be nothing to look in; if it takes too long, whoever looks is told.
        let _ = self.at_work().await;
        // What was told before can be seen.
        self.around.outbox.flush().await;
        let dir = self.around.outbox.dir().to_owned();
        let looked = spawn_blocking(move || look(&dir).map_err(|error| Refused::Outbox(error.to_string())));
        looked.await.map_err(|_| Refused::Outbox("it broke down".into()))?
    }
}

fn disabled() -> Refused {
    Refused::Conflict("the hook is disabled: resume it first".into())
}

/// A delivery of this data, or of a sample; `event` and `source` in it say of what, if the hook wants several.
fn sample(hook: &Hook, mut data: Map<String, Value>) -> Result<Delivery, Refused> {
    let mut said = |key: &str| data.shift_remove(key).and_then(|value| value.as_str().map(str::to_owned));
    let (source, event) = (said("source"), said("event"));
    let is_meant = |kind: &&&'static EventKind| {
        source.as_ref().is_none_or(|source| kind.source == source) && event.as_ref().is_none_or(|event| kind.name == event)
    };
    let kind = hook.kinds.iter().find(is_meant);
    let kind = *kind.ok_or_else(|| Refused::Conflict("the hook does not want such events".into()))?;
    if data.is_empty()
        && let Value::Object(sample) = (kind.sample)()
    {
        data = sample;
    }
    let now = unix_ms();
    let id = format!("msg_test_{:016x}", fastrand::u64(..));
    Ok(Delivery { id, kind, data, count: 1, first_at: now, last_at: now, attempt: 1 })
}
