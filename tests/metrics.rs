//! `/metrics`: what it says is what happened, as a parser reads it that is not ours.

use std::collections::HashMap;

use prometheus_parse::{Scrape, Value};

use crate::harness::{Behaviour, Gateway, Receiver, eventually, httpbin};

/// A header that goes no further, and that makes Pingora read the request.
const LONG_WAY: (&str, &str) = ("Keep-Alive", "timeout=5");

struct Metrics(Scrape, String);

impl Metrics {
    fn of(gateway: &Gateway) -> Self {
        let answer = gateway.admin("GET", "/metrics", "");
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
        let lines = answer.body.lines().map(|line| Ok(line.to_owned()));
        Self(Scrape::parse(lines).unwrap(), answer.body)
    }

    /// The numbers of this name with all these labels, by the value of another label.
    fn by(&self, name: &str, label: &str, labels: &[(&str, &str)]) -> HashMap<String, f64> {
        let samples = self.0.samples.iter().filter(|sample| sample.metric == name);
        let samples = samples.filter(|sample| labels.iter().all(|(key, value)| sample.labels.get(key) == Some(value)));
        samples
            .map(|sample| {
                let number = match &sample.value {
                    Value::Counter(number) | Value::Gauge(number) | Value::Untyped(number) => *number,
                    Value::Histogram(counts) => counts.last().unwrap().count,
                    Value::Summary(_) => unreachable!("there are none"),
                };
                (sample.labels.get(label).unwrap_or_default().to_owned(), number)
            })
            .collect()
    }

    /// The only number of this name with all these labels; 0 if there is none.
    #[track_caller]
    fn one(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let all = self.by(name, "", labels);
        assert!(all.len() < 2, "{name} {labels:?}: {all:?}");
        all.into_values().next().unwrap_or(0.0)
    }
}

fn expected(counts: &[(&str, u32)]) -> HashMap<String, f64> {
    counts.iter().map(|(code, count)| ((*code).to_owned(), f64::from(*count))).collect()
}

fn config(upstream: &str) -> String {
    format!(
        "[services.up]\nurl = \"{upstream}\"\n[routes.up]\nservice = \"up\"\npaths = [\"/up\"]\n[routes.limited]\nservice = \"up\"\npaths = [\"/limited\"]\n\
         [routes.limited.plugins.rate-limiting-advanced]\nlimit = [2]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\n"
    )
}

#[test]
fn requests_are_counted_by_route_and_status_on_both_ways() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream.url("")));
    let mut bytes = 0;
    for way in [&[][..], &[LONG_WAY]] {
        for path in [
            "/up/anything",
            "/up/status/404",
            "/up/status/404",
            "/up/status/418",
            "/limited/anything",
            "/limited/anything",
            "/nowhere",
        ] {
            let answer = gateway.get(path, way);
            bytes += if path.starts_with("/up") { answer.body.len() } else { 0 };
        }
    }
    let metrics = Metrics::of(&gateway);
    let codes = |labels: &[(&str, &str)]| metrics.by("sluice_http_requests_total", "code", labels);
    let (up, limited) = ([("service", "up"), ("route", "up")], [("service", "up"), ("route", "limited")]);
    assert_eq!(codes(&up), expected(&[("200", 2), ("404", 4), ("4xx", 2)]));
    assert_eq!(codes(&limited), expected(&[("200", 2), ("429", 2)]));
    assert_eq!(codes(&[("route", "")]), expected(&[("404", 2)]));
    assert_eq!(metrics.by("sluice_http_refused_total", "plugin", &limited), expected(&[("rate-limiting-advanced", 2)]));
    assert_eq!(metrics.one("sluice_http_request_duration_seconds", &up), 8.0);
    assert_eq!(metrics.one("sluice_upstream_latency_seconds", &up), 8.0);
    assert_eq!(metrics.one("sluice_upstream_latency_seconds", &limited), 2.0, "what is refused asks no upstream");
    assert_eq!(metrics.one("sluice_http_body_bytes_total", &[up[1], ("direction", "out")]), bytes as f64);
    assert_eq!(metrics.one("sluice_http_requests_active", &up), 0.0);
    assert_eq!(metrics.one("sluice_requests_total", &[]), 14.0);
    assert_eq!(metrics.one("sluice_limit_clients_limited", &[]), 1.0);
    assert_eq!(metrics.by("sluice_limit_keys", "window", &[("plugin", "rate-limiting-advanced")]), expected(&[("year", 1)]));
    assert!(metrics.one("sluice_connections_accepted_total", &[("tls", "false")]) >= 14.0);
    for name in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "sluice_limits_keys_max",
    ] {
        assert!(metrics.one(name, &[]) > 0.0, "{name}");
    }
    assert!(metrics.0.docs.contains_key("sluice_http_requests_total"));
}

