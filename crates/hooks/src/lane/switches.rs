//! Pauses, resumes and disables a hook, and tries again what is over.

use tokio::time::Instant;
use tracing::{info, warn};

use super::{Lane, State};
use crate::around::Around;
use crate::breaker::Breaker;
use crate::job::Job;
use crate::outbox::Change;
use crate::standing::{Disabled, Standing};

/// What became of a delivery that was to be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// It is tried again, as if it never had been tried.
    Again,
    /// It waits anyway, and is tried at once.
    Hastened,
    /// It is under way already.
    UnderWay,
    /// The hook is disabled.
    Disabled,
    /// The hook does not want events of this kind any more.
    Unwanted,
}

impl Lane {
    /// Takes over how the hook stood in an earlier process, unless something was said of it since.
    pub fn stand(&self, standing: Standing) {
        let mut state = self.state();
        if state.standing == Standing::of(&state.hook.fingerprint) {
            state.standing = standing.for_version(&state.hook.fingerprint);
        }
        self.around.changed.notify_one();
    }

    /// Nothing new starts from now on; what comes waits.
    pub fn pause(&self) {
        self.switch(|state| state.standing.paused = true);
        info!(hook = %self.hook().name, "the hook is paused");
    }

    /// Has a hook that was paused or disabled work again.
    pub fn resume(&self) {
        self.switch(|state| {
            state.standing = Standing::of(&state.hook.fingerprint);
            state.breaker = Breaker::default();
        });
        info!(hook = %self.hook().name, "the hook is at work again");
    }

    fn switch(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.keep_standing(&self.around);
        drop(state);
        self.around.changed.notify_one();
        self.wake.notify_one();
    }

    /// Tries again what the outbox has, be it over or not.
    pub fn replay(&self, job: Job, now: Instant) -> Replayed {
        let mut state = self.state();
        if state.standing.disabled.is_some() {
            return Replayed::Disabled;
        }
        if !state.hook.matches(job.kind) {
            return Replayed::Unwanted;
        }
        let replayed = if state.under_way.contains_key(&job.seq) {
            Replayed::UnderWay
        } else if state.queue.hasten(job.seq, now) || state.digest.get_mut(job.seq).is_some() {
            Replayed::Hastened
        } else {
            self.around.outbox.tell(Change::Again { seq: job.seq });
            state.counts.matched += job.count;
            let overflow = state.queue.retry(Job { attempts: 0, kept: true, ..job }, now);
            state.drop_job(overflow, &self.around, now);
            state.tell(&self.around, now);
            Replayed::Again
        };
        drop(state);
        self.wake.notify_one();
        replayed
    }
}

impl State {
    /// A try worked.
    pub(super) fn works(&mut self, around: &Around) {
        if self.standing.failing_since.take().is_some() {
            self.keep_standing(around);
        }
    }

    /// A try failed. A hook of which all have failed for long enough is disabled.
    pub(super) fn fails(&mut self, around: &Around, now: Instant) {
        let wall = around.wall(now);
        let Some(since) = self.standing.failing_since else {
            self.standing.failing_since = Some(wall);
            return self.keep_standing(around);
        };
        let failed_for = std::time::Duration::from_millis(wall.saturating_sub(since));
        if around.disable_after().is_some_and(|most| failed_for >= most) {
            self.disable(&format!("all deliveries have failed for {} hours", failed_for.as_secs() / 3600), around, now);
        }
    }

    /// Nothing comes in any more, and what waits is given up; it can be replayed once the hook works again.
    pub(super) fn disable(&mut self, reason: &str, around: &Around, now: Instant) {
        if self.standing.disabled.is_some() || self.closed {
            return;
        }
        let at = around.wall(now);
        let since = self.standing.failing_since.unwrap_or(at);
        self.standing.disabled = Some(Disabled { at, reason: reason.to_owned() });
        self.tell(around, now);
        let dead = self.empty();
        self.counts.failed += dead;
        warn!(hook = %self.hook.name, dead, "the hook is disabled until it is resumed or changed: {reason}");
        around.outbox.tell(Change::AllDead { hook: self.hook.id, reason: format!("the hook was disabled: {reason}") });
        self.keep_standing(around);
        around.reports.disabled(&self.entity, reason, since);
        around.changed.notify_one();
    }
}
