//! One hook at work: its queue, its memory, what it gathers, what is under way, and its counters, behind one lock.
//!
//! Invariant: under the lock, `matched = delivered + filtered + swallowed + waiting + failed + dropped`. The lock is never held
//! over a wait.

mod keeping;
mod switches;
mod tries;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_events::{Entity, EventKind, Occurrence};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use self::keeping::Ledger;
pub(crate) use self::switches::Replayed;
pub(crate) use self::tries::Outcome;
use crate::around::Around;
use crate::breaker::Breaker;
use crate::dedup::Dedup;
use crate::digest::Digest;
use crate::hook::Hook;
use crate::job::Job;
use crate::pace::Pace;
use crate::queue::Queue;
use crate::quiet::Quiet;
use crate::reports;
use crate::standing::Standing;
use crate::stats::{Counts, HookStats};

/// A hook with everything that belongs to it.
pub(crate) struct Lane {
    pub id: Uuid,
    around: Arc<Around>,
    state: Mutex<State>,
    /// Something may be there to be done.
    pub wake: Notify,
    /// A worker was started.
    started: AtomicBool,
}

struct State {
    hook: Arc<Hook>,
    /// The hook as reports show it.
    entity: Arc<Entity>,
    standing: Standing,
    dedup: Dedup,
    digest: Digest,
    queue: Queue,
    under_way: HashMap<u64, Arc<Job>>,
    ledger: Ledger,
    breaker: Breaker,
    pace: Pace,
    counts: Counts,
    /// The hook is gone: nothing new starts.
    closed: bool,
    drops: Quiet,
    failures: Quiet,
}

/// What a worker does next.
pub(crate) enum Step {
    /// Try this.
    Start(Arc<Job>, Arc<Hook>),
    /// Wait for a wake-up, for something to end, or for this time.
    Wait(Option<Instant>),
    /// There will be nothing more.
    End,
}

