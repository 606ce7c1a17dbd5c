//! What a lane tells the outbox.
//!
//! Events come in batches. What a batch did to deliveries is noted here and told at its end, each delivery once, however
//! often it grew. What a try did is told at once.

use std::mem::take;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Lane, State};
use crate::around::Around;
use crate::job::{Job, unix_ms};
use crate::outbox::{Change, Entry, State as Ended};
use crate::record::Try;

/// What a batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchTold {
    /// The outbox was told something, and has to be waited for.
    pub kept: bool,
    /// There is a delivery that was not there before: somebody may be waiting for it.
    pub new: bool,
}

/// What the outbox is still to be told.
#[derive(Default)]
pub(super) struct Ledger {
    /// Deliveries that are new, or stand for more.
    touched: Vec<u64>,
    /// Deliveries that are no longer there.
    parted: Vec<u64>,
    /// What was told since somebody asked.
    told: BatchTold,
    /// Everything before this place is in the outbox, and may be tried.
    admitted: u64,
}

impl Ledger {
    pub fn touched(&mut self, seq: u64) {
        if self.touched.last() != Some(&seq) {
            self.touched.push(seq);
        }
    }

    pub fn parted(&mut self, seq: u64) {
        self.parted.push(seq);
    }
}

impl Lane {
    /// Tells the outbox what a batch did, and says what that came to.
    pub fn tell(&self, now: Instant) -> BatchTold {
        let mut state = self.state();
        state.tell(&self.around, now);
        take(&mut state.ledger.told)
    }

    /// What came before this place may be tried.
    pub fn admit(&self, before: u64) {
        let mut state = self.state();
        state.ledger.admitted = state.ledger.admitted.max(before);
        drop(state);
        self.wake.notify_one();
    }

    /// Tells the outbox everything, because it missed some of it.
    pub fn tell_all(&self, now: Instant) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.ledger.touched.clear();
        state.ledger.parted.clear();
        let keeps = state.hook.kind.kept;
        let waiting: Vec<Entry> = state
            .unfinished()
            .into_iter()
            .filter(|(job, _)| keeps || job.kept)
            .map(|(job, due)| Entry::of(self.id, &job, due.map(|due| wall(due, now))))
            .collect();
        state.mark_kept(keeps);
        self.around.outbox.tell(Change::All { hook: self.id, waiting });
        state.keep_standing(&self.around);
    }

    /// Has the outbox keep what it needed not to have before, because the process ends.
    pub fn keep(&self, now: Instant) {
        let state = self.state();
        for (job, due) in state.unfinished().iter().filter(|(job, _)| !job.kept) {
            let entry = Entry::of(self.id, job, due.map(|due| wall(due, now)));
            self.around.outbox.tell(Change::New(Box::new(entry)));
        }
    }
}

impl State {
    pub(super) fn admitted(&self) -> u64 {
        if self.hook.kind.kept { self.ledger.admitted } else { u64::MAX }
    }

    pub(super) fn tell(&mut self, around: &Around, now: Instant) {
        let (mut touched, parted) = (take(&mut self.ledger.touched), take(&mut self.ledger.parted));
        touched.sort_unstable();
        touched.dedup();
        for seq in touched {
            let new = self.tell_of(seq, around, now);
            self.ledger.told.new |= new;
            self.ledger.told.kept |= self.hook.kind.kept;
        }
        for seq in parted {
            around.outbox.tell(Change::Gone { seq });
        }
    }

    /// Tells of one delivery, wherever it is by now; whether it may be a new one.
    fn tell_of(&mut self, seq: u64, around: &Around, now: Instant) -> bool {
        let (keeps, hook) = (self.hook.kind.kept, self.hook.id);
        let grown = |job: &Job| Change::Grown { seq, count: job.count, first_at: job.first_at, last_at: job.last_at };
        let (job, due) = match self.queue.get_mut(seq) {
            Some(job) => (job, None),
            None => match self.digest.get_mut(seq) {
                Some((job, end)) => (job, Some(wall(end, now))),
                None => {
                    // It grew, and a try began since.
                    let under_way = self.under_way.get(&seq).filter(|job| job.kept);
                    if let Some(job) = under_way {
                        around.outbox.tell(grown(job));
                    }
                    return false;
                }
            },
        };
        if job.kept {
            around.outbox.tell(grown(job));
            return false;
        }
        job.kept = keeps;
        if keeps {
            around.outbox.tell(Change::New(Box::new(Entry::of(hook, job, due))));
        }
        true
    }

    fn mark_kept(&mut self, keeps: bool) {
        if keeps {
            self.queue.iter_mut().chain(self.digest.iter_mut()).for_each(|job| job.kept = true);
        }
    }

    pub(super) fn keep_standing(&self, around: &Around) {
        around.outbox.tell(Change::Standing { hook: self.hook.id, standing: self.standing.clone() });
    }

    pub(super) fn tried(&self, job: &Job, due_at: u64, record: Try, around: &Around) {
        self.tell_of_try(job, (Ended::Waiting, Some(due_at)), record, around);
    }

    pub(super) fn ended(&self, job: &Job, state: Ended, record: Try, around: &Around) {
        let job = Job { attempts: job.attempts + 1, ..job.clone() };
        self.tell_of_try(&job, (state, None), record, around);
    }

    fn tell_of_try(&self, job: &Job, (state, due_at): (Ended, Option<u64>), record: Try, around: &Around) {
        if job.kept && !self.closed {
            let Job { seq, count, attempts, .. } = *job;
            around.outbox.tell(Change::Tried { seq, state, count, attempts, due_at, last: Box::new(record) });
        }
    }

    /// The hook is gone, and all that waited for it.
    pub(super) fn forget_all(&mut self, hook: Uuid, around: &Around) {
        take(&mut self.ledger);
        around.outbox.tell(Change::All { hook, waiting: Vec::new() });
        around.outbox.tell(Change::NoHook { hook });
    }
}

/// The time of the wall at `at`, or now if that is over.
pub(super) fn wall(at: Instant, now: Instant) -> u64 {
    unix_ms() + at.saturating_duration_since(now).as_millis() as u64
}