#[test]
fn what_is_under_way_is_seen_and_clients_that_go_are_499() {
    let (upstream, came, gate) = crate::harness::gated();
    let gateway = Gateway::start(&config(&upstream.url("")));
    let proxy = gateway.proxy;
    let asked = std::thread::spawn(move || crate::harness::get(proxy, "/up", &[]).status);
    came.recv_timeout(crate::harness::DEADLINE).unwrap();
    let up = [("route", "up")];
    assert_eq!(Metrics::of(&gateway).one("sluice_http_requests_active", &up), 1.0);
    gate.add_permits(1);
    assert_eq!(asked.join().unwrap(), 200);
    let client = std::net::TcpStream::connect(proxy).unwrap();
    std::io::Write::write_all(&mut &client, b"GET /up HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    came.recv_timeout(crate::harness::DEADLINE).unwrap();
    drop(client);
    eventually("nothing is under way", || (Metrics::of(&gateway).one("sluice_http_requests_active", &up) == 0.0).then_some(()));
    assert_eq!(Metrics::of(&gateway).by("sluice_http_requests_total", "code", &up), expected(&[("200", 1), ("499", 1)]));
}

#[test]
fn counts_go_on_over_a_reload_and_routes_that_are_gone_are_gone() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream.url("/anything")));
    gateway.get("/up", &[]);
    gateway.get("/limited", &[]);
    let edit = |from: &str, to: &str| gateway.edit_by_rename(|text| text.replace(from, to));
    edit("paths = [\"/up\"]", "paths = [\"/up\", \"/too\"]");
    eventually("the edit is in force", || (gateway.version() == 2).then_some(()));
    gateway.get("/too", &[]);
    let metrics = Metrics::of(&gateway);
    assert_eq!(metrics.by("sluice_http_requests_total", "route", &[("code", "200")]), expected(&[("up", 2), ("limited", 1)]));
    edit("[routes.limited", "[routes.renamed");
    eventually("the edit is in force", || (gateway.version() == 3).then_some(()));
    edit("[routes.up]", "[routes.up");
    gateway.wait_for_log("configuration refused");
    let metrics = Metrics::of(&gateway);
    assert_eq!(metrics.by("sluice_http_requests_total", "route", &[("code", "200")]), expected(&[("up", 2)]));
    assert_eq!(metrics.by("sluice_config_changes_total", "result", &[]), expected(&[("applied", 2), ("refused", 1)]));
    assert_eq!((metrics.one("sluice_config_version", &[]), metrics.one("sluice_config_problems", &[])), (3.0, 1.0));
}