impl Lane {
    /// A lane in which nothing happened yet.
    pub fn new(hook: Hook, around: Arc<Around>) -> Self {
        let state = State {
            entity: reports::entity(&hook),
            standing: Standing::of(&hook.fingerprint),
            dedup: Dedup::new(hook.policy.snooze, hook.policy.on_change),
            digest: Digest::new(hook.policy.digest),
            pace: Pace::new(hook.policy.rate),
            hook: Arc::new(hook),
            queue: Queue::default(),
            under_way: HashMap::new(),
            ledger: Ledger::default(),
            breaker: Breaker::default(),
            counts: Counts::default(),
            closed: false,
            drops: Quiet::default(),
            failures: Quiet::default(),
        };
        Self { id: state.hook.id, around, state: Mutex::new(state), wake: Notify::new(), started: AtomicBool::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no worker was started yet; true once only.
    pub fn is_new(&self) -> bool {
        !self.started.swap(true, Ordering::Relaxed)
    }

    /// Takes a new version of the hook over. If it changed, what waits or was gathered goes to it, if it wants its kind (a
    /// new filter is for what comes), and memory starts anew; if it did not, everything stays as it is.
    pub fn change(&self, hook: Hook, now: Instant) {
        let mut state = self.state();
        if (&state.hook.name, &state.hook.fingerprint) == (&hook.name, &hook.fingerprint) {
            return;
        }
        state.dedup = Dedup::new(hook.policy.snooze, hook.policy.on_change);
        state.breaker = Breaker::default();
        for summary in state.digest.drain() {
            state.push_summary(summary, &self.around, now);
        }
        state.digest = Digest::new(hook.policy.digest);
        state.pace = Pace::new(hook.policy.rate);
        state.entity = reports::entity(&hook);
        state.standing = std::mem::take(&mut state.standing).for_version(&hook.fingerprint);
        state.hook = Arc::new(hook);
        for (job, due) in state.queue.drain() {
            let overflow = if state.hook.matches(job.kind) { state.queue.readmit(job, due) } else { Some(job) };
            state.drop_job(overflow, &self.around, now);
        }
        state.keep_standing(&self.around);
        state.tell(&self.around, now);
        drop(state);
        self.wake.notify_one();
    }

    /// Takes an event in, if the hook wants its kind. It is tried once [`Lane::admit`] says that the outbox has it.
    pub fn offer(&self, occurrence: &Occurrence, now: Instant) {
        let mut state = self.state();
        if !state.wants(occurrence.event.kind()) || reports::subject(&occurrence.event) == Some(self.id) {
            return;
        }
        state.counts.matched += occurrence.count;
        if !state.hook.wanted.wants(&occurrence.event) {
            state.counts.filtered += occurrence.count;
            return;
        }
        if !state.dedup.fires(occurrence.event.identity(), now) {
            state.counts.swallowed += occurrence.count;
            return;
        }
        state.end_digests(&self.around, now);
        match state.digest.gathers(occurrence, &self.around.order, now) {
            Some(seq) => state.ledger.touched(seq),
            None => {
                let (seq, overflow) = state.queue.push(occurrence, &self.around.order);
                state.ledger.touched(seq);
                state.drop_job(overflow, &self.around, now);
            }
        }
    }

    /// Takes in what an earlier process left.
    pub fn restore(&self, job: Job, due: Instant, now: Instant) {
        let mut state = self.state();
        state.counts.matched += job.count;
        let overflow = state.queue.retry(job, due);
        state.drop_job(overflow, &self.around, now);
        state.tell(&self.around, now);
        drop(state);
        self.wake.notify_one();
    }

    /// What to do now.
    pub fn step(&self, now: Instant) -> Step {
        let mut state = self.state();
        let under_way = state.under_way.len();
        state.end_digests(&self.around, now);
        state.tell_of_drops(0, &self.around, now);
        state.tell(&self.around, now);
        if state.closed {
            return if under_way == 0 { Step::End } else { Step::Wait(None) };
        }
        let until = state.drops.due();
        let wait = |other: Option<Instant>| Step::Wait([until, other].into_iter().flatten().min());
        if !state.may_start(under_way) {
            return wait(None);
        }
        if !state.breaker.allows(under_way, now) {
            return wait(state.breaker.until().filter(|until| *until > now));
        }
        let admitted = state.admitted();
        if state.queue.is_ready(now, admitted)
            && let Some(until) = state.pace.wait(now)
        {
            return wait(Some(until));
        }
        let Some(job) = state.queue.pop(now, admitted) else {
            return wait([state.queue.next_due(), state.digest.next_end()].into_iter().flatten().min());
        };
        state.pace.start(now);
        let job = Arc::new(job);
        state.under_way.insert(job.seq, job.clone());
        Step::Start(job, state.hook.clone())
    }

    /// The hook is gone. What is under way may end; what waits is dropped.
    pub fn close(&self, now: Instant) {
        let mut state = self.state();
        state.closed = true;
        let dropped = state.empty();
        state.counts.dropped += dropped;
        if dropped > 0 {
            warn!(hook = %state.hook.name, dropped, "the hook is gone, and with it what waited for it");
        }
        // What is left unsaid of earlier drops is said now.
        if let Some(dropped) = state.drops.add(0, now).filter(|dropped| *dropped > 0) {
            warn!(hook = %state.hook.name, dropped, "events left a full queue");
        }
        state.forget_all(self.id, &self.around);
        drop(state);
        self.wake.notify_one();
    }

    /// Whether nothing is under way and nothing could start now.
    pub fn is_idle(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.end_digests(&self.around, now);
        let may_start = state.may_start(0) && state.breaker.allows(0, now) && state.pace.wait(now).is_none();
        let admitted = state.admitted();
        state.under_way.is_empty() && !(state.queue.is_ready(now, admitted) && may_start)
    }

    /// Everything that is not done, in the order of arrival, with the time of its next try.
    pub fn unfinished(&self) -> Vec<(Job, Option<Instant>)> {
        self.state().unfinished()
    }

    /// Says what is stopped with a hook that is gone.
    pub fn tell_of_unfinished(&self) {
        let dropped: u64 = self.unfinished().iter().map(|(job, _)| job.count).sum();
        if dropped > 0 {
            warn!(hook = %self.state().hook.name, dropped, "the hook is gone, and its deliveries under way were stopped");
        }
    }

    /// The counters now.
    pub fn stats(&self) -> HookStats {
        let state = self.state();
        let under_way: u64 = state.under_way.values().map(|job| job.count).sum();
        let Counts { matched, delivered, filtered, swallowed, retried, failed, dropped } = state.counts;
        HookStats {
            id: self.id,
            name: state.hook.name.clone(),
            state: state.standing.name(),
            reason: state.standing.disabled.as_ref().map(|disabled| disabled.reason.clone()),
            failing_since: state.standing.failing_since,
            public_keys: state.hook.public_keys.clone(),
            matched,
            delivered,
            filtered,
            swallowed,
            waiting: state.queue.sum() + state.digest.sum() + under_way,
            retried,
            failed,
            dropped,
        }
    }

    /// Whether the hook wants events of this kind, and can take them.
    pub fn wants(&self, kind: &EventKind) -> bool {
        self.state().wants(kind)
    }

    /// The hook as it is now.
    pub fn hook(&self) -> Arc<Hook> {
        self.state().hook.clone()
    }
}

impl State {
    fn wants(&self, kind: &EventKind) -> bool {
        self.standing.disabled.is_none() && self.hook.matches(kind)
    }

    fn may_start(&self, under_way: usize) -> bool {
        self.standing.name() == "active" && under_way < self.hook.policy.concurrency
    }

    fn unfinished(&self) -> Vec<(Job, Option<Instant>)> {
        let under_way = self.under_way.values().map(|job| (&**job, None));
        let gathered = self.digest.iter().map(|(summary, end)| (summary, Some(end)));
        let mut all: Vec<(Job, Option<Instant>)> =
            under_way.chain(self.queue.iter()).chain(gathered).map(|(job, due)| (job.clone(), due)).collect();
        all.sort_by_key(|(job, _)| job.seq);
        all
    }

    /// Takes out all that waits and all that was gathered; for how many events it stood.
    fn empty(&mut self) -> u64 {
        let gathered: u64 = self.digest.drain().iter().map(|summary| summary.count).sum();
        gathered + self.queue.drain().iter().map(|(job, _)| job.count).sum::<u64>()
    }

    /// What was gathered is to be delivered once its time is over.
    fn end_digests(&mut self, around: &Around, now: Instant) {
        while let Some(summary) = self.digest.ended(now) {
            self.push_summary(summary, around, now);
        }
    }

    fn push_summary(&mut self, summary: Job, around: &Around, now: Instant) {
        let (own, kept) = (summary.seq, summary.kept);
        let (seq, overflow) = self.queue.push_summary(summary);
        self.ledger.touched(seq);
        if seq != own && kept {
            self.ledger.parted(own);
        }
        self.drop_job(overflow, around, now);
    }

    fn drop_job(&mut self, job: Option<Job>, around: &Around, now: Instant) {
        let Some(job) = job else { return };
        self.counts.dropped += job.count;
        if job.kept {
            self.ledger.parted(job.seq);
        }
        self.tell_of_drops(job.count, around, now);
    }

    fn tell_of_drops(&mut self, count: u64, around: &Around, now: Instant) {
        let dropped = if count > 0 { self.drops.add(count, now) } else { self.drops.rest(now) };
        if let Some(dropped) = dropped {
            warn!(hook = %self.hook.name, dropped, "events were dropped: they no longer fit the queue or the hook");
            around.reports.dropped(&self.entity, dropped, self.counts.dropped);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
