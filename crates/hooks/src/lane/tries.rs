//! What becomes of a try: the end of a delivery, another try, or the end of all.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::keeping::wall;
use super::{Lane, State};
use crate::around::Around;
use crate::handler::Failure;
use crate::job::Job;
use crate::outbox::State as Ended;
use crate::record::Try;

/// What became of a try.
pub(crate) struct Outcome {
    pub result: Result<(), Failure>,
    pub record: Try,
}

impl Lane {
    /// A try is over.
    pub fn finish(&self, job: &Job, outcome: Outcome, now: Instant) {
        let mut state = self.state();
        state.under_way.remove(&job.seq);
        let Outcome { result, record } = outcome;
        match result {
            Ok(()) => {
                state.breaker.succeeded();
                state.works(&self.around);
                state.counts.delivered += job.count;
                state.ended(job, Ended::Delivered, record, &self.around);
            }
            Err(Failure::GiveUp { reason }) => {
                state.give_up(job, &reason, record, &self.around, now);
                state.fails(&self.around, now);
            }
            Err(Failure::Gone { reason }) => {
                state.give_up(job, &reason, record, &self.around, now);
                state.disable(&reason, &self.around, now);
            }
            Err(Failure::Retry { reason, after }) => {
                state.breaker.failed(now);
                state.try_again(job, (&reason, after), record, &self.around, now);
                state.fails(&self.around, now);
            }
        }
    }
}

impl State {
    /// A try failed that is not the last, unless nobody wants it any more.
    fn try_again(&mut self, job: &Job, why: (&str, Option<Duration>), record: Try, around: &Around, now: Instant) {
        let (reason, after) = why;
        if self.closed || !self.hook.matches(job.kind) {
            return self.drop_job(Some(job.clone()), around, now);
        }
        let wait = self.hook.policy.schedule.wait(job.attempts + 1, after, fastrand::f64());
        let Some(wait) = wait.filter(|_| self.standing.disabled.is_none()) else {
            return self.give_up(job, reason, record, around, now);
        };
        let job = Job { attempts: job.attempts + 1, ..job.clone() };
        self.counts.retried += job.count;
        if let Some(failed) = self.failures.add(job.count, now) {
            warn!(hook = %self.hook.name, delivery = %job.id, attempt = job.attempts, failed, "a delivery failed and is tried again: {reason}");
        }
        let due = now + wait;
        self.tried(&job, wall(due, now), record, around);
        let overflow = self.queue.retry(job, due);
        self.drop_job(overflow, around, now);
    }

    fn give_up(&mut self, job: &Job, reason: &str, record: Try, around: &Around, now: Instant) {
        self.counts.failed += job.count;
        if let Some(failed) = self.failures.add(job.count, now) {
            warn!(hook = %self.hook.name, delivery = %job.id, failed, "a delivery is given up: {reason}");
        }
        around.reports.failed(&self.entity, job, reason, record.status());
        self.ended(job, Ended::Dead, record, around);
    }
}
