//! Queues, retries and deadlines, and what is pending at a stop.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use axum::response::IntoResponse;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Receiver, Running, dead, hook, in_time, left, webhook};

#[tokio::test]
async fn a_receiver_that_keeps_up_gets_every_rejection_by_itself() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let running = Running::start(dir.path(), &webhook("all", receiver.addr, ""));
    let mut ids = HashSet::new();
    for _ in 0..10 {
        running.emit(1);
        let received = receiver.next().await;
        assert_eq!((received.json()["count"].as_u64(), received.json()["rate"].as_u64()), (Some(1), Some(4)));
        ids.insert(received.header("webhook-id").to_owned());
    }
    // A burst of the same is no flood yet.
    (0..30).for_each(|_| running.emit(1));
    for _ in 0..30 {
        ids.insert(receiver.next().await.header("webhook-id").to_owned());
    }
    let stats = running.until("all", |stats| stats.delivered == 40).await;
    assert_eq!((stats.matched, stats.waiting, ids.len()), (40, 0, 40));
    running.stop().await;
    assert_eq!(left(dir.path()), (0, 0), "nothing is pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_merged_for_a_slow_receiver_and_adds_up_exactly() {
    const EVENTS: u64 = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let slow = || Box::pin(async { tokio::time::sleep(Duration::from_millis(5)).await });
    let mut receiver = Receiver::start(move |_| {
        Box::pin(async move {
            slow().await;
            "ok".into_response()
        })
    })
    .await;
    let running = Running::start(dir.path(), &webhook("slow", receiver.addr, "concurrency = 2"));
    for n in 0..EVENTS {
        running.emit((n % 10) as u32);
        if n % 500 == 0 {
            // It holds at every moment, not only at the end; this asserts it.
            running.stats("slow");
            tokio::task::yield_now().await;
        }
    }
    running.until("slow", |stats| stats.delivered == EVENTS).await;
    let received = receiver.rest();
    assert_eq!(received.iter().map(|request| request.json()["count"].as_u64().unwrap()).sum::<u64>(), EVENTS);
    assert!(received.len() < 500, "a flood of {EVENTS} became {} webhooks", received.len());
    assert!(received.iter().all(|request| request.json()["first_at"].as_u64() <= request.json()["last_at"].as_u64()));
    running.stop().await;
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_id_and_a_fresh_time() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[500, 200]).await);
    // More than a second: the time is told in seconds.
    let beside = "retry = { schedule = [\"1400ms\"] }\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]";
    let running = Running::start(dir.path(), &webhook("again", receiver.addr, beside));
    running.emit(1);
    let (first, second) = (receiver.next().await, receiver.next().await);
    let time = |request: &crate::support::Received| request.header("webhook-timestamp").parse::<u64>().unwrap();
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert!(!first.header("webhook-id").contains('.') && first.header("webhook-id").starts_with("msg_"));
    assert!(time(&second) > time(&first));
    assert_ne!(first.header("webhook-signature"), second.header("webhook-signature"));
    assert_eq!(first.body, second.body);
    let stats = running.until("again", |stats| stats.delivered == 1).await;
    assert_eq!((stats.retried, stats.failed), (1, 0));
    running.stop().await;
}

