//! What Sluice's limits have beyond Kong's, and Kong's other limit.

use crate::harness::{Gateway, Server, YEAR, httpbin};

fn start(upstream: &Server, plugins: &str) -> Gateway {
    Gateway::start(&format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n[routes.other]\nservice = \"demo\"\npaths = [\"/other\"]\n\
         [consumers.Joe]\nkey-auth = [{{ key = \"joe\" }}, {{ key = \"joe-2\" }}]\n{plugins}",
        upstream.url("/anything")
    ))
}

/// One request a year, and these options.
fn once(scope: &str, options: &str) -> String {
    format!("[{scope}plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n{options}\n")
}

#[test]
fn a_shadow_counts_and_refuses_nobody() {
    let upstream = httpbin();
    let gateway = start(&upstream, &once("", "shadow = true\nidentifier = \"ip\""));
    let answers: Vec<_> = (0..3).map(|_| gateway.get("/demo", &[])).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(answers[2].header("X-RateLimit-Remaining-Year"), Some("0"));
    assert_eq!(gateway.admin("GET", "/limits", "").json()["data"][0]["limited"], 1);
}

#[test]
fn who_is_exempt_is_not_counted() {
    let upstream = httpbin();
    let auth = "[plugins.key-auth]\n";
    let gateway = start(&upstream, &format!("{auth}{}", once("", "exempt = { consumers = [\"Joe\"] }")));
    for _ in 0..3 {
        let answer = gateway.get("/demo", &[("apikey", "joe")]);
        assert_eq!((answer.status, answer.header("RateLimit-Limit")), (200, None));
    }
    let gateway = start(&upstream, &once("", "exempt = { ips = [\"127.0.0.0/8\"] }"));
    assert!((0..3).all(|_| gateway.get("/demo", &[]).status == 200));
}

#[test]
fn a_request_costs_what_its_header_says_up_to_the_most() {
    let upstream = httpbin();
    let gateway = start(
        &upstream,
        &once("", "identifier = \"ip\"\ncost = { header = \"X-Cost\", default = 1, max = 20 }")
            .replace("limit = [1]", "limit = [30]"),
    );
    let left = |cost: &str| gateway.get("/demo", &[("X-Cost", cost)]).header("X-RateLimit-Remaining-Year").unwrap().to_owned();
    assert_eq!([left("5"), left("0"), left("-7"), left("1000")], ["25", "24", "23", "3"]);
}

#[test]
fn headers_can_be_those_of_the_draft() {
    let upstream = httpbin();
    let gateway = start(&upstream, &once("", "standard_headers = true"));
    let admitted = gateway.get("/demo", &[]);
    assert_eq!(admitted.header("RateLimit-Policy"), Some(format!("\"year\";q=1;w={YEAR}").as_str()));
    assert!(admitted.header("RateLimit").unwrap().starts_with("\"year\";r=0;t="), "{}", admitted.head);
    let refused = gateway.get("/demo", &[]);
    assert_eq!((refused.status, refused.header("Content-Type")), (429, Some("application/problem+json")));
    assert_eq!(refused.json()["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(refused.json()["violated-policies"], serde_json::json!(["year"]));
    assert!(refused.header("Retry-After").is_some() && refused.header("RateLimit-Limit").is_none());
}

#[test]
fn a_namespace_counts_together_and_identifiers_can_be_several() {
    let upstream = httpbin();
    let shared = |scope: &str| once(scope, "namespace = \"both\"\nidentifier = \"ip\"");
    let gateway = start(&upstream, &format!("{}{}", shared("routes.demo."), shared("routes.other.")));
    assert_eq!([gateway.get("/demo", &[]).status, gateway.get("/other", &[]).status], [200, 429]);
    let compound = format!("[plugins.key-auth]\n{}", once("", "compound_identifier = [\"credential\", \"route\"]"));
    let gateway = start(&upstream, &compound);
    let ask = |path: &str, key: &str| gateway.get(path, &[("apikey", key)]).status;
    assert_eq!([ask("/demo", "joe"), ask("/demo", "joe-2"), ask("/other", "joe")], [200, 200, 200]);
    assert_eq!([ask("/demo", "joe"), ask("/demo", "joe-2"), ask("/other", "joe")], [429, 429, 429]);
}

#[test]
fn kongs_other_limit_has_its_own_words() {
    let upstream = httpbin();
    let gateway = start(&upstream, "[services.demo.plugins.rate-limiting]\nyear = 2\nmonth = 2\nlimit_by = \"ip\"\n");
    let first = gateway.get("/demo", &[]);
    assert_eq!(
        (first.status, first.header("X-RateLimit-Limit-Year"), first.header("X-RateLimit-Remaining-Month")),
        (200, Some("2"), Some("1"))
    );
    assert_eq!((first.header("RateLimit-Limit"), first.header("RateLimit-Remaining")), (Some("2"), Some("1")));
    gateway.get("/demo", &[]);
    let refused = gateway.get("/demo", &[]);
    assert_eq!((refused.status, refused.json()["message"].as_str()), (429, Some("API rate limit exceeded")));
    assert_eq!(refused.json()["request_id"], refused.header("X-Request-Id").unwrap());
    assert!(refused.header("Retry-After").unwrap().parse::<u64>().unwrap() > 0);
}

#[test]
fn two_limits_of_one_priority_count_once_each_whoever_has_his_own() {
    let upstream = httpbin();
    let plugins = format!(
        "[plugins.key-auth]\n[plugins.rate-limiting]\nyear = 50\n{}{}",
        once("", "").replace("limit = [1]", "limit = [40]").replace(&YEAR.to_string(), "2592000"),
        once("consumers.Joe.", "").replace("limit = [1]", "limit = [30]").replace(&YEAR.to_string(), "2592000"),
    );
    let gateway = start(&upstream, &plugins);
    for n in 1..4 {
        let answer = gateway.get("/demo", &[("apikey", "joe")]);
        let left = |name| answer.header(name).map(str::to_owned);
        assert_eq!(left("X-RateLimit-Remaining-Year"), Some((50 - n).to_string()));
        assert_eq!(left("X-RateLimit-Remaining-Month"), Some((30 - n).to_string()));
    }
}
