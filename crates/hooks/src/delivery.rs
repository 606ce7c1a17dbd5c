//! The worker of one hook: starts what may start, and hands back what became of it.
//!
//! Each hook has its own, so a receiver that is down, slow or endless delays nobody else's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::answer::Said;
use crate::clients::Clients;
use crate::handler::{Cx, Delivery, Failure};
use crate::hook::Hook;
use crate::job::{Job, unix_ms};
use crate::lane::{Lane, Outcome, Step};
use crate::record::Try;

/// How long a handler may overrun its deadline before it is stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Works until the lane is closed and empty. `progress` is told of every try that ends. If this future is dropped, the
/// tries under way are stopped and stay in the lane.
pub(crate) async fn work(lane: Arc<Lane>, clients: Arc<Clients>, progress: Arc<Notify>) {
    let mut tries: JoinSet<Outcome> = JoinSet::new();
    let mut jobs: HashMap<Id, Arc<Job>> = HashMap::new();
    loop {
        let until = loop {
            match lane.step(Instant::now()) {
                Step::Start(job, hook) => {
                    let handle = tries.spawn(attempt(job.clone(), hook, clients.clone()));
                    jobs.insert(handle.id(), job);
                }
                Step::Wait(until) => break until,
                Step::End => return,
            }
        };
        tokio::select! {
            Some(end) = tries.join_next_with_id() => {
                let (id, outcome) = outcome(end);
                if let Some(job) = jobs.remove(&id) {
                    lane.finish(&job, outcome, Instant::now());
                    progress.notify_one();
                }
            }
            () = lane.wake.notified() => {}
            () = sleep(until) => {}
        }
    }
}

async fn attempt(job: Arc<Job>, hook: Arc<Hook>, clients: Arc<Clients>) -> Outcome {
    try_once(&job.delivery(), &hook, &clients).await
}

/// One try, with what is to be recorded of it.
pub(crate) async fn try_once(delivery: &Delivery, hook: &Hook, clients: &Clients) -> Outcome {
    let (at, start, answer) = (unix_ms(), Instant::now(), Said::default());
    let cx = Cx { clients, deadline: start + hook.policy.timeout, answer: &answer };
    // Handlers end by their deadline; this is for one that does not.
    let result = match timeout_at(cx.deadline + GRACE, hook.handler.handle(delivery, &cx)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::retry("the handler did not end before the deadline")),
    };
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let error = result.as_ref().err().map(ToString::to_string);
    Outcome { result, record: Try { at, took, error, answer: answer.take() } }
}

/// A handler that panics has failed for good: it would panic again.
fn outcome(end: Result<(Id, Outcome), JoinError>) -> (Id, Outcome) {
    const BROKE_DOWN: &str = "the handler broke down";
    match end {
        Ok((id, outcome)) => (id, outcome),
        Err(error) => (error.id(), Outcome { result: Err(Failure::give_up(BROKE_DOWN)), record: Try::none(BROKE_DOWN) }),
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
