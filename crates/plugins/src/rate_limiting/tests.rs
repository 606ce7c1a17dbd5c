//! What the plugin decides, on a clock that the tests move.

use std::time::Duration;

use http::StatusCode;

use crate::Body;
use crate::testing::{Bench, check_problems};

fn bench(options: &str) -> Bench {
    Bench::new(&format!("[plugins.rate-limiting]\n{options}"))
}

/// Sets the clock to this many days and seconds after 1970 began.
fn at(bench: &Bench, day: u64, second: u64) {
    bench.clock.set(Duration::from_secs(day * 86_400 + second));
}

/// The first days of two months of 2024.
const FEBRUARY: u64 = 19_754;
const MARCH: u64 = FEBRUARY + 29;

#[test]
fn periods_begin_with_the_clock_and_the_calendar() {
    let check = |period: &str, last: (u64, u64), next: (u64, u64)| {
        let mut bench = bench(&format!("{period} = 1"));
        let mut at = |(day, second): (u64, u64), admitted: bool| {
            at(&bench, day, second);
            assert_eq!(bench.ask("/", &[], "192.0.2.1").is_none(), admitted, "{period} on day {day}, second {second}");
        };
        at((FEBRUARY, 0), true);
        at(last, false);
        at(next, true);
        at(next, false);
    };
    check("second", (FEBRUARY, 0), (FEBRUARY, 1));
    check("minute", (FEBRUARY, 59), (FEBRUARY, 60));
    check("hour", (FEBRUARY, 3_599), (FEBRUARY, 3_600));
    check("day", (FEBRUARY, 86_399), (FEBRUARY + 1, 0));
    check("month", (MARCH - 1, 86_399), (MARCH, 0));
    check("year", (FEBRUARY + 334, 86_399), (FEBRUARY + 335, 0));
}

#[test]
fn headers_tell_of_every_period_and_of_the_tightest() {
    let check = |options: &str, requests: usize, expected: &[(&str, Option<&str>)]| {
        let mut bench = bench(options);
        at(&bench, FEBRUARY, 10);
        (0..requests).for_each(|_| drop(bench.ask("/", &[], "192.0.2.1")));
        for (name, value) in expected {
            assert_eq!(bench.left(name), *value, "{options}: {name}");
        }
    };
    let two = "minute = 3\nmonth = 5";
    let limits =
        [("X-RateLimit-Limit-Minute", Some("3")), ("X-RateLimit-Limit-Month", Some("5")), ("X-RateLimit-Limit-Hour", None)];
    check(two, 1, &limits);
    check(two, 1, &[("X-RateLimit-Remaining-Minute", Some("2")), ("X-RateLimit-Remaining-Month", Some("4"))]);
    check(two, 1, &[("RateLimit-Limit", Some("3")), ("RateLimit-Remaining", Some("2")), ("RateLimit-Reset", Some("50"))]);
    check(two, 4, &[("X-RateLimit-Remaining-Minute", Some("0")), ("X-RateLimit-Remaining-Month", Some("2"))]);
    check(two, 4, &[("RateLimit-Limit", Some("3")), ("RateLimit-Remaining", Some("0")), ("RateLimit-Reset", Some("50"))]);
    // Of two that leave the same it is the longer.
    check("minute = 3\nhour = 3", 1, &[("RateLimit-Limit", Some("3")), ("RateLimit-Reset", Some("3590"))]);
    check("minute = 3\nhide_client_headers = true", 1, &[("X-RateLimit-Limit-Minute", None), ("RateLimit-Limit", None)]);
}

#[test]
fn a_refusal_is_kongs_error_with_retry_after() {
    let check = |options: &str, status: u16, message: &str, retry_after: Option<&str>| {
        let mut bench = bench(&format!("year = 1\n{options}"));
        at(&bench, FEBRUARY, 0);
        assert!(bench.ask("/", &[], "192.0.2.1").is_none());
        let refused = bench.ask("/", &[], "192.0.2.1").expect("a refusal");
        assert_eq!(refused.status, StatusCode::from_u16(status).expect("a status"));
        assert!(matches!(&refused.body, Body::Message(told) if told == message), "{options}");
        let told = refused.headers.iter().find(|(name, _)| name == "Retry-After").map(|(_, value)| value.to_str().expect("text"));
        assert_eq!(told, retry_after, "{options}");
    };
    let year = (335 * 86_400).to_string();
    check("", 429, "API rate limit exceeded", Some(&year));
    check("error_code = 503\nerror_message = \"later\"", 503, "later", Some(&year));
    check("hide_client_headers = true", 429, "API rate limit exceeded", None);
}

