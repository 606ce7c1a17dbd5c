//! What the outbox is for: nothing that was taken in is lost, whatever ends the process or stands in the disk's way.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::Connection;
use sluice_config::Hooks;
use sluice_hooks::{Network, Record, Refused, WantedRecords};

use crate::support::{Receiver, Running, dead, in_time, left, outbox_is, webhook};

#[tokio::test]
async fn what_was_taken_in_survives_kills_until_it_is_delivered() {
    let (dir, mut hanging, mut good) = (tempfile::tempdir().unwrap(), Receiver::hanging().await, Receiver::good().await);
    let to_hanging = webhook("kept", hanging.addr, "concurrency = 2");
    let mut ids = HashSet::new();
    for round in 0..3 {
        let running = Running::start(dir.path(), &to_hanging);
        running.emit(round);
        running.until("kept", |stats| stats.matched == u64::from(round) + 1).await;
        ids.insert(hanging.next().await.header("webhook-id").to_owned());
        running.kill().await;
    }
    let running = Running::start(dir.path(), &webhook("kept", good.addr, ""));
    let mut received = Vec::new();
    for _ in 0..3 {
        received.push(good.next().await);
    }
    let again: HashSet<String> = received.iter().map(|request| request.header("webhook-id").to_owned()).collect();
    assert!(again.len() == 3 && ids.is_subset(&again), "each once, with the id that it had: {ids:?} {again:?}");
    let stats = running.until("kept", |stats| stats.delivered == 3).await;
    assert_eq!((stats.matched, stats.waiting), (3, 0));
    running.stop().await;
    assert_eq!(left(dir.path()), (0, 0));
}

#[tokio::test]
async fn what_a_digest_gathered_survives_a_kill() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let running = Running::start(dir.path(), &webhook("digest", receiver.addr, "digest = \"1h\""));
    (0..5).for_each(|_| running.emit(1));
    receiver.next().await;
    running.until("digest", |stats| stats.delivered == 1 && stats.waiting == 4).await;
    running.kill().await;
    let running = Running::start(dir.path(), &webhook("digest", receiver.addr, "digest = \"1h\""));
    // It waits for the end of its time, as it did before, unless somebody is curious.
    let stats = running.until("digest", |stats| stats.matched == 4).await;
    assert_eq!(stats.waiting, 4);
    let summary = running.records("waiting").await.remove(0);
    assert!(summary.next_attempt_at.is_some());
    running.engine.replay(&summary.id).await.unwrap();
    assert_eq!(receiver.next().await.json()["count"], 4);
    running.stop().await;
}

#[tokio::test]
async fn every_delivery_has_a_record_of_its_tries_and_answers() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[503, 200]).await);
    let text = webhook("good", receiver.addr, "retry = { schedule = [\"10ms\"] }")
        + &webhook("bad", dead().await, "retry = { schedule = [\"1ms\", \"1ms\"] }");
    let running = Running::start(dir.path(), &text);
    running.emit(1);
    let id = receiver.next().await.header("webhook-id").to_owned();
    running.until("good", |stats| stats.delivered == 1).await;
    running.until("bad", |stats| stats.failed == 1).await;

    let delivered = running.engine.record(&id).await.unwrap();
    assert_eq!((delivered.state, delivered.attempts, delivered.count), ("delivered", 2, 1));
    assert_eq!(delivered.event_hook.id, running.id("good"));
    assert!(delivered.ended_at.is_some() && delivered.next_attempt_at.is_none());
    let statuses: Vec<Option<u64>> = delivered.tries.as_array().unwrap().iter().map(|one| one["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(503), Some(200)]);
    assert!(delivered.tries[0]["latency"].is_u64() && delivered.tries[0]["at"].as_u64() > Some(1_700_000_000_000));
    assert_eq!(delivered.response["status"], 200);
    assert_eq!(delivered.data.unwrap()["ip"], "0.0.0.1");

    let dead = running.records("dead").await.remove(0);
    assert_eq!((dead.attempts, dead.tries.as_array().unwrap().len()), (3, 3));
    assert!(dead.tries[2]["error"].as_str().unwrap().contains("onnect"), "{}", dead.tries);
    assert!(dead.response.is_null() && dead.data.is_none());
    assert_eq!(running.engine.record("msg_0").await.unwrap_err(), Refused::NoDelivery);
    running.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_replayed_with_its_id_by_itself_or_with_others() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[500, 500, 500, 200]).await);
    let running = Running::start(dir.path(), &webhook("hook", receiver.addr, "concurrency = 1\nretry = { schedule = [] }"));
    (0..3).for_each(|n| running.emit(n));
    running.until("hook", |stats| stats.failed == 3).await;
    let ids: Vec<String> = running.records("dead").await.into_iter().map(|record| record.id).collect();
    receiver.rest();

    let replayed = running.engine.replay(&ids[1]).await.unwrap();
    assert_eq!((replayed.id.as_str(), replayed.tries.as_array().map(Vec::len) >= Some(1)), (ids[1].as_str(), true));
    assert_eq!(receiver.next().await.header("webhook-id"), ids[1]);
    running.until("hook", |stats| stats.delivered == 1).await;

    let dead = WantedRecords { state: Some("dead"), limit: 100, ..WantedRecords::default() };
    let counts = running.engine.replay_all(running.id("hook"), dead.clone()).await.unwrap();
    assert_eq!((counts.replayed, counts.skipped), (2, 0));
    // The oldest first.
    assert_eq!(receiver.next().await.header("webhook-id"), ids[2]);
    assert_eq!(receiver.next().await.header("webhook-id"), ids[0]);
    let stats = running.until("hook", |stats| stats.delivered == 3).await;
    assert_eq!((stats.matched, stats.failed), (6, 3), "what is replayed counts once more");
    assert_eq!(running.records("delivered").await.len(), 3);
    assert_eq!(running.engine.replay_all(running.id("hook"), dead).await.unwrap().replayed, 0);
    running.stop().await;
}

