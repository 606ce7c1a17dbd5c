//! What a reload keeps, and what it does not.

use crate::support::{Receiver, Running, left, webhook};

#[tokio::test]
async fn an_unchanged_hook_keeps_its_memory_and_a_changed_one_starts_anew() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("quiet", receiver.addr, "snooze = 3600");
    let running = Running::start(dir.path(), &text);
    running.emit(1);
    receiver.next().await;
    running.reload(&text);
    running.emit(1);
    running.until("quiet", |stats| stats.swallowed == 1 && stats.delivered == 1).await;
    running.reload(&webhook("quiet", receiver.addr, "snooze = 3601"));
    running.emit(1);
    receiver.next().await;
    let stats = running.until("quiet", |stats| stats.delivered == 2).await;
    assert_eq!((stats.matched, stats.swallowed), (3, 1));
    running.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_hook_goes_where_its_new_version_says() {
    let (dir, mut hanging, mut good) = (tempfile::tempdir().unwrap(), Receiver::hanging().await, Receiver::good().await);
    let running = Running::start(
        dir.path(),
        &webhook("moved", hanging.addr, "concurrency = 1\ntimeout = \"400ms\"\nretry = { schedule = [\"1ms\"] }"),
    );
    (0..3).for_each(|n| running.emit(n));
    let tried = hanging.next().await;
    running.until("moved", |stats| stats.matched == 3).await;
    running.reload(&webhook("moved", good.addr, "retry = { schedule = [\"1ms\"] }"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(good.next().await.header("webhook-id").to_owned());
    }
    assert!(ids.contains(&tried.header("webhook-id").to_owned()), "what was under way is tried again at the new place");
    running.until("moved", |stats| stats.delivered == 3).await;
    running.stop().await;
}

#[tokio::test]
async fn a_hook_that_is_gone_gets_nothing_more_and_others_go_on() {
    let (dir, mut hanging, mut good) = (tempfile::tempdir().unwrap(), Receiver::hanging().await, Receiver::good().await);
    let stays = webhook("stays", good.addr, "");
    let running = Running::start(dir.path(), &(webhook("goes", hanging.addr, "concurrency = 1\ntimeout = \"50ms\"") + &stays));
    (0..3).for_each(|n| running.emit(n));
    hanging.next().await;
    running.until("goes", |stats| stats.matched == 3).await;
    running.reload(&stays);
    assert_eq!(running.engine.stats().len(), 1);
    running.emit(4);
    for _ in 0..4 {
        good.next().await;
    }
    running.until("stays", |stats| stats.delivered == 4).await;
    running.stop().await;
    assert!(hanging.rest().is_empty());
    assert_eq!(left(dir.path()), (0, 0));
}
