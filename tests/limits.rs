//! Limits: what is admitted, what is refused, and what the client is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;

use crate::harness::{Gateway, Server, YEAR, httpbin, run};

fn limited(upstream: &Server, options: &str) -> String {
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [services.demo.plugins.rate-limiting-advanced]\n{options}\n",
        upstream.url("/anything")
    )
}

/// An upstream that counts what reaches it.
fn counting() -> (Server, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let counted = count.clone();
    let router = Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "ok" }
    });
    (Server::start(router), count)
}

/// Runs wrk and returns how many requests it made, and how many of them were not 2xx or 3xx.
fn wrk(url: &str) -> (usize, usize) {
    let out = run("wrk", &["-t1", "-c64", "-d1s", url]);
    assert!(!out.contains("Socket errors"), "{out}");
    let number_after = |text: &str| out.split(text).nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    let requests = out.split(" requests in").next().and_then(|before| before.split_whitespace().last()?.parse().ok());
    (requests.unwrap(), number_after("Non-2xx or 3xx responses:").unwrap_or(0))
}

#[test]
fn the_fourth_request_of_three_is_refused_with_kongs_headers() {
    let upstream = httpbin();
    let gateway = Gateway::start(&limited(&upstream, "limit = [3]\nwindow_size = [60]\nwindow_type = \"gcra\""));
    for remaining in ["2", "1", "0"] {
        let answer = gateway.get("/demo", &[]);
        assert_eq!(answer.status, 200);
        for name in ["X-RateLimit-Limit-Minute", "RateLimit-Limit"] {
            assert_eq!(answer.header(name), Some("3"), "{name}");
        }
        for name in ["X-RateLimit-Remaining-Minute", "RateLimit-Remaining"] {
            assert_eq!(answer.header(name), Some(remaining), "{name}");
        }
        assert_eq!(answer.header("Retry-After"), None);
    }
    let refused = gateway.get("/demo", &[]);
    assert_eq!((refused.status, refused.body.as_str()), (429, r#"{"message":"API rate limit exceeded"}"#));
    assert!(refused.head.contains("\r\nX-RateLimit-Remaining-Minute: 0\r\n"), "names have Kong's case: {}", refused.head);
    assert_eq!(refused.header("Content-Type"), Some("application/json; charset=utf-8"));
    assert_eq!(refused.header("Content-Length"), Some("37"));
    assert_eq!(refused.header("Retry-After"), refused.header("RateLimit-Reset"));
    let wait: u64 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[test]
fn wrk_sees_the_limit_trip_at_exactly_the_limit() {
    for window_type in ["sliding", "fixed", "exact"] {
        let (upstream, reached) = counting();
        let options = format!("limit = [100]\nwindow_size = [{YEAR}]\nwindow_type = \"{window_type}\"\nidentifier = \"ip\"");
        let gateway = Gateway::start(&limited(&upstream, &options));
        let (requests, refused) = wrk(&format!("http://{}/demo", gateway.proxy));
        assert!(requests > 200, "{requests}");
        // wrk ends in the middle of things: what it did not hear of any more may have reached the upstream as well.
        assert_eq!(reached.load(Ordering::SeqCst), 100, "{window_type}");
        assert_eq!(requests - refused, 100, "{window_type}");
    }
}

#[test]
fn a_request_that_a_longer_window_refuses_does_not_spend_the_shorter() {
    let upstream = httpbin();
    let options = format!("limit = [9, 2]\nwindow_size = [2592000, {YEAR}]\nwindow_type = \"fixed\"");
    let gateway = Gateway::start(&limited(&upstream, &options));
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    assert_eq!(gateway.get("/demo", &[]).header("X-RateLimit-Remaining-Month"), Some("7"));
    let refused = gateway.get("/demo", &[]);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("X-RateLimit-Remaining-Month"), Some("7"));
    assert_eq!(refused.header("X-RateLimit-Remaining-Year"), Some("0"));
    assert_eq!(refused.header("RateLimit-Limit"), Some("2"));
}

#[test]
fn clients_are_told_apart_by_the_identifier() {
    let upstream = httpbin();
    let fixed = format!("limit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n");
    let gateway = Gateway::start(&limited(&upstream, &format!("{fixed}identifier = \"header\"\nheader_name = \"X-Tenant\"")));
    assert_eq!(gateway.get("/demo", &[("X-Tenant", "a")]).status, 200);
    assert_eq!(gateway.get("/demo", &[("X-Tenant", "b")]).status, 200);
    assert_eq!(gateway.get("/demo", &[("X-Tenant", "a")]).status, 429);
    // Without the header the address counts: it is never "unlimited", and a forged address makes no new client.
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    assert_eq!(gateway.get("/demo", &[("X-Forwarded-For", "9.9.9.9")]).status, 429);
    let gateway = Gateway::start(&limited(&upstream, &format!("{fixed}identifier = \"path\"\npath = \"/demo/one\"")));
    assert_eq!(gateway.get("/demo/one", &[]).status, 200);
    assert_eq!(gateway.get("/demo/%6fne", &[]).status, 429);
    assert_eq!(gateway.get("/demo/two", &[]).status, 200);
}

#[test]
fn the_most_specific_plugin_of_a_name_applies() {
    let upstream = httpbin();
    let limit = |scope: &str, limit: u32| {
        format!("[{scope}plugins.rate-limiting-advanced]\nlimit = [{limit}]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n")
    };
    let config = format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n[routes.own]\nservice = \"demo\"\npaths = [\"/own\"]\n\
         [routes.free]\npaths = [\"/free\"]\n[consumers.Joe]\nkey-auth = [{{ key = \"joe\" }}]\n[consumers.Ann]\nkey-auth = [{{ key = \"ann\" }}]\n[services.demo.plugins.key-auth]\n{}{}{}{}",
        upstream.url("/anything"),
        limit("", 50),
        limit("services.demo.", 40),
        limit("routes.own.", 30),
        limit("consumers.Joe.", 20),
    );
    let gateway = Gateway::start(&config);
    let limit_of = |path, key| gateway.get(path, &[("apikey", key)]).header("RateLimit-Limit").map(str::to_owned);
    assert_eq!(limit_of("/free", "ann").as_deref(), Some("50"));
    assert_eq!(limit_of("/demo", "ann").as_deref(), Some("40"));
    assert_eq!(limit_of("/own", "ann").as_deref(), Some("30"));
    assert_eq!(limit_of("/own", "joe").as_deref(), Some("20"));
    assert_eq!(limit_of("/demo", "joe").as_deref(), Some("20"));
}

#[test]
fn a_refusal_can_have_other_words_and_no_headers() {
    let upstream = httpbin();
    let options = format!(
        "limit = [1]\nwindow_size = [{YEAR}]\nerror_code = 503\nerror_message = \"say \\\"please\\\"\"\nhide_client_headers = true"
    );
    let gateway = Gateway::start(&limited(&upstream, &options));
    assert_eq!(gateway.get("/demo", &[]).header("RateLimit-Limit"), None);
    let refused = gateway.get("/demo", &[]);
    assert_eq!((refused.status, refused.json()["message"].as_str()), (503, Some("say \"please\"")));
    assert_eq!((refused.header("Retry-After"), refused.header("RateLimit-Reset")), (None, None));
}