#[tokio::test]
async fn after_the_last_try_a_delivery_is_given_up() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[500]).await);
    let running = Running::start(dir.path(), &webhook("bad", receiver.addr, "retry = { schedule = [\"1ms\", \"1ms\"] }"));
    running.emit(1);
    let stats = running.until("bad", |stats| stats.failed == 1).await;
    assert_eq!((stats.retried, receiver.rest().len()), (2, 3));
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_tried_once() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[410]).await);
    let running = Running::start(dir.path(), &webhook("gone", receiver.addr, "retry = { schedule = [\"1ms\"] }"));
    running.emit(1);
    let stats = running.until("gone", |stats| stats.failed == 1).await;
    assert_eq!((stats.retried, receiver.rest().len()), (0, 1));
    running.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_cut_at_the_deadline_and_delays_no_other() {
    let (dir, hanging, mut good) = (tempfile::tempdir().unwrap(), Receiver::hanging().await, Receiver::good().await);
    let text = webhook("hanging", hanging.addr, "timeout = \"300ms\"\nconcurrency = 1\nretry = { schedule = [] }")
        + &webhook("good", good.addr, "");
    let running = Running::start(dir.path(), &text);
    let start = Instant::now();
    (0..20).for_each(|n| running.emit(n));
    for _ in 0..20 {
        good.next().await;
    }
    assert_eq!(running.stats("hanging").failed, 0, "all of the others came before the first deadline");
    running.until("hanging", |stats| stats.failed >= 2).await;
    assert!(start.elapsed() >= Duration::from_millis(600));
    running.stop().await;
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let writer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 8192]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n").await.unwrap();
        let mut written = 0_usize;
        // It ends only because the other side closes.
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {
            written += 4096;
        }
        written
    });
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &webhook("endless", addr, "timeout = \"1h\""));
    running.emit(1);
    let written = in_time("the end of the endless", writer).await.unwrap();
    assert!(written < 64 << 20, "only what fits into the buffers of the system: {written}");
    running.until("endless", |stats| stats.delivered == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    // Each connection answers once, as if it were kept, and closes when the next request comes.
    let server = tokio::spawn(async move {
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 8192]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            tokio::spawn(async move { drop(stream.read(&mut [0; 1]).await) });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &webhook("stale", addr, "retry = { schedule = [] }"));
    for n in 1..=3 {
        running.emit(1);
        running.until("stale", |stats| stats.delivered + stats.failed == n).await;
    }
    assert_eq!(running.stats("stale").failed, 0);
    in_time("three connections", server).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (dir, mut canary) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let target = format!("http://{}/secret", canary.addr);
    let receiver = Receiver::start(move |_| {
        let target = target.clone();
        Box::pin(async move { axum::response::Redirect::temporary(&target).into_response() })
    })
    .await;
    let running = Running::start(dir.path(), &webhook("redirected", receiver.addr, "retry = { schedule = [] }"));
    running.emit(1);
    running.until("redirected", |stats| stats.failed == 1).await;
    assert!(canary.rest().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_receiver_keeps_a_bounded_queue_and_everything_is_counted() {
    let (dir, mut good) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("dead", dead().await, "retry = { schedule = [\"1h\"] }") + &webhook("good", good.addr, "");
    let running = Running::start(dir.path(), &text);
    let mut sent = 0;
    while sent < 12_000 {
        (0..1_000).for_each(|n| running.emit(sent + n));
        sent += 1_000;
        // The other gets each as if there were no dead one.
        running.until("good", |stats| stats.delivered == u64::from(sent)).await;
    }
    let stats = running.until("dead", |stats| stats.waiting <= 10_000).await;
    assert_eq!((stats.delivered, stats.failed), (0, 0));
    assert_eq!(stats.dropped + stats.waiting, 12_000);
    assert!((1_900..=2_000).contains(&stats.dropped), "{stats:?}");
    assert_eq!(good.rest().len(), 12_000);
    running.stop().await;
}

#[tokio::test]
async fn what_is_pending_at_a_stop_is_taken_up_at_the_next_start() {
    let (dir, mut hanging, mut good) = (tempfile::tempdir().unwrap(), Receiver::hanging().await, Receiver::good().await);
    let running = Running::start(dir.path(), &webhook("kept", hanging.addr, "concurrency = 1"));
    (0..5).for_each(|n| running.emit(n));
    let tried = hanging.next().await;
    running.until("kept", |stats| stats.matched == 5).await;
    running.stop().await;
    assert_eq!(left(dir.path()), (5, 5));

    let running = Running::start(dir.path(), &webhook("kept", good.addr, ""));
    let mut received = Vec::new();
    for _ in 0..5 {
        received.push(good.next().await);
    }
    let again = received.iter().find(|request| request.header("webhook-id") == tried.header("webhook-id")).expect("the same id");
    assert_eq!(again.json(), tried.json());
    let ips: HashSet<String> = received.iter().map(|request| request.json()["ip"].to_string()).collect();
    assert_eq!(ips.len(), 5);
    let stats = running.until("kept", |stats| stats.delivered == 5).await;
    assert_eq!(stats.matched, 5);
    running.stop().await;
    assert_eq!(left(dir.path()), (0, 0), "nothing is pending");
}

#[tokio::test]
async fn what_waits_for_another_try_keeps_its_number_of_tries_over_a_restart() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::statuses(&[500]).await);
    let text = webhook("kept", receiver.addr, "retry = { schedule = [\"300ms\"] }");
    let running = Running::start(dir.path(), &text);
    running.emit(1);
    running.until("kept", |stats| stats.retried == 1).await;
    running.stop().await;
    let running = Running::start(dir.path(), &text);
    // The schedule has one step, so the second try is the last.
    let stats = running.until("kept", |stats| stats.failed == 1).await;
    assert_eq!((stats.retried, receiver.rest().len()), (0, 2));
    running.stop().await;
}