#[tokio::test]
async fn records_come_in_pages_and_by_state_hook_and_time() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("a", receiver.addr, "") + &webhook("b", receiver.addr, "");
    let running = Running::start(dir.path(), &text);
    (0..5).for_each(|n| running.emit(n));
    for name in ["a", "b"] {
        running.until(name, |stats| stats.delivered == 5).await;
    }
    let page = |before, limit| WantedRecords { hook: Some(running.id("a")), before, limit, ..WantedRecords::default() };
    let first = running.engine.records(page(None, 3)).await.unwrap();
    let second = running.engine.records(page(first.last().map(Record::place), 3)).await.unwrap();
    assert_eq!((first.len(), second.len()), (3, 2));
    let ids: HashSet<&str> = first.iter().chain(&second).map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), 5);
    assert!(first.is_sorted_by_key(|record| std::cmp::Reverse(record.place())), "the newest first");
    let later = WantedRecords { since: Some(4_102_444_800_000), limit: 9, ..WantedRecords::default() };
    let earlier = WantedRecords { until: Some(4_102_444_800_000), limit: 99, ..WantedRecords::default() };
    assert_eq!(running.engine.records(later).await.unwrap().len(), 0);
    assert_eq!(running.engine.records(earlier).await.unwrap().len(), 10);
    running.stop().await;
}

#[tokio::test]
async fn a_locked_outbox_is_done_without_and_made_good_later() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("good", receiver.addr, "")
        + &webhook("dead", dead().await, "retry = { schedule = [\"1h\"] }")
        + "[event_hooks.watcher]\nsource = \"event-hooks\"\nevent = \"outbox-degraded\"\nhandler = \"log\"";
    let running = Running::start(dir.path(), &text);
    running.emit(0);
    receiver.next().await;
    running.until("dead", |stats| stats.retried == 1).await;
    assert_eq!(running.records("delivered").await.len(), 1);

    let locker = Connection::open(dir.path().join("outbox.db")).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();
    for n in 1..=20 {
        running.emit(n);
    }
    for _ in 1..=20 {
        receiver.next().await;
    }
    outbox_is(&running, "memory").await;
    running.until("watcher", |stats| stats.delivered == 1).await;
    assert!(running.engine.outbox().reason.unwrap().contains("locked"));
    running.until("dead", |stats| stats.retried == 21).await;

    locker.execute_batch("ROLLBACK").unwrap();
    outbox_is(&running, "ok").await;
    running.kill().await;
    assert_eq!(left(dir.path()), (21, 21), "what waits is there, what was delivered is not waiting");
    let running = Running::start(dir.path(), &text);
    running.until("dead", |stats| stats.waiting == 21).await;
    let tried_before = running.records("waiting").await.pop().unwrap();
    assert_eq!(tried_before.tries.as_array().map(Vec::len), Some(1), "what was made good keeps its record");
    assert!(receiver.rest().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn an_outbox_that_cannot_be_read_is_set_aside() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    std::fs::write(dir.path().join("outbox.db"), "no database, but somebody's text".repeat(100)).unwrap();
    let running = Running::start(dir.path(), &webhook("all", receiver.addr, ""));
    running.emit(1);
    receiver.next().await;
    outbox_is(&running, "ok").await;
    running.until("all", |stats| stats.delivered == 1).await;
    assert_eq!(running.records("delivered").await.len(), 1);
    running.stop().await;
    let aside = std::fs::read_to_string(dir.path().join("outbox.db.unreadable")).unwrap();
    assert!(aside.starts_with("no database"));
}

