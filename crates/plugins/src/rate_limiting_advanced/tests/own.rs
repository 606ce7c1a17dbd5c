//! Sluice's own options: shadow, warn_at, exempt, cost and the headers of the IETF draft.

use http::StatusCode;
use serde_json::{Value, json};

use super::{bench, retry_after};
use crate::testing::Bench;
use crate::{Body, Reply};

#[test]
fn in_shadow_nobody_is_refused_and_everything_is_told() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]\nwindow_type = \"fixed\"\nshadow = true");
    assert!(bench.ask("/", &[], "192.0.2.1").is_none());
    assert!(bench.ask("/", &[], "192.0.2.1").is_none());
    assert_eq!(bench.left("X-RateLimit-Remaining-Minute"), Some("0"));
    assert_eq!(bench.left("RateLimit-Reset"), Some("50"));
    let (kind, data) = &bench.events()[0];
    assert_eq!(kind, "rate-limiting-advanced/rate-limit-exceeded");
    assert_eq!((&data["rate"], &data["shadow"]), (&json!(2), &json!(true)));
}

#[test]
fn a_warning_comes_when_a_window_is_used_up_that_far() {
    let warnings = |options: &str, requests: usize| {
        let mut bench = bench(&format!("limit = [10]\nwindow_size = [60]\nwindow_type = \"fixed\"\n{options}"));
        (0..requests).for_each(|_| drop(bench.ask("/", &[], "192.0.2.1")));
        let mut events = bench.events();
        events.retain(|(kind, _)| kind == "rate-limiting-advanced/rate-limit-warning");
        events.into_iter().map(|(_, data)| data["rate"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(warnings("", 12), Vec::<Value>::new());
    assert_eq!(warnings("warn_at = 0.8", 7), Vec::<Value>::new());
    assert_eq!(warnings("warn_at = 0.8", 12), [json!(8)]);
    assert_eq!(warnings("warn_at = 1.0", 12), [json!(10)]);
    assert_eq!(warnings("warn_at = 0.8\ncost = 3", 12), [json!(9)]);
    assert_eq!(warnings("warn_at = 0.8\nshadow = true", 12), [json!(8)]);
}

#[test]
fn the_next_window_warns_again() {
    let mut bench = bench("limit = [2]\nwindow_size = [60]\nwindow_type = \"fixed\"\nwarn_at = 1.0");
    for _ in 0..3 {
        (0..2).for_each(|_| drop(bench.ask("/", &[], "192.0.2.1")));
        assert_eq!(bench.events().len(), 1);
        bench.clock.advance(std::time::Duration::from_secs(60));
    }
}

#[test]
fn every_window_warns_by_itself_and_once_although_the_rate_falls_and_rises() {
    let mut bench = bench("limit = [4, 5]\nwindow_size = [60, 3600]\nwarn_at = 0.5");
    let mut warned = Vec::new();
    for _ in 0..40 {
        bench.ask("/", &[], "192.0.2.1");
        bench.clock.advance(std::time::Duration::from_secs(20));
        let events = bench.events();
        warned.extend(events.into_iter().filter(|(kind, _)| kind.ends_with("warning")).map(|(_, data)| data["window"].clone()));
    }
    assert_eq!(warned, [json!("minute"), json!("hour")].as_slice(), "thirteen minutes, but the hour refuses most of them");
}

#[test]
fn who_was_refused_recovers_once() {
    for shadow in [false, true] {
        let mut bench = bench(&format!("limit = [2]\nwindow_size = [60]\nwindow_type = \"fixed\"\nshadow = {shadow}"));
        (0..4).for_each(|_| drop(bench.ask("/", &[], "192.0.2.1")));
        assert_eq!(bench.events().len(), 2);
        bench.clock.advance(std::time::Duration::from_secs(60));
        bench.limiters.sweep();
        assert!(bench.ask("/", &[], "192.0.2.2").is_none(), "somebody else");
        (0..2).for_each(|_| drop(bench.ask("/", &[], "192.0.2.1")));
        let events = bench.events();
        assert_eq!(events.len(), 1, "{events:?}");
        let (kind, data) = &events[0];
        assert_eq!(kind, "rate-limiting-advanced/rate-limit-recovered");
        assert_eq!((&data["ip"], &data["rate"], &data["window"]), (&json!("192.0.2.1"), &json!(1), &json!("minute")));
        assert_eq!(data.get("shadow"), shadow.then(|| json!(true)).as_ref());
    }
}

#[test]
fn who_is_exempt_is_neither_counted_nor_told() {
    let text = "[consumers.Joe]\n[consumers.Ann]\n[plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [60]\n\
                exempt = { ips = [\"10.0.0.0/8\", \"2001:db8::1\"], consumers = [\"Joe\"] }";
    let check = |consumer: &str, ip: &str, exempt: bool| {
        let mut bench = Bench::new(text);
        bench.identify(consumer, "key 1");
        assert!(bench.ask("/", &[], ip).is_none());
        assert_eq!(bench.left("RateLimit-Limit").is_none(), exempt, "{consumer} {ip}");
        assert_eq!(bench.ask("/", &[], ip).is_none(), exempt, "{consumer} {ip}");
        assert_eq!(bench.events().is_empty(), exempt, "{consumer} {ip}");
    };
    check("Ann", "10.9.9.9", true);
    check("Ann", "::ffff:10.9.9.9", true);
    check("Ann", "2001:db8::1", true);
    check("Ann", "2001:db8::2", false);
    check("Ann", "192.0.2.1", false);
    check("Joe", "192.0.2.1", true);
    check("nobody", "192.0.2.1", false);
}

#[test]
fn a_request_spends_what_it_costs() {
    let check = |cost: &str, header: Option<&str>, left: &str| {
        let mut bench = bench(&format!("limit = [10]\nwindow_size = [60]\ncost = {cost}"));
        let headers: Vec<(&str, &str)> = header.map(|value| ("X-Cost", value)).into_iter().collect();
        assert!(bench.ask("/", &headers, "192.0.2.1").is_none());
        assert_eq!(bench.left("RateLimit-Remaining"), Some(left), "{cost} {header:?}");
    };
    check("4", None, "6");
    check("4", Some("9"), "6");
    check("{ header = \"X-Cost\", max = 5 }", None, "9");
    check("{ header = \"X-Cost\", max = 5 }", Some("3"), "7");
    check("{ header = \"X-Cost\", max = 5 }", Some("7"), "5");
    check("{ header = \"X-Cost\", max = 5 }", Some("0"), "9");
    check("{ header = \"X-Cost\", max = 5, default = 2 }", Some("all"), "8");
}

#[test]
fn a_refused_request_gives_back_what_it_costs() {
    let mut bench = bench("limit = [10, 15]\nwindow_size = [60, 3600]\ncost = 4");
    let admitted = (0..9).filter(|_| bench.ask("/", &[], "192.0.2.1").is_none()).count();
    assert_eq!((admitted, bench.left("X-RateLimit-Remaining-Hour")), (2, Some("7")));
}

#[test]
fn standard_headers_are_those_of_the_draft() {
    let options = "limit = [2, 9]\nwindow_size = [30, 3600]\nwindow_type = \"fixed\"\nstandard_headers = true";
    let mut bench = bench(&format!("{options}\nerror_message = \"slow \\\"down\\\"\""));
    let mut refused: Option<Reply> = None;
    (0..3).for_each(|_| refused = bench.ask("/", &[], "192.0.2.1"));
    assert_eq!(bench.left("RateLimit-Policy"), Some("\"30\";q=2;w=30, \"hour\";q=9;w=3600"));
    assert_eq!(bench.left("RateLimit"), Some("\"30\";r=0;t=20, \"hour\";r=7;t=3590"));
    assert_eq!(bench.left("X-RateLimit-Remaining-Hour"), Some("7"));
    for old in ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"] {
        assert_eq!(bench.left(old), None, "{old}");
    }
    let refused = refused.expect("a refusal");
    assert_eq!((refused.status, retry_after(&refused)), (StatusCode::TOO_MANY_REQUESTS, 20));
    let Body::Typed { content_type, bytes } = refused.body else { panic!("a typed body") };
    assert_eq!(content_type, "application/problem+json");
    let body: Value = serde_json::from_slice(&bytes).expect("JSON");
    let expected = json!({
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "detail": "slow \"down\"",
        "violated-policies": ["30"],
    });
    assert_eq!(body, expected);
}
