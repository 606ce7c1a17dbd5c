//! What is refused when hooks are built, and how the Admin API shows those that are not.

use serde_json::json;
use sluice_hooks::{HANDLERS, build, entity_json};

use crate::support::{entries, hook};

/// The problems of this file, as (path, words of the message, words of the help).
fn check(text: &str, expected: &[(&str, &str, &str)]) {
    let (_, problems) = build(&entries(text), &Default::default());
    let found: Vec<(String, &str, &str)> =
        problems.iter().map(|p| (p.path.to_string(), p.message.as_str(), p.help.as_deref().unwrap_or_default())).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((path, message, help), (expected_path, expected_message, expected_help)) in found.iter().zip(expected) {
        assert_eq!(path, expected_path, "{found:#?}");
        assert!(message.contains(expected_message), "{message}");
        assert!(help.contains(expected_help), "{message}: {help}");
    }
}

fn custom(config: &str) -> String {
    hook(
        "h",
        &format!(
            "handler = \"webhook-custom\"\n[event_hooks.h.config]\nurl = \"http://127.0.0.1/\"\nmethod = \"POST\"\n{config}"
        ),
    )
}

#[test]
fn unknown_names_are_refused_at_their_keys() {
    let of = |source: &str, event: &str, handler: &str| {
        format!("[event_hooks.h]\nsource = \"{source}\"\nevent = \"{event}\"\nhandler = \"{handler}\"\n")
    };
    check(&of("rate-limiting-advanced", "rate-limit-exceeded", "log"), &[]);
    check(
        &of("rate-limting-advanced", "x", "log"),
        &[("event_hooks.h.source", "rate-limting-advanced", "did you mean \"rate-limiting-advanced\"?")],
    );
    check(
        &of("rate-limiting-advanced", "rate-limit-exceded", "log"),
        &[("event_hooks.h.event", "rate-limit-exceded", "did you mean \"rate-limit-exceeded\"?")],
    );
    check(
        &of("rate-limiting-advanced", "rate-limit-exceeded", "webhok"),
        &[("event_hooks.h.handler", "webhok", "did you mean \"webhook\"?")],
    );
    check(
        &of("rate-limiting-advanced", "rate-limit-exceeded", "smtp"),
        &[("event_hooks.h.handler", "no handler \"smtp\"", "webhook, webhook-custom, log, lambda")],
    );
}

#[test]
fn every_problem_of_every_hook_is_told_at_once_also_of_disabled_ones() {
    let text = "[event_hooks.a]\nsource = \"x\"\nhandler = \"y\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\", \"oops\"]\ntimeout = 0\n".to_owned()
        + "[event_hooks.b]\nenabled = false\nsource = \"config\"\nhandler = \"webhook\"\nconfig = { url = \"nope\", hedaers = {} }\n"
        + "[event_hooks.c]\nsource = \"config\"\nhandler = \"log\"\nconfig.level = \"info\"\n";
    check(
        &text,
        &[
            ("event_hooks.a.source", "no source", ""),
            ("event_hooks.a.secrets[1]", "whsec_", "openssl"),
            ("event_hooks.a.timeout", "some time", ""),
            ("event_hooks.a.handler", "no handler", ""),
            ("event_hooks.b.config.url", "invalid url", ""),
            ("event_hooks.b.config.hedaers", "unknown key", "did you mean \"headers\"?"),
            ("event_hooks.c.config.level", "unknown key", ""),
        ],
    );
}

