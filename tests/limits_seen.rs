//! Limits that people look at: their events, once each, and `/limits`.

use serde_json::{Value, json};

use crate::harness::{Behaviour, Gateway, Received, Receiver, Server, YEAR, eventually, httpbin};

fn config(upstream: &Server, plugin: &str, options: &str, receiver: &Receiver) -> String {
    let hook = |event: &str| {
        format!(
            "[event_hooks.{event}]\nsource = \"{plugin}\"\nevent = \"{event}\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
            receiver.url()
        )
    };
    let hooks = ["rate-limit-exceeded", "rate-limit-warning", "rate-limit-recovered"].map(hook).concat();
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n[plugins.{plugin}]\n{options}\n{hooks}",
        upstream.url("/anything")
    )
}

fn count_of(received: &[Received], event: &str) -> u64 {
    received.iter().filter(|one| one.json()["event"] == event).map(Received::count).sum()
}

#[test]
fn both_limits_warn_once_and_tell_of_every_refusal_and_of_the_end() {
    let cases = [
        (
            "rate-limiting-advanced",
            format!("limit = [4]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\nwarn_at = 0.5"),
            "year",
        ),
        ("rate-limiting", "year = 4\nlimit_by = \"ip\"\nwarn_at = 0.5".to_owned(), "year"),
    ];
    for (plugin, options, window) in cases {
        let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
        let gateway = Gateway::start(&config(&upstream, plugin, &options, &receiver));
        let statuses: Vec<u16> = (0..7).map(|_| gateway.get("/demo", &[]).status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 429, 429, 429], "{plugin}");
        let enough = |all: &[Received]| count_of(all, "rate-limit-exceeded") == 3 && count_of(all, "rate-limit-warning") == 1;
        let received = receiver.wait_until("three refusals and one warning", enough);
        let warning = received.iter().map(Received::json).find(|body| body["event"] == "rate-limit-warning").unwrap();
        let told = [&warning["source"], &warning["rate"], &warning["limit"], &warning["window"], &warning["ip"]];
        assert_eq!(told.map(Value::clone), [json!(plugin), json!(2), json!(4), json!(window), json!("127.0.0.1")]);
        // With more room the client is admitted again: once.
        gateway.edit_by_rename(|text| text.replace("limit = [4]", "limit = [9]").replace("year = 4", "year = 9"));
        eventually("the client is admitted again", || (gateway.get("/demo", &[]).status == 200).then_some(()));
        gateway.get("/demo", &[]);
        let received = receiver.wait_until("the end of it", |all| count_of(all, "rate-limit-recovered") > 0);
        assert_eq!(count_of(&received, "rate-limit-recovered"), 1, "{plugin}");
    }
}

#[test]
fn who_is_limited_is_shown_and_can_start_afresh() {
    let upstream = httpbin();
    let limit = format!(
        "[consumers.Joe]\nkey-auth = [{{ key = \"joe\" }}]\n[consumers.Ann]\nkey-auth = [{{ key = \"ann\" }}]\n[services.demo.plugins.key-auth]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [2, 100]\nwindow_size = [2592000, {YEAR}]\nwindow_type = \"fixed\"\nwarn_at = 0.5"
    );
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n{limit}\n",
        upstream.url("/anything")
    ));
    let ask = |key: &str| gateway.get("/demo", &[("apikey", key)]).status;
    assert_eq!([ask("joe"), ask("joe"), ask("joe"), ask("ann")], [200, 200, 429, 200]);
    let name = "services.demo.plugins.rate-limiting-advanced";
    let all = gateway.admin("GET", "/limits", "").json();
    assert_eq!((&all["keys"], &all["max_keys"]), (&json!(4), &json!(1_000_000)));
    let shown = &all["data"][0];
    assert_eq!((&shown["limiter"], &shown["plugin"]), (&json!(name), &json!("rate-limiting-advanced")));
    assert_eq!((&shown["limited"], &shown["windows"][1]["window"]), (&json!(1), &json!("year")));
    assert_eq!(
        shown["clients"].as_array().unwrap().iter().map(|client| client["name"].clone()).collect::<Vec<_>>(),
        ["consumer Joe", "consumer Ann"]
    );
    let page = gateway.admin("GET", &format!("/limits/{name}?size=1"), "").json();
    assert_eq!(page["clients"].as_array().unwrap().len(), 1);
    let next = gateway.admin("GET", page["next"].as_str().unwrap(), "").json();
    assert_eq!((&next["clients"][0]["name"], &next["next"]), (&json!("consumer Ann"), &Value::Null));
    let joe = gateway.admin("GET", &format!("/limits/{name}/consumer%20Joe"), "").json();
    assert_eq!((&joe["limited"], &joe["refused"], &joe["usage"][0]["used"]), (&json!(true), &json!(1), &json!(2)));
    assert_eq!(gateway.admin("DELETE", &format!("/limits/{name}/{}", joe["id"].as_str().unwrap()), "").status, 204);
    assert_eq!([ask("joe"), ask("joe"), ask("joe")], [200, 200, 429]);
    assert_eq!(gateway.admin("DELETE", &format!("/limits/{name}"), "").status, 204);
    assert_eq!(gateway.admin("GET", &format!("/limits/{name}/consumer%20Joe"), "").status, 404);
    assert_eq!([ask("joe"), ask("ann"), ask("ann"), ask("ann")], [200, 200, 200, 429]);
}

#[test]
fn a_changed_limit_applies_to_what_was_counted_and_a_change_elsewhere_to_nothing() {
    let upstream = httpbin();
    for window_type in ["sliding", "fixed", "exact", "gcra"] {
        let gateway = Gateway::start(&format!(
            "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
             [services.demo.plugins.rate-limiting-advanced]\nlimit = [5]\nwindow_size = [{YEAR}]\nwindow_type = \"{window_type}\"\n",
            upstream.url("/anything")
        ));
        let left = |gateway: &Gateway| {
            let answer = gateway.get("/demo", &[]);
            (answer.status, answer.header("X-RateLimit-Remaining-Year").map(str::to_owned).unwrap())
        };
        assert_eq!((left(&gateway), left(&gateway)), ((200, "4".into()), (200, "3".into())), "{window_type}");
        let version = gateway.version();
        gateway.edit_by_rename(|text| format!("{text}[routes.more]\nservice = \"demo\"\npaths = [\"/more\"]\n"));
        eventually("another route", || (gateway.version() > version).then_some(()));
        assert_eq!(left(&gateway), (200, "2".into()), "{window_type}");
        gateway.edit_by_rename(|text| text.replace("limit = [5]", "limit = [10]"));
        eventually("a larger limit", || (gateway.version() > version + 1).then_some(()));
        assert_eq!(left(&gateway), (200, "6".into()), "{window_type}: three of ten are spent");
        gateway.edit_by_rename(|text| text.replace("limit = [10]", "limit = [3]"));
        eventually("a smaller limit", || (gateway.version() > version + 2).then_some(()));
        assert_eq!(left(&gateway).0, 429, "{window_type}: more than three are spent");
    }
}
