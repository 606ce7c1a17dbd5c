//! One hook at work: its queue, its memory, what it gathers, what is under way, and its counters, behind one lock.
//!
//! Invariant: under the lock, `matched = delivered + filtered + swallowed + waiting + failed + dropped`. The lock is never held
//! over a wait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_events::{EventKind, Occurrence};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;
use uuid::Uuid;

use crate::breaker::Breaker;
use crate::dedup::Dedup;
use crate::digest::Digest;
use crate::handler::Failure;
use crate::hook::Hook;
use crate::pace::Pace;
use crate::queue::{Job, Queue};
use crate::quiet::Quiet;
use crate::stats::{Counts, HookStats};

/// A hook with everything that belongs to it.
pub(crate) struct Lane {
    pub id: Uuid,
    state: Mutex<State>,
    /// Something may be there to be done.
    pub wake: Notify,
    /// A worker was started.
    started: AtomicBool,
}

struct State {
    hook: Arc<Hook>,
    dedup: Dedup,
    digest: Digest,
    queue: Queue,
    under_way: HashMap<u64, Arc<Job>>,
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
    pub fn new(hook: Hook) -> Self {
        let state = State {
            dedup: Dedup::new(hook.policy.snooze, hook.policy.on_change),
            digest: Digest::new(hook.policy.digest),
            pace: Pace::new(hook.policy.rate),
            hook: Arc::new(hook),
            queue: Queue::default(),
            under_way: HashMap::new(),
            breaker: Breaker::default(),
            counts: Counts::default(),
            closed: false,
            drops: Quiet::default(),
            failures: Quiet::default(),
        };
        Self { id: state.hook.id, state: Mutex::new(state), wake: Notify::new(), started: AtomicBool::new(false) }
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
            state.push(&summary, now);
        }
        state.digest = Digest::new(hook.policy.digest);
        state.pace = Pace::new(hook.policy.rate);
        state.hook = Arc::new(hook);
        for (job, due) in state.queue.drain() {
            let overflow = if state.hook.matches(job.kind) { state.queue.readmit(job, due) } else { Some(job) };
            state.drop_job(overflow, now);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Takes an event in, if the hook wants its kind.
    pub fn offer(&self, occurrence: &Occurrence, now: Instant) {
        let mut state = self.state();
        if !state.hook.matches(occurrence.event.kind()) {
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
        state.end_digests(now);
        if !state.digest.gathers(occurrence, now) {
            state.push(occurrence, now);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Takes in what an earlier process left.
    pub fn restore(&self, job: Job, due: Instant, now: Instant) {
        let mut state = self.state();
        state.counts.matched += job.count;
        let overflow = state.queue.restore(job, due);
        state.drop_job(overflow, now);
        drop(state);
        self.wake.notify_one();
    }

    /// What to do now.
    pub fn step(&self, now: Instant) -> Step {
        let mut state = self.state();
        let under_way = state.under_way.len();
        state.end_digests(now);
        if state.closed {
            return if under_way == 0 { Step::End } else { Step::Wait(None) };
        }
        if under_way >= state.hook.policy.concurrency {
            return Step::Wait(None);
        }
        if !state.breaker.allows(under_way, now) {
            return Step::Wait(state.breaker.until().filter(|until| *until > now));
        }
        if state.queue.is_ready(now)
            && let Some(until) = state.pace.wait(now)
        {
            return Step::Wait(Some(until));
        }
        let Some(job) = state.queue.pop(now) else {
            return Step::Wait([state.queue.next_due(), state.digest.next_end()].into_iter().flatten().min());
        };
        state.pace.start(now);
        let job = Arc::new(job);
        state.under_way.insert(job.seq, job.clone());
        Step::Start(job, state.hook.clone())
    }

    /// A try is over.
    pub fn finish(&self, job: &Job, result: Result<(), Failure>, now: Instant) {
        let mut state = self.state();
        state.under_way.remove(&job.seq);
        match result {
            Ok(()) => {
                state.breaker.succeeded();
                state.counts.delivered += job.count;
            }
            Err(Failure::GiveUp { reason }) => state.give_up(job, &reason, now),
            Err(Failure::Retry { reason, after }) => {
                state.breaker.failed(now);
                let job = Job { attempts: job.attempts + 1, ..job.clone() };
                match state.hook.policy.schedule.wait(job.attempts, after, fastrand::f64()) {
                    _ if state.closed || !state.hook.matches(job.kind) => state.drop_job(Some(job), now),
                    Some(wait) => {
                        state.counts.retried += job.count;
                        state.tell_of_failure(&job, &reason, now);
                        let overflow = state.queue.retry(job, now + wait);
                        state.drop_job(overflow, now);
                    }
                    None => state.give_up(&job, &reason, now),
                }
            }
        }
    }

    /// The hook is gone. What is under way may end; what waits is dropped.
    pub fn close(&self, now: Instant) {
        let mut state = self.state();
        state.closed = true;
        let gathered: u64 = state.digest.drain().iter().map(|summary| summary.count).sum();
        let dropped = gathered + state.queue.drain().into_iter().map(|(job, _)| job.count).sum::<u64>();
        state.counts.dropped += dropped;
        if dropped > 0 {
            warn!(hook = %state.hook.name, dropped, "the hook is gone, and with it what waited for it");
        }
        // What is left unsaid of earlier drops is said now.
        if let Some(dropped) = state.drops.add(0, now).filter(|dropped| *dropped > 0) {
            warn!(hook = %state.hook.name, dropped, "events left a full queue");
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Whether nothing is under way and nothing could start now.
    pub fn is_idle(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.end_digests(now);
        let may_start = state.breaker.allows(0, now) && state.pace.wait(now).is_none();
        state.under_way.is_empty() && !(state.queue.is_ready(now) && may_start)
    }

    /// Everything that is not done, in the order of arrival, with the time of its next try.
    pub fn unfinished(&self) -> Vec<(Job, Option<Instant>)> {
        let state = self.state();
        let under_way = state.under_way.values().map(|job| (&**job, None));
        let mut all: Vec<(Job, Option<Instant>)> =
            under_way.chain(state.queue.iter()).map(|(job, due)| (job.clone(), due)).collect();
        all.sort_by_key(|(job, _)| job.seq);
        all.extend(state.digest.iter().map(|(summary, end)| (Job::of(summary, 0), Some(end))));
        all
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

    /// Whether the hook wants events of this kind.
    pub fn matches(&self, kind: &EventKind) -> bool {
        self.state().hook.matches(kind)
    }
}

impl State {
    fn push(&mut self, occurrence: &Occurrence, now: Instant) {
        let overflow = self.queue.push(occurrence);
        self.drop_job(overflow, now);
    }

    /// What was gathered is to be delivered once its time is over.
    fn end_digests(&mut self, now: Instant) {
        while let Some(summary) = self.digest.ended(now) {
            self.push(&summary, now);
        }
    }

    fn drop_job(&mut self, job: Option<Job>, now: Instant) {
        let Some(job) = job else { return };
        self.counts.dropped += job.count;
        if let Some(dropped) = self.drops.add(job.count, now) {
            warn!(hook = %self.hook.name, dropped, "events were dropped: they no longer fit the queue or the hook");
        }
    }

    fn give_up(&mut self, job: &Job, reason: &str, now: Instant) {
        self.counts.failed += job.count;
        if let Some(failed) = self.failures.add(job.count, now) {
            warn!(hook = %self.hook.name, delivery = %job.id, failed, "a delivery is given up: {reason}");
        }
    }

    fn tell_of_failure(&mut self, job: &Job, reason: &str, now: Instant) {
        if let Some(failed) = self.failures.add(job.count, now) {
            warn!(hook = %self.hook.name, delivery = %job.id, attempt = job.attempts, failed, "a delivery failed and is tried again: {reason}");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