#[tokio::test]
async fn a_place_that_cannot_be_written_stops_no_delivery() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let running = Running::start(&file.join("below"), &webhook("all", receiver.addr, ""));
    running.emit(1);
    receiver.next().await;
    running.until("all", |stats| stats.delivered == 1).await;
    outbox_is(&running, "memory").await;
    assert!(matches!(running.engine.record("msg_00000000000000010000000000000000").await, Err(Refused::Outbox(_))));
    running.stop().await;
}

#[tokio::test]
async fn what_waited_for_a_hook_that_is_gone_at_the_start_is_dropped_for_good() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let running = Running::start(dir.path(), &webhook("goes", dead().await, "retry = { schedule = [\"1h\"] }"));
    running.emit(1);
    running.until("goes", |stats| stats.retried == 1).await;
    running.stop().await;
    assert_eq!(left(dir.path()), (1, 1));
    let running = Running::start(dir.path(), &webhook("stays", receiver.addr, ""));
    running.emit(2);
    receiver.next().await;
    running.until("stays", |stats| stats.delivered == 1).await;
    running.stop().await;
    assert_eq!(left(dir.path()), (0, 0));
}

#[tokio::test]
async fn what_is_over_is_kept_up_to_a_number_and_dead_letters_apart() {
    let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("good", receiver.addr, "") + &webhook("bad", dead().await, "retry = { schedule = [] }");
    let running = Running::start(dir.path(), &text);
    running.engine.apply(&Hooks { retention_count: 100, ..Hooks::default() }, Network::default());
    // Enough changes that the writer trims.
    for round in 1..=40 {
        (0..100).for_each(|n| running.emit(n));
        running.until("good", |stats| stats.delivered == round * 100).await;
        running.until("bad", |stats| stats.failed + stats.waiting == round * 100).await;
    }
    let trimmed = async {
        while running.records("delivered").await.len() > 2_200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time("the trim", trimmed).await;
    let kept = running.records("delivered").await;
    assert!(kept.len() >= 100, "{}", kept.len());
    running.stop().await;
}

#[tokio::test]
async fn a_paused_hook_waits_over_a_restart_and_goes_on_when_it_is_resumed() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("hook", receiver.addr, "");
    let running = Running::start(dir.path(), &text);
    running.engine.pause(running.id("hook")).unwrap();
    (0..3).for_each(|n| running.emit(n));
    let stats = running.until("hook", |stats| stats.waiting == 3).await;
    assert_eq!(stats.state, "paused");
    running.stop().await;

    let running = Running::start(dir.path(), &text);
    running.emit(3);
    let stats = running.until("hook", |stats| stats.waiting == 4).await;
    assert_eq!((stats.state, receiver.rest().len()), ("paused", 0));
    running.engine.resume(running.id("hook")).unwrap();
    for _ in 0..4 {
        receiver.next().await;
    }
    running.until("hook", |stats| stats.delivered == 4 && stats.state == "active").await;
    assert_eq!(running.engine.pause(uuid::Uuid::nil()), Err(Refused::NoHook));
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_hook_until_it_is_resumed() {
    let (dir, mut receiver, mut watcher) =
        (tempfile::tempdir().unwrap(), Receiver::statuses(&[410, 200]).await, Receiver::good().await);
    let about = format!(
        "[event_hooks.watcher]\nevents = [{{ source = \"event-hooks\" }}]\nhandler = \"webhook\"\nconfig.url = \"http://{}/\"",
        watcher.addr
    );
    let text = webhook("gone", receiver.addr, "concurrency = 1") + &about;
    let running = Running::start(dir.path(), &text);
    (0..3).for_each(|n| running.emit(n));
    let stats = running.until("gone", |stats| stats.failed == 3).await;
    assert_eq!((stats.state, stats.retried, receiver.rest().len()), ("disabled", 0, 1));
    assert!(stats.reason.unwrap().contains("410"));
    let mut told = [watcher.next().await.json(), watcher.next().await.json()];
    told.sort_by_key(|json| json["event"].to_string());
    assert_eq!((&told[0]["event"], &told[0]["failed_event"]), (&"delivery-failed".into(), &"rate-limit-exceeded".into()));
    assert_eq!((&told[1]["event"], &told[1]["hook"]["name"]), (&"disabled".into(), &"gone".into()));
    // Nobody wants it now, so it is not made.
    running.until("watcher", |stats| stats.delivered == 2).await;
    running.emitter.emit(|| unreachable!("the hook is disabled"));
    running.stop().await;

    let running = Running::start(dir.path(), &text);
    running.until("gone", |stats| stats.state == "disabled").await;
    let dead = running.records("dead").await;
    assert_eq!(dead.len(), 3);
    let refused = running.engine.replay(&dead[0].id).await.unwrap_err();
    assert!(refused.to_string().contains("resume it first"), "{refused}");
    running.engine.resume(running.id("gone")).unwrap();
    let all = WantedRecords { state: Some("dead"), limit: 100, ..WantedRecords::default() };
    assert_eq!(running.engine.replay_all(running.id("gone"), all).await.unwrap().replayed, 3);
    running.until("gone", |stats| stats.delivered == 3).await;
    running.stop().await;
}

#[tokio::test]
async fn a_hook_whose_deliveries_fail_for_long_enough_is_disabled_and_a_change_gives_it_another_chance() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let steps = (0..100).map(|_| "\"20ms\"").collect::<Vec<_>>().join(", ");
    let running = Running::start(dir.path(), &webhook("bad", dead().await, &format!("retry = {{ schedule = [{steps}] }}")));
    running.engine.apply(&Hooks { disable_after: Duration::from_millis(100), ..Hooks::default() }, Network::default());
    running.emit(1);
    let stats = running.until("bad", |stats| stats.state == "disabled").await;
    assert_eq!((stats.failed, stats.waiting), (1, 0));
    assert!(stats.retried >= 3 && stats.reason.unwrap().contains("have failed"));
    running.reload(&webhook("bad", receiver.addr, ""));
    running.emit(2);
    receiver.next().await;
    running.until("bad", |stats| stats.state == "active" && stats.delivered == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_hook_never_feeds_itself() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let fails = |name: &str, to| {
        format!(
            "[event_hooks.{name}]\nevents = [{{ source = \"event-hooks\" }}, {{ source = \"rate-limiting-advanced\" }}]\n\
             handler = \"webhook\"\nretry = {{ schedule = [] }}\nconfig.url = \"http://{to}/\"\n"
        )
    };
    let text = fails("a", dead().await) + &fails("b", dead().await) + &fails("c", receiver.addr);
    let running = Running::start(dir.path(), &text);
    running.emit(1);
    // Of the rejection, and that a and b could not tell of it.
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(receiver.next().await.json()["event"].to_string());
    }
    told.sort();
    assert_eq!(told, ["\"delivery-failed\"", "\"delivery-failed\"", "\"rate-limit-exceeded\""]);
    for name in ["a", "b"] {
        // The rejection, and what became of the other hook; nothing of itself, and nothing of what told of the other.
        let stats = running.until(name, |stats| stats.failed == 2).await;
        assert_eq!(stats.matched, 2);
    }
    running.stop().await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_test_tries_a_hook_on_the_data_that_it_is_given() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[202, 500]).await);
    let running = Running::start(dir.path(), &webhook("hook", receiver.addr, ""));
    let id = running.id("hook");
    let data = serde_json::from_str(r#"{"ip":"192.0.2.9","event":"rate-limit-exceeded"}"#).unwrap();
    let wait = async {
        loop {
            // It is not at work before its first step.
            match running.engine.test(id, Clone::clone(&data)).await {
                Err(Refused::Conflict(_)) => tokio::task::yield_now().await,
                other => return other.unwrap(),
            }
        }
    };
    let tested = in_time("the test", wait).await;
    let received = receiver.next().await;
    assert_eq!((received.json()["ip"].as_str(), tested.data["ip"].as_str()), (Some("192.0.2.9"), Some("192.0.2.9")));
    assert_eq!(tested.data["source"], "rate-limiting-advanced");
    let tested = running.engine.test(id, serde_json::Map::new()).await.unwrap();
    assert!(tested.error.unwrap().contains("500"));
    assert_eq!(receiver.next().await.json()["ip"], "192.0.2.1", "the sample");
    let wrong = serde_json::from_str(r#"{"event":"no-such"}"#).unwrap();
    assert!(matches!(running.engine.test(id, wrong).await, Err(Refused::Conflict(_))));
    assert_eq!((running.stats("hook").matched, running.records("delivered").await.len()), (0, 0), "it leaves no trace");
    running.stop().await;
}