#[test]
fn templates_are_refused_at_their_keys() {
    check(&custom("payload.text = \"{{ consumer.username }}\""), &[]);
    check(
        &custom("payload.text = \"{{ consumr.username }}\"\npayload.b = [{ c = \"{{ consumer.nope }}\" }]"),
        &[
            ("event_hooks.h.config.payload.text", "unknown field: consumr", "did you mean \"consumer\"?"),
            ("event_hooks.h.config.payload.b[0].c", "unknown field: consumer.nope", "username"),
        ],
    );
    check(&custom("body = \"{{ limit\""), &[("event_hooks.h.config.body", "does not compile", "")]);
    check(&custom("body = \"{* limit *}\""), &[("event_hooks.h.config.body", "Kong's syntax", "{{ … }}")]);
    check(&custom("body = \"{{ limt }}\"\nbody_format = false"), &[]);
    check(
        &custom("headers_format = true\nheaders.x-who = \"{{ consumer.usrname }}\""),
        &[("event_hooks.h.config.headers.x-who", "consumer.usrname", "username")],
    );
    check(
        &custom("paylaod = {}\nbody = \"{{ limt }}\""),
        &[
            ("event_hooks.h.config.paylaod", "unknown key", "payload"),
            ("event_hooks.h.config.body", "unknown field: limt", "limit"),
        ],
    );
    check(&custom("body = \"{% include 'x' %}\""), &[("event_hooks.h.config.body", "does not compile", "")]);
    let all_events = "[event_hooks.h]\nsource = \"config\"\nhandler = \"webhook-custom\"\nconfig = { url = \"http://x/\", method = \"POST\", body = \"{{ problems }}\" }";
    check(all_events, &[("event_hooks.h.config.body", "for the event \"applied\"", "version")]);
}

#[test]
fn templates_that_make_much_of_little_are_refused_at_their_keys() {
    let bomb = "{% for i in range(end=50000) %}{% for j in range(end=50000) %}{% endfor %}{% endfor %}";
    check(&custom(&format!("body = \"{bomb}\"")), &[("event_hooks.h.config.body", "range is not available", "")]);
    check(
        &custom(&format!("headers_format = true\nheaders.x-a = \"{bomb}\"\npayload.a = [\"{{{{ range(end=2) }}}}\"]")),
        &[
            ("event_hooks.h.config.headers.x-a", "range is not available", ""),
            ("event_hooks.h.config.payload.a[0]", "range is not available", ""),
        ],
    );
    let long = "x".repeat(65_000);
    check(&custom(&format!("payload.a = \"{long}\"")), &[]);
    check(
        &custom(&format!("payload.a = \"{long}{long}\"")),
        &[("event_hooks.h.config.payload.a", "the template renders more than 64 KiB on the sample", "")],
    );
    let five = format!("payload.list = [{}]", format!("\"{long}\",").repeat(5));
    check(&custom(&five), &[("event_hooks.h.config.payload", "more than 256 KiB", "")]);
    check(
        &custom(&format!("body_format = false\nbody = \"{}\"", long.repeat(5))),
        &[("event_hooks.h.config.body", "more than 256 KiB", "")],
    );
}

#[test]
fn bodies_headers_and_forms_are_checked() {
    check(
        &custom("headers.content-type = \"application/json\"\nbody = '{\"since\": {{ consumer.created_at }}}'"),
        &[("event_hooks.h.config.body", "not valid JSON", "| json")],
    );
    check(&custom("body = '{\"since\": {{ consumer.created_at | json }}}'"), &[]);
    check(
        &custom("headers.\"a b\" = \"x\"\nheaders.x-a = \"x\\r\\ny\"\nheaders.webhook-id = \"1\""),
        &[
            ("event_hooks.h.config.headers.\"a b\"", "no name of a header", ""),
            ("event_hooks.h.config.headers.webhook-id", "set by Sluice", ""),
            ("event_hooks.h.config.headers.x-a", "line breaks", ""),
        ],
    );
    check(
        &custom("headers.content-type = \"application/x-www-form-urlencoded\"\npayload.a = [1]"),
        &[("event_hooks.h.config.payload.a", "plain values", "")],
    );
    check(&custom("secret = \"\""), &[("event_hooks.h.config.secret", "empty", "")]);
    let masked = hook("h", "handler = \"webhook\"\nconfig.url = \"https://me:***@example.com/\"");
    check(&masked, &[("event_hooks.h.config.url", "mask", "password")]);
}

