//! What the plugin decides, on a clock that the tests move.

use std::time::Duration;

use http::StatusCode;
use sluice_events::{Bus, Occurrence};
use sluice_limits::ManualClock;

use crate::testing::{Bench, built};

fn bench(options: &str) -> Bench {
    Bench::new(&format!("[plugins.rate-limiting-advanced]\n{options}"))
}

fn retry_after(reply: &crate::Reply) -> u64 {
    let header = reply.headers.iter().find(|(name, _)| name == "Retry-After");
    header.and_then(|(_, value)| value.to_str().ok()?.parse().ok()).expect("a refusal has a Retry-After")
}

#[test]
fn a_client_that_waits_for_retry_after_gets_in_and_one_that_does_not_wait_is_refused() {
    for window_type in ["sliding", "fixed", "gcra", "exact"] {
        let mut bench = bench(&format!("limit = [3]\nwindow_size = [60]\nwindow_type = \"{window_type}\""));
        for _ in 0..20 {
            let Some(refused) = bench.ask("/", &[], "192.0.2.1") else { continue };
            assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
            let wait = Duration::from_secs(retry_after(&refused));
            bench.clock.advance(wait - Duration::from_secs(1));
            let early = bench.ask("/", &[], "192.0.2.1");
            assert!(early.is_some(), "{window_type}: a second early");
            bench.clock.advance(Duration::from_secs(1));
            assert!(bench.ask("/", &[], "192.0.2.1").is_none(), "{window_type}: on time");
        }
    }
}

#[test]
fn the_tightest_window_is_the_one_of_the_short_headers() {
    let mut bench = bench("limit = [5, 3]\nwindow_size = [30, 3600]\nwindow_type = \"fixed\"");
    assert!(bench.ask("/", &[], "192.0.2.1").is_none());
    let headers = [
        ("X-RateLimit-Limit-30", "5"),
        ("X-RateLimit-Remaining-30", "4"),
        ("X-RateLimit-Limit-Hour", "3"),
        ("X-RateLimit-Remaining-Hour", "2"),
        ("RateLimit-Limit", "3"),
        ("RateLimit-Remaining", "2"),
        ("RateLimit-Reset", "3590"),
    ];
    for (name, value) in headers {
        assert_eq!(bench.left(name), Some(value), "{name}");
    }
}

#[test]
fn with_a_penalty_a_client_that_goes_on_never_gets_in() {
    let mut bench = bench("limit = [3]\nwindow_size = [60]\ndisable_penalty = false");
    let admitted = (0..600).filter(|_| {
        bench.clock.advance(Duration::from_secs(1));
        bench.ask("/", &[], "192.0.2.1").is_none()
    });
    assert_eq!(admitted.count(), 3);
}

#[test]
fn one_client_is_one_key_however_his_address_is_written() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nidentifier = \"ip\"");
    let mut check = |ip: &str, admitted| assert_eq!(bench.ask("/", &[], ip).is_none(), admitted, "{ip}");
    check("192.0.2.1", true);
    check("::ffff:192.0.2.1", false);
    check("192.0.2.2", true);
    check("2001:db8::1", true);
    check("2001:db8::ffff:2", false);
    check("2001:db8:0:1::1", true);
}

#[test]
fn what_identifies_a_client_falls_back_to_his_address() {
    let options = "limit = [1]\nwindow_size = [60]\n";
    for identifier in ["consumer", "header", "path"] {
        let mut bench = bench(&format!("{options}identifier = \"{identifier}\"\nheader_name = \"X-Tenant\"\npath = \"/one\""));
        assert!(bench.ask("/two", &[], "192.0.2.1").is_none());
        assert!(bench.ask("/three", &[], "192.0.2.1").is_some(), "{identifier}");
        assert!(bench.ask("/three", &[], "192.0.2.2").is_none(), "{identifier}");
    }
    let mut service = bench(&format!("{options}identifier = \"service\""));
    assert!(service.ask("/", &[], "192.0.2.1").is_none());
    assert!(service.ask("/", &[], "192.0.2.2").is_some());
}

#[test]
fn a_header_cannot_pose_as_an_address() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nidentifier = \"header\"\nheader_name = \"X-Tenant\"");
    let bytes = String::from_utf8(vec![97, 98, 99, 100]).expect("text");
    assert!(bench.ask("/", &[("X-Tenant", &bytes)], "192.0.2.1").is_none());
    assert!(bench.ask("/", &[], "97.98.99.100").is_none());
}

#[test]
fn every_refusal_is_an_event() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]");
    for _ in 0..4 {
        bench.ask("/", &[], "192.0.2.1");
    }
    let mut events: Vec<Occurrence> = Vec::new();
    bench.bus.try_collect(&mut events);
    assert_eq!(events.iter().map(|event| event.count).sum::<u64>(), 3);
    let data = events[0].event.data();
    assert_eq!(data["ip"], "192.0.2.1");
    assert_eq!((data["rate"].as_u64(), data["limit"].as_u64(), data["window"].as_str()), (Some(2), Some(1), Some("minute")));
    assert_eq!(data["consumer"], serde_json::json!({}));
}

#[test]
fn jitter_is_added_to_retry_after_only() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nwindow_type = \"fixed\"\nretry_after_jitter_max = 30");
    bench.ask("/", &[], "192.0.2.1");
    let waits: Vec<u64> = (0..200).map(|_| retry_after(&bench.ask("/", &[], "192.0.2.1").expect("a refusal"))).collect();
    assert_eq!(bench.left("RateLimit-Reset"), Some("50"));
    assert!(waits.iter().all(|wait| (50..=80).contains(wait)));
    assert!(waits.iter().any(|wait| *wait > 50), "two hundred draws are not all zero");
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let check = |options: &str, expected: &[&str]| {
        let text = format!("[plugins.rate-limiting-advanced]\n{options}");
        let problems = built(&text, &ManualClock::default(), &Bus::default().into()).err().unwrap_or_default();
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.contains(expected), "{problem} is not about {expected}");
        }
    };
    check("limit = [1]\nwindow_size = [60]", &[]);
    check("limit = [0]\nwindow_size = [60]", &["limit[0]"]);
    check("limit = [1]\nwindow_size = [0]", &["window_size[0]"]);
    check("limit = []\nwindow_size = []", &["limit"]);
    check("limit = [1]\nwindow_size = [1, 2]", &["same number of windows and limits"]);
    check("limit = [1]\nwindow_size = [1]\nidentifier = \"header\"", &["header_name"]);
    check("limit = [1]\nwindow_size = [1]\nidentifier = \"path\"", &["path"]);
    check("limit = [10001]\nwindow_size = [60]\nwindow_type = \"exact\"", &["limit[0]: with `exact` a limit is at most 10000"]);
    check("limit = [5, 9]\nwindow_size = [60, 60]", &["window_size[1]"]);
    check("limit = [1]\nwindow_size = [1]\nidentifier = \"path\"\npath = \"/a/../b\"", &["path"]);
    check("limit = [1]\nwindow_size = [1]\nburst = 2", &["burst"]);
    check("limit = [1]\nwindow_size = [1]\nerror_code = 99", &["error_code"]);
    check("limit = [1]\nwindow_size = [1]\nthrottling = { enabled = true }", &["throttling"]);
    check("limit = [1]\nwindow_size = [1]\nwindow_type = \"leaky\"", &["window_type"]);
    check("limit = [-1, \"x\"]\nwindow_size = [1.5]", &["limit[0]", "limit[1]", "window_size[0]"]);
}
