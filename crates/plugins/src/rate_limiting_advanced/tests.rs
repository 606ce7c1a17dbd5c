//! What the plugin decides, on a clock that the tests move.

mod identity;
mod own;
mod throttling;

use std::time::Duration;

use http::StatusCode;

use crate::testing::{Bench, check_problems};

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

proptest::proptest! {
    #[test]
    fn retry_after_is_right_to_the_second_whatever_came_before(
        window_type in proptest::sample::select(vec!["sliding", "fixed", "gcra", "exact"]),
        window in 1_u64..20,
        more in 0_u64..20,
        gaps in proptest::collection::vec(0_u64..1_500, 200),
    ) {
        // At least one a second.
        let mut bench = bench(&format!("limit = [{}]\nwindow_size = [{window}]\nwindow_type = \"{window_type}\"", window + more));
        for gap in gaps {
            bench.clock.advance(Duration::from_millis(gap / 10));
            let Some(refused) = bench.ask("/", &[], "192.0.2.1") else { continue };
            let wait = Duration::from_secs(retry_after(&refused));
            bench.clock.advance(wait - Duration::from_secs(1));
            proptest::prop_assert!(bench.ask("/", &[], "192.0.2.1").is_some(), "a second early");
            bench.clock.advance(Duration::from_secs(1));
            proptest::prop_assert!(bench.ask("/", &[], "192.0.2.1").is_none(), "on time");
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
fn every_refusal_is_an_event() {
    let mut bench = bench("limit = [1]\nwindow_size = [60]");
    for _ in 0..4 {
        bench.ask("/", &[], "192.0.2.1");
    }
    let events = bench.events();
    assert_eq!(events.len(), 3);
    let (kind, data) = &events[0];
    assert_eq!(kind, "rate-limiting-advanced/rate-limit-exceeded");
    assert_eq!(data["ip"], "192.0.2.1");
    assert_eq!((data["rate"].as_u64(), data["limit"].as_u64(), data["window"].as_str()), (Some(2), Some(1), Some("minute")));
    assert_eq!((&data["consumer"], data.get("shadow")), (&serde_json::json!({}), None));
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
    let check =
        |options: &str, expected: &[&str]| check_problems(&format!("[plugins.rate-limiting-advanced]\n{options}"), expected);
    let with = |option: &str, expected: &[&str]| check(&format!("limit = [10]\nwindow_size = [60]\n{option}"), expected);
    with("", &[]);
    check("limit = [0]\nwindow_size = [60]", &["limit[0]"]);
    check("limit = [1]\nwindow_size = [0]", &["window_size[0]"]);
    check("limit = []\nwindow_size = []", &["limit"]);
    check("limit = [1]\nwindow_size = [1, 2]", &["same number of windows and limits"]);
    check("limit = [10001]\nwindow_size = [60]\nwindow_type = \"exact\"", &["limit[0]: with `exact` a limit is at most 10000"]);
    check("limit = [5, 9]\nwindow_size = [60, 60]", &["window_size[1]"]);
    check("limit = [-1, \"x\"]\nwindow_size = [1.5]", &["limit[0]", "limit[1]", "window_size[0]"]);
    with("burst = 2", &["burst"]);
    with("window_type = \"gcra\"\ndisable_penalty = false", &["disable_penalty: with `window_type = \"gcra\"`"]);
    with("window_type = \"fixed\"\ndisable_penalty = false", &[]);
    with("error_code = 99", &["error_code"]);
    with("window_type = \"leaky\"", &["window_type"]);
    with("identifier = \"header\"", &["required field missing: header_name"]);
    with("identifier = \"path\"", &["required field missing: path"]);
    with("identifier = \"path\"\npath = \"/a/../b\"", &["path"]);
    with("identifier = \"header\"\nheader_name = \"a b\"", &["header_name: `a b` is no header name"]);
    with("identifier = \"group\"", &["identifier: unknown value \"group\""]);
    with("header_name = \"X-Tenant\"", &["header_name: `header_name` has no effect: nothing is counted by header"]);
    with("path = \"/one\"", &["path: `path` has no effect: nothing is counted by path"]);
    with("identifier = \"ip\"\ncounter_key = \"consumer.username\"", &["counter_key: `counter_key` has no effect"]);
    with("counter_key = \"consumer.name\"", &["counter_key: unknown value"]);
    with("compound_identifier = []", &["compound_identifier: needs at least one"]);
    with("compound_identifier = [\"ip\", \"route\", \"ip\"]", &["compound_identifier[2]: \"ip\" stands in the list already"]);
    with("compound_identifier = [\"ip\", \"header\"]", &["required field missing: header_name"]);
    with("ipv6_prefix = 0", &["ipv6_prefix: must be between 1 and 128, not 0"]);
    with("ipv6_prefix = 129", &["ipv6_prefix: must be between 1 and 128, not 129"]);
    with("namespace = \"\"", &["namespace: must not be empty"]);
    with("strategy = \"local\"\nsync_rate = -1", &[]);
    with("strategy = \"local\"\nsync_rate = -1.0", &[]);
    with("strategy = \"redis\"", &["strategy: counting in Redis is not available yet"]);
    with("strategy = \"cluster\"", &["strategy: there is no database here"]);
    with("sync_rate = 0.5", &["sync_rate: sync_rate can only be used with the redis strategy"]);
    with("redis = { host = \"localhost\" }", &["redis: `redis` is an option of Kong that is not available yet"]);
    with(
        "dictionary_name = \"a\"",
        &["dictionary_name: `dictionary_name` is an option of Kong without a meaning here: counts are"],
    );
    with(
        "lock_dictionary_name = \"a\"",
        &["lock_dictionary_name: `lock_dictionary_name` is an option of Kong without a meaning"],
    );
    with("consumer_groups = []", &["consumer_groups: `consumer_groups` is an option of Kong that is not available yet"]);
    with("warn_at = 0", &["warn_at: must be above 0 and at most 1, not 0"]);
    with("warn_at = 80", &["warn_at: must be above 0 and at most 1, not 80; 0.8"]);
    with("exempt = { ips = [\"10.0.0.0/8\", \"10.0.0.0/33\"] }", &["exempt.ips[1]: `10.0.0.0/33` is neither an address"]);
    with("exempt = { consumers = [\"Ann\"] }", &["exempt.consumers[0]: there is no consumer \"Ann\""]);
    with("exempt = { ip = [\"10.0.0.0/8\"] }", &["exempt.ip: unknown key"]);
    with("cost = 0", &["cost: must be at least 1"]);
    with("cost = -1", &["cost: must be between 1 and"]);
    with("cost = 11", &["cost: a request of cost 11 never fits into a limit of 10"]);
    with("cost = \"X-Cost\"", &["cost: invalid type: a string, expected a whole number, or a table"]);
    with("cost = { header = \"X-Cost\" }", &["cost: required field missing: max"]);
    with("cost = { header = \"X Cost\", max = 5 }", &["cost.header: `X Cost` is no header name"]);
    with("cost = { header = \"X-Cost\", max = 11 }", &["cost.max: a request of cost 11 never fits"]);
    with("cost = { header = \"X-Cost\", max = 5, default = 6 }", &["cost.default: must not be above `max`, which is 5"]);
    with("cost = { header = \"X-Cost\", max = 5, default = 0 }", &["cost.default: must be at least 1"]);
    with("window_type = \"gcra\"\nburst = 5\ncost = 6", &["cost: a request of cost 6 never fits into a limit of 5"]);
    with(
        "standard_headers = true\nhide_client_headers = true",
        &["standard_headers: `hide_client_headers` hides what this shows"],
    );
    with("throttling = { interval = 0 }", &["throttling.interval: must be between 1 and 1000000, not 0"]);
    with("throttling = { retries = 1 }", &["throttling.retries: unknown key"]);
    with(
        "throttling = { enabled = true }\ndisable_penalty = false",
        &["disable_penalty: a request that is held would be counted"],
    );
    with("throttling = { enabled = true }\nshadow = true", &["throttling.enabled: nothing is held where nothing is refused"]);
}