#[test]
fn a_format_is_for_webhooks_and_sets_its_own_headers() {
    let webhook = |format: &str, more: &str| {
        hook("h", &format!("handler = \"webhook\"\nformat = \"{format}\"\nconfig.url = \"http://x/\"\n{more}"))
    };
    for format in ["kong", "cloudevents", "cloudevents-binary"] {
        check(&webhook(format, "config.headers.x-team = \"a\""), &[]);
    }
    let own = "config.headers.Content-Type = \"text/plain\"\nconfig.headers.CE-id = \"1\"";
    check(&webhook("kong", own), &[]);
    check(
        &webhook("cloudevents", own),
        &[
            ("event_hooks.h.config.headers.CE-id", "set by Sluice itself", "kong"),
            ("event_hooks.h.config.headers.Content-Type", "set by Sluice itself", "kong"),
        ],
    );
    check(&hook("h", "handler = \"log\"\nformat = \"kong\""), &[("event_hooks.h.format", "\"webhook\"", "take it out")]);
    check(
        &custom("").replace("[event_hooks.h.config]", "format = \"cloudevents\"\n[event_hooks.h.config]"),
        &[("event_hooks.h.format", "\"webhook-custom\"", "")],
    );
    let shown = |text: &str| entity_json(&entries(text)[0])["format"].clone();
    assert_eq!((shown(&webhook("cloudevents", "")), shown(&hook("h", "handler = \"log\""))), (json!("cloudevents"), json!(null)));
    assert_eq!(shown(&webhook("kong", "").replace("format = \"kong\"", "")), json!("kong"));
}

#[test]
fn filters_are_refused_at_their_fields() {
    let filter = |filter: &str| hook("h", &format!("handler = \"log\"\n{filter}"));
    check(
        &filter("filter.consumer.username = \"Joe\"\nfilter.\"service.name\" = [\"demo\", 1]\nfilter.ip.matches = \"10.*\""),
        &[],
    );
    check(&filter("filter = {}"), &[]);
    check(&filter("filter = 5"), &[("event_hooks.h.filter", "expected a table", "")]);
    check(
        &filter(
            "filter = { \"consumer.usernme\" = \"Joe\", consumer = \"Joe\", ip = { equals = [\"a\"], matchs = 1 }, \"rate\" = { matchs = 1 } }",
        ),
        &[
            ("event_hooks.h.filter.\"consumer.usernme\"", "no event of this hook", "did you mean \"username\"?"),
            ("event_hooks.h.filter.consumer", "is a table", "\"consumer.id\""),
            ("event_hooks.h.filter.ip.equals", "one value", "`in`"),
            ("event_hooks.h.filter.ip.matchs", "unknown condition", "did you mean \"matches\"?"),
            ("event_hooks.h.filter.rate.matchs", "has no field", "did you mean \"matches\"?"),
        ],
    );
    check(
        &filter("filter.ip = \"a\"\nfilter.\"route.name\" = \"a\"\nfilter.route.name = \"b\""),
        &[("event_hooks.h.filter.route.name", "named twice", "")],
    );
    check(
        &filter("filter.ip = []").replace("rate-limiting-advanced", "rate-limting-advanced"),
        &[("event_hooks.h.source", "no source", ""), ("event_hooks.h.filter.ip", "none", "")],
    );
}

#[test]
fn several_events_are_named_and_every_template_is_tried_on_each() {
    let both = "events = [{ source = \"rate-limiting-advanced\", event = \"rate-limit-exceeded\" }, { source = \"config\", event = \"applied\" }]";
    let custom = |body: &str| {
        format!(
            "[event_hooks.h]\n{both}\nhandler = \"webhook-custom\"\nconfig = {{ url = \"http://x/\", method = \"POST\", body = \"{body}\" }}"
        )
    };
    check(&custom("{{ event }} of {{ source }}"), &[]);
    check(
        &custom("{{ version }}{{ ip }}"),
        &[
            ("event_hooks.h.config.body", "(for the event \"rate-limit-exceeded\" of \"rate-limiting-advanced\")", ""),
            ("event_hooks.h.config.body", "(for the event \"applied\" of \"config\")", ""),
        ],
    );
    let filter = |filter: &str| format!("[event_hooks.h]\n{both}\nhandler = \"log\"\n{filter}");
    check(&filter("filter.version = 1\nfilter.ip = \"::1\""), &[]);
    check(&filter("filter.problems = 1"), &[("event_hooks.h.filter.problems", "no event of this hook", "")]);
    check(
        "[event_hooks.h]\nhandler = \"log\"\nevents = [{ source = \"config\", event = \"aplied\" }, { source = \"confg\" }]",
        &[
            ("event_hooks.h.events[0].event", "no event \"aplied\"", "did you mean \"applied\"?"),
            ("event_hooks.h.events[1].source", "no source \"confg\"", "did you mean \"config\"?"),
        ],
    );
}