#[test]
fn sums_of_a_hook_add_up_and_are_those_of_its_status() {
    let upstream = httpbin();
    let (good, bad) = (Receiver::start(Behaviour::Status(200)), Receiver::start(Behaviour::Status(500)));
    let hook = |name: &str, receiver: &Receiver, more: &str| {
        format!(
            "[event_hooks.{name}]\nsource = \"rate-limiting-advanced\"\nevent = \"rate-limit-exceeded\"\nhandler = \"webhook\"\n{more}\nconfig.url = \"{}\"\n",
            receiver.url()
        )
    };
    let hooks = [
        hook("good", &good, ""),
        hook("dead", &bad, "retry = { schedule = [] }"),
        hook("quiet", &good, "snooze = 3600"),
        hook("later", &bad, "retry = { schedule = [\"1h\"] }"),
        hook("picky", &good, "filter = { \"route.name\" = \"nobody\" }"),
    ];
    let gateway = Gateway::start(&(config(&upstream.url("/anything")) + &hooks.concat()));
    let refused = (0..12).filter(|_| gateway.get("/limited", &[]).status == 429).count();
    assert_eq!(refused, 10);
    let metrics = eventually("every event has come to where it stays", || {
        let metrics = Metrics::of(&gateway);
        let is = |hook: &str, outcome: &str| metrics.one("sluice_hook_events_total", &[("hook", hook), ("outcome", outcome)]);
        let done = is("good", "delivered")
            + is("dead", "failed")
            + is("quiet", "swallowed")
            + is("quiet", "delivered")
            + is("picky", "filtered");
        (done == 40.0 && metrics.one("sluice_hook_events_waiting", &[("hook", "later")]) == 10.0).then_some(metrics)
    });
    assert_eq!(metrics.one("sluice_events_total", &[]), 10.0);
    for name in ["good", "dead", "quiet", "later", "picky"] {
        let outcomes = metrics.by("sluice_hook_events_total", "outcome", &[("hook", name)]);
        let waiting = metrics.one("sluice_hook_events_waiting", &[("hook", name)]);
        let matched = metrics.one("sluice_hook_events_matched_total", &[("hook", name)]);
        assert_eq!((outcomes.values().sum::<f64>() + waiting, matched), (10.0, 10.0), "{name}: {outcomes:?}");
        let status = gateway.admin("GET", &format!("/event-hooks/{name}/status"), "").json();
        for (outcome, count) in outcomes.into_iter().chain([("waiting".into(), waiting), ("matched".into(), matched)]) {
            assert_eq!(status[&outcome].as_f64(), Some(count), "{name} {outcome}: {status}");
        }
    }
    assert_eq!(metrics.by("sluice_hook_state", "hook", &[("state", "active")]).len(), 5);
    assert_eq!(metrics.one("sluice_outbox_ok", &[]), 1.0);
}

#[test]
fn a_thousand_busy_routes_stay_within_bounds() {
    let routes: String = (0..1000).map(|n| format!("[routes.r{n}]\nservice = \"up\"\npaths = [\"/r{n}/\"]\n")).collect();
    let upstream = httpbin();
    let gateway = Gateway::start(&(config(&upstream.url("/status")) + &routes));
    let idle = Metrics::of(&gateway);
    assert!(idle.1.len() < 16 * 1024, "what nobody asked for takes no room: {}", idle.1.len());
    let asks: String = (0..1000).map(|n| format!("GET /r{n}/204 HTTP/1.1\r\nHost: h\r\n\r\n")).collect();
    let last = "GET /up/204 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answers = crate::harness::raw(gateway.proxy, (asks + last).as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 204 ").count(), 1001);
    gateway.get("/nowhere", &[]);
    let busy = Metrics::of(&gateway);
    assert_eq!(busy.by("sluice_http_requests_total", "route", &[("code", "204")]).len(), 1001);
    assert!(busy.1.len() < 4 * 1024 * 1024, "{}", busy.1.len());
    // Whatever clients send, nothing new is shown.
    for n in 0..50 {
        gateway.get(&format!("/nowhere/{n}?x={n}"), &[("Host", &format!("h{n}.example"))]);
    }
    let after = Metrics::of(&gateway);
    assert_eq!(after.0.samples.len(), busy.0.samples.len());
}
