//! What the outbox can be told.

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::job::{Data, Job};
use crate::record::Try;
use crate::standing::Standing;

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It waits for a try, is under way, or waits for another try.
    Waiting = 0,
    /// It worked.
    Delivered = 1,
    /// It was given up. It can be replayed.
    Dead = 2,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// A delivery as the outbox keeps it.
pub(crate) struct Entry {
    pub hook: Uuid,
    pub seq: u64,
    pub id: String,
    pub source: &'static str,
    pub event: &'static str,
    pub data: Data,
    pub count: u64,
    pub first_at: u64,
    pub last_at: u64,
    pub attempts: u32,
    /// When to try it, in Unix milliseconds; nothing is at once.
    pub due_at: Option<u64>,
}

impl Entry {
    pub fn of(hook: Uuid, job: &Job, due_at: Option<u64>) -> Self {
        Self {
            hook,
            seq: job.seq,
            id: job.id.clone(),
            source: job.kind.source,
            event: job.kind.name,
            data: job.data.clone(),
            count: job.count,
            first_at: job.first_at,
            last_at: job.last_at,
            attempts: job.attempts,
            due_at,
        }
    }
}

/// A change of what waits.
pub(crate) enum Change {
    /// A new delivery.
    New(Box<Entry>),
    /// One stands for more events.
    Grown { seq: u64, count: u64, first_at: u64, last_at: u64 },
    /// A try is over; after one that failed there is another at `due_at`.
    Tried { seq: u64, state: State, count: u64, attempts: u32, due_at: Option<u64>, last: Box<Try> },
    /// One is to be tried anew, as if it never had been.
    Again { seq: u64 },
    /// One left: it was dropped, or another took it in.
    Gone { seq: u64 },
    /// All that wait for this hook are given up.
    AllDead { hook: Uuid, reason: String },
    /// What waits for this hook is this, and nothing else.
    All { hook: Uuid, waiting: Vec<Entry> },
    /// How the hook stands.
    Standing { hook: Uuid, standing: Standing },
    /// The hook is gone.
    NoHook { hook: Uuid },
    /// Every hook has told everything: what was missed is made good.
    Whole,
    /// Somebody waits for all before this.
    Flush(oneshot::Sender<()>),
}