#[tokio::test]
async fn a_stop_delivers_what_it_can() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let running = Running::start(dir.path(), &webhook("all", receiver.addr, ""));
    (0..20).for_each(|n| running.emit(n));
    running.stop().await;
    assert_eq!(receiver.rest().len(), 20);
    assert_eq!(left(dir.path()), (0, 0));
}

#[tokio::test]
async fn snooze_swallows_and_counts() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let running = Running::start(dir.path(), &webhook("quiet", receiver.addr, "snooze = 3600"));
    [1, 1, 2, 1, 2].into_iter().for_each(|ip| running.emit(ip));
    let stats = running.until("quiet", |stats| stats.delivered == 2).await;
    assert_eq!((stats.matched, stats.swallowed, receiver.rest().len()), (5, 3, 2));
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_no_hook_wants_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), "[event_hooks.other]\nsource = \"config\"\nhandler = \"log\"");
    running.emitter.emit(|| unreachable!("nobody wants it"));
    running.reload(&hook("log", "handler = \"log\""));
    running.emit(1);
    running.until("log", |stats| stats.delivered == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn what_a_filter_leaves_out_is_counted_and_snoozes_nobody() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let beside = "snooze = 3600\nfilter.consumer.username = \"Joe\"\nfilter.limit = { in = [3, 4], not = 4 }";
    let running = Running::start(dir.path(), &webhook("joes", receiver.addr, beside));
    running.emit_of(serde_json::json!({ "id": "00000000-0000-0000-0000-000000000007", "username": "Ann" }), 1);
    running.emit_of(serde_json::Value::Null, 1);
    [1, 1].into_iter().for_each(|ip| running.emit(ip));
    let stats = running.until("joes", |stats| stats.delivered == 1 && stats.matched == 4).await;
    assert_eq!((stats.filtered, stats.swallowed, receiver.rest().len()), (2, 1, 1));
    running.stop().await;
}

#[tokio::test]
async fn what_a_digest_gathered_is_kept_at_a_stop_and_told_at_its_end() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = webhook("digest", receiver.addr, "digest = \"3s\"");
    let running = Running::start(dir.path(), &text);
    (0..5).for_each(|_| running.emit(1));
    let first = receiver.next().await.json();
    running.until("digest", |stats| stats.delivered == 1 && stats.waiting == 4).await;
    running.stop().await;
    assert_eq!(left(dir.path()), (1, 4));

    let running = Running::start(dir.path(), &text);
    running.emit(1);
    let mut counts = [receiver.next().await.json(), receiver.next().await.json()].map(|json| json["count"].as_u64());
    counts.sort_unstable();
    assert_eq!((first["count"].as_u64(), counts), (Some(1), [Some(1), Some(4)]));
    let stats = running.until("digest", |stats| stats.delivered == 5).await;
    assert_eq!(stats.waiting, 0);
    running.stop().await;
}