#[test]
fn a_template_for_all_of_crud_may_name_what_any_of_its_tables_has() {
    let custom = |events: &str, body: &str| {
        format!(
            "[event_hooks.h]\n{events}\nhandler = \"webhook-custom\"\nconfig = {{ url = \"http://x/\", method = \"POST\", body = \"{body}\" }}"
        )
    };
    let kongs = "Admin account {{ entity.username }} {{ operation }}d";
    let some = "events = [{ source = \"crud\", event = \"services\" }, { source = \"crud\", event = \"consumers:create\" }]";
    check(&custom("source = \"crud\"\nevent = \"consumers\"", kongs), &[]);
    check(&custom("source = \"crud\"", kongs), &[]);
    check(
        &custom("source = \"crud\"", "{% if schema == 'routes' %}{{ entity.paths }}{% else %}{{ entity.name }}{% endif %}"),
        &[],
    );
    check(&custom("source = \"dao:crud\"", "{{ entity.username }}{{ entity.host }}{{ old_entity.name }}"), &[]);
    check(&custom(some, "{{ entity.username }}{{ entity.host }}{{ old_entity.host }}"), &[]);
    let body = "event_hooks.h.config.body";
    check(&custom("source = \"crud\"\nevent = \"services\"", kongs), &[(body, "unknown field: entity.username", "host")]);
    check(&custom(some, "{{ entity.paths }}"), &[(body, "entity.paths (for the event \"services\")", "path")]);
    check(
        &custom("source = \"crud\"", "{{ entity.usrname }}"),
        &[(body, "entity.usrname (for the event \"services\")", "did you mean \"username\"?")],
    );
    check(&custom("source = \"crud\"\nevent = \"services:create\"", "{{ old_entity.name }}"), &[(body, "old_entity", "entity")]);
}

#[test]
fn the_entity_is_kongs_with_defaults_and_without_secrets() {
    let text = custom("secret = \"hush-hush\"\nheaders.authorization = \"Bearer hush-hush\"\npayload.text = \"{{ limit }}\"")
        .replace("[event_hooks.h.config]", "secrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\n[event_hooks.h.config]");
    let entity = entity_json(&entries(&text)[0]);
    assert!(
        !entity.to_string().contains("hush-hush") && !entity.to_string().contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "{entity}"
    );
    let config = json!({
        "url": "http://127.0.0.1/", "method": "POST", "payload": { "text": "{{ limit }}" }, "payload_format": true, "body": null, "body_format": true,
        "headers": { "authorization": "***" }, "headers_format": false, "secret": "***", "ssl_verify": true
    });
    assert_eq!(entity["config"], config);
    let keys: Vec<&String> = entity.as_object().unwrap().keys().collect();
    let expected = [
        "id",
        "name",
        "source",
        "event",
        "events",
        "filter",
        "handler",
        "on_change",
        "snooze",
        "digest",
        "rate",
        "format",
        "config",
        "enabled",
        "timeout",
        "retry",
        "concurrency",
        "secrets",
        "tags",
        "created_at",
        "updated_at",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&entity["on_change"], &entity["timeout"], &entity["concurrency"]), (&json!(null), &json!(10_000), &json!(8)));
    let log = entity_json(&entries("[event_hooks.l]\nsource = \"config\"\nhandler = \"log\"")[0]);
    assert_eq!((&log["config"], &log["event"], &log["concurrency"]), (&json!({}), &json!(null), &json!(1)));
}

#[test]
fn every_handler_has_a_schema_that_knows_its_keys() {
    for kind in HANDLERS {
        let schema = (kind.schema)();
        assert_eq!(schema["additionalProperties"], json!(false), "{}", kind.name);
        assert_eq!(schema["properties"].get("url").is_some(), kind.name.starts_with("webhook"));
    }
}
