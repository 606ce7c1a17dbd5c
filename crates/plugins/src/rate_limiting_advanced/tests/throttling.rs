//! Requests that are held instead of refused.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::bench;
use crate::testing::Bench;
use crate::{Flow, Memory};

/// What became of a request, in a word.
fn ask(bench: &Bench, memory: &mut Memory) -> &'static str {
    match bench.ask_with(memory) {
        Flow::Continue => "admitted",
        Flow::Respond(_) => "refused",
        Flow::Hold(wait) if wait == Duration::from_secs(5) => "held",
        Flow::Hold(wait) => panic!("held for {wait:?}"),
    }
}

fn throttled(own: &str) -> Bench {
    bench(&format!("limit = [1]\nwindow_size = [60]\nwindow_type = \"fixed\"\nthrottling = {{ enabled = true, {own} }}"))
}

#[test]
fn a_request_tries_again_as_often_as_it_may() {
    let bench = throttled("retry_times = 3");
    assert_eq!(ask(&bench, &mut Memory::default()), "admitted");
    let mut memory = Memory::default();
    let tries: Vec<&str> = (0..4).map(|_| ask(&bench, &mut memory)).collect();
    assert_eq!(tries, ["held", "held", "held", "refused"]);
    assert_eq!(bench.events().len(), 1, "a refusal is an event, a wait is none");
}

#[test]
fn a_held_request_spends_once_when_there_is_room_and_its_headers_come_once() {
    let bench = throttled("retry_times = 20");
    assert_eq!(ask(&bench, &mut Memory::default()), "admitted");
    let mut memory = Memory::default();
    let mut tries = 0;
    while ask(&bench, &mut memory) == "held" {
        assert!(memory.response_headers.is_empty());
        bench.clock.advance(Duration::from_secs(5));
        tries += 1;
    }
    assert_eq!(tries, 10, "fifty seconds are left of the minute");
    assert_eq!(memory.response_headers.iter().filter(|(name, _)| *name == "RateLimit-Limit").count(), 1);
    assert!(memory.held.is_none());
    assert_eq!(ask(&bench, &mut Memory::default()), "held", "the new minute is spent");
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&bench, &mut Memory::default()), "admitted");
}

#[test]
fn a_full_queue_refuses_and_a_client_that_goes_makes_room() {
    let bench = throttled("queue_limit = 2");
    let mut memories: Vec<Memory> = (0..4).map(|_| Memory::default()).collect();
    let flows: Vec<&str> = memories.iter_mut().map(|memory| ask(&bench, memory)).collect();
    assert_eq!(flows, ["admitted", "held", "held", "refused"]);
    memories.remove(1);
    assert_eq!(ask(&bench, &mut Memory::default()), "held", "who went made room");
    assert_eq!(ask(&bench, &mut Memory::default()), "held", "the one before ended when its memory was dropped");
    let mut second = Memory::default();
    assert_eq!((ask(&bench, &mut second), ask(&bench, &mut Memory::default())), ("held", "refused"));
}

#[test]
fn of_requests_that_race_none_is_lost_and_none_spends_twice() {
    let options = "limit = [5]\nwindow_size = [60]\nwindow_type = \"fixed\"\nidentifier = \"route\"";
    let bench = bench(&format!("{options}\nthrottling = {{ enabled = true, retry_times = 9, queue_limit = 20 }}"));
    let mut waiting: Vec<Memory> = (0..20).map(|_| Memory::default()).collect();
    for round in 1..=4 {
        std::thread::scope(|scope| {
            for some in waiting.chunks_mut(6) {
                scope.spawn(|| some.iter_mut().for_each(|memory| assert_ne!(ask(&bench, memory), "refused")));
            }
        });
        waiting.retain(|memory| memory.held.is_some());
        assert_eq!(waiting.len(), 20 - 5 * round);
        bench.clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn every_client_has_a_queue_of_its_own() {
    let mut bench = throttled("queue_limit = 1");
    let mut waiting = Vec::new();
    for (ip, expected) in [("192.0.2.1", "held"), ("192.0.2.1", "refused"), ("192.0.2.2", "held"), ("192.0.2.2", "refused")] {
        if expected == "held" {
            assert!(bench.ask("/", &[], ip).is_none());
        }
        let flow = bench.flow("/", &[], ip);
        assert_eq!(matches!(flow, Flow::Hold(_)), expected == "held", "{ip}");
        waiting.push(std::mem::take(&mut bench.memory));
    }
}

#[test]
fn a_request_that_is_refused_or_admitted_gives_its_place_back() {
    let bench = throttled("queue_limit = 1, retry_times = 1");
    assert_eq!(ask(&bench, &mut Memory::default()), "admitted");
    for _ in 0..3 {
        let mut memory = Memory::default();
        assert_eq!([ask(&bench, &mut memory), ask(&bench, &mut memory)], ["held", "refused"]);
        assert!(memory.held.is_none());
    }
}

#[test]
fn the_places_in_the_queue_are_never_more_than_its_limit_under_races() {
    let bench = throttled("queue_limit = 3");
    let held = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    let mut memory = Memory::default();
                    if matches!(bench.ask_with(&mut memory), Flow::Hold(_)) {
                        assert!(held.fetch_add(1, SeqCst) < 3);
                        held.fetch_sub(1, SeqCst);
                    }
                    drop(memory);
                }
            });
        }
    });
}

#[test]
fn what_is_switched_off_holds_nobody() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nthrottling = { enabled = false, queue_limit = 9 }");
    assert!(bench.ask("/", &[], "192.0.2.1").is_none());
    assert!(bench.ask("/", &[], "192.0.2.1").is_some());
}
