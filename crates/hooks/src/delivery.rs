//! The worker of one hook: starts what may start, and hands back what became of it.
//!
//! Each hook has its own, so a receiver that is down, slow or endless delays nobody else's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::clients::Clients;
use crate::handler::{Cx, Failure};
use crate::hook::Hook;
use crate::lane::{Lane, Step};
use crate::queue::Job;

/// How long a handler may overrun its deadline before it is stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Works until the lane is closed and empty. `progress` is told of every try that ends. If this future is dropped, the
/// tries under way are stopped and stay in the lane.
pub(crate) async fn work(lane: Arc<Lane>, clients: Arc<Clients>, progress: Arc<Notify>) {
    let mut tries: JoinSet<Result<(), Failure>> = JoinSet::new();
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
                let (id, result) = outcome(end);
                if let Some(job) = jobs.remove(&id) {
                    lane.finish(&job, result, Instant::now());
                    // Who is told of the end may look whether anybody still holds it.
                    drop(job);
                    progress.notify_one();
                }
            }
            () = lane.wake.notified() => {}
            () = sleep(until) => {}
        }
    }
}

async fn attempt(job: Arc<Job>, hook: Arc<Hook>, clients: Arc<Clients>) -> Result<(), Failure> {
    let cx = Cx { clients: &clients, deadline: Instant::now() + hook.policy.timeout };
    let delivery = job.delivery();
    // Handlers end by their deadline; this is for one that does not.
    match timeout_at(cx.deadline + GRACE, hook.handler.handle(&delivery, &cx)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::retry("the handler did not end before the deadline")),
    }
}

/// A handler that panics has failed for good: it would panic again.
fn outcome(end: Result<(Id, Result<(), Failure>), JoinError>) -> (Id, Result<(), Failure>) {
    match end {
        Ok((id, result)) => (id, result),
        Err(error) => (error.id(), Err(Failure::give_up("the handler broke down"))),
    }
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
