//! Two processes and one outbox: it is one's at a time, and who replaces another takes it up when that has let go of it.

use std::time::Duration;

use crate::support::{Receiver, Running, dead, outbox_is, webhook};

#[tokio::test]
async fn one_outbox_is_for_one_process() {
    let (dir, mut receiver, other_dir) = (tempfile::tempdir().unwrap(), Receiver::good().await, tempfile::tempdir().unwrap());
    let first = Running::start(dir.path(), &webhook("all", dead().await, "retry = { schedule = [\"1h\"] }"));
    first.emit(1);
    first.until("all", |stats| stats.retried == 1).await;
    let second = Running::start(dir.path(), &webhook("all", receiver.addr, ""));
    outbox_is(&second, "memory").await;
    assert!(second.engine.outbox().reason.unwrap().contains("another process"));
    second.emit(2);
    receiver.next().await;
    first.stop().await;
    // What the first one left is the second's now.
    outbox_is(&second, "ok").await;
    let stats = second.until("all", |stats| stats.matched == 2).await;
    assert_eq!(stats.delivered + stats.waiting, 2);
    second.stop().await;
    drop(other_dir);
}

#[tokio::test]
async fn who_replaces_another_waits_for_its_outbox_and_complains_only_when_that_takes_too_long() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("all", receiver.addr, "");
    let first = Running::start(dir.path(), &webhook("all", dead().await, "retry = { schedule = [\"1h\"] }"));
    first.emit(1);
    first.until("all", |stats| stats.retried == 1).await;
    first.engine.pause(first.id("all")).unwrap();
    // What comes behind it is in the file: so is the pause.
    first.emit(2);
    while first.records("waiting").await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let [patient, hasty] = [3_600_000, 0].map(|time| Running::start_after(Some(Duration::from_millis(time)), dir.path(), &text));
    outbox_is(&hasty, "memory").await;
    hasty.stop().await;
    // What is paused is paused with whoever comes.
    patient.until("all", |stats| stats.state == "paused").await;
    patient.emit(3);
    patient.until("all", |stats| stats.waiting == 1).await;
    let waiting = patient.engine.outbox();
    assert_eq!((waiting.state, waiting.degraded), ("opening", 0));
    assert!(waiting.reason.unwrap().contains("the process before this one"));
    first.stop().await;
    outbox_is(&patient, "ok").await;
    patient.until("all", |stats| stats.waiting == 3).await;
    patient.engine.resume(patient.id("all")).unwrap();
    receiver.next().await;
    // The one that failed waits for its hour.
    patient.until("all", |stats| (stats.delivered, stats.waiting) == (2, 1)).await;
    assert_eq!(patient.engine.outbox().degraded, 0);
    patient.stop().await;
}