#[test]
fn its_events_are_its_own() {
    let mut bench = bench("minute = 2\nwarn_at = 1.0\nshadow = true\nexempt = { ips = [\"192.0.2.9\"] }");
    for ip in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.9", "192.0.2.9", "192.0.2.9"] {
        assert!(bench.ask("/", &[], ip).is_none());
    }
    let events = bench.events();
    let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["rate-limiting/rate-limit-warning", "rate-limiting/rate-limit-exceeded"]);
    assert_eq!((&events[1].1["window"], &events[1].1["limit"]), (&"minute".into(), &2.into()));
}

#[test]
fn a_client_is_who_limit_by_says() {
    let check = |options: &str, headers: &[(&str, &str)], target: &str, together: bool| {
        let mut bench = bench(&format!("hour = 1\n{options}"));
        assert!(bench.ask(target, headers, "192.0.2.1").is_none());
        assert_eq!(bench.ask(target, headers, "192.0.2.2").is_some(), together, "{options}");
    };
    check("", &[], "/", false);
    check("limit_by = \"ip\"", &[], "/", false);
    check("limit_by = \"credential\"", &[], "/", false);
    check("limit_by = \"service\"", &[], "/", true);
    check("limit_by = \"header\"\nheader_name = \"X-A\"", &[("X-A", "1")], "/", true);
    check("limit_by = \"header\"\nheader_name = \"X-A\"", &[], "/", false);
    check("limit_by = \"path\"\npath = \"/one\"", &[], "/one", true);
    check("limit_by = \"path\"\npath = \"/one\"", &[], "/one/two", false);
}

#[test]
fn options_that_make_no_sense_are_refused_in_kongs_words() {
    let check = |options: &str, expected: &[&str]| check_problems(&format!("[plugins.rate-limiting]\n{options}"), expected);
    check("minute = 1", &[]);
    check("minute = 1\npolicy = \"local\"\nfault_tolerant = false\nsync_rate = -1", &[]);
    check(
        "",
        &["at least one of these fields must be non-empty: 'config.second', 'config.minute', 'config.hour', 'config.day', \
           'config.month', 'config.year'"],
    );
    check("second = 20\nhour = 10", &["hour: The limit for hour(10.0) cannot be lower than the limit for second(20.0)"]);
    check("minute = 0", &["minute: a limit is between 1 and"]);
    check("minute = -1", &["minute: invalid value"]);
    check("month = 0", &["month: a limit is between 1 and"]);
    check("minute = 1\nlimit_by = \"header\"", &["required field missing: header_name"]);
    check("minute = 1\nlimit_by = \"path\"", &["required field missing: path"]);
    check("minute = 1\nheader_name = \"X-A\"", &["header_name: `header_name` has no effect"]);
    check("minute = 1\nlimit_by = \"group\"", &["limit_by: unknown value"]);
    check("minute = 1\npolicy = \"redis\"", &["policy: counting in Redis is not available yet"]);
    check("minute = 1\npolicy = \"cluster\"", &["policy: there is no database here"]);
    check("minute = 1\nsync_rate = 1", &["sync_rate: sync_rate can only be used with the redis policy"]);
    check("minute = 1\nredis = { host = \"a\" }", &["redis: `redis` is an option of Kong that is not available yet"]);
    check("minute = 1\nredis_host = \"a\"", &["redis_host: `redis_host` is an option of Kong that is not available yet"]);
    check("minute = 1\nerror_code = 200", &["error_code"]);
    check("minutes = 1", &["minutes: unknown key", "at least one of these fields must be non-empty"]);
}
