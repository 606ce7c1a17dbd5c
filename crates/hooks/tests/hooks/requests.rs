//! What the handlers send.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Received, Receiver, Running, hook};

/// What a `webhook-custom` with these lines of config sends for a rejection of this consumer.
async fn sent(config: &str, consumer: Value) -> Received {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = hook(
        "custom",
        &format!(
            "handler = \"webhook-custom\"\n[event_hooks.custom.config]\nurl = \"http://{}/in?a=1\"\n{config}",
            receiver.addr
        ),
    );
    let running = Running::start(dir.path(), &text);
    running.emit_of(consumer, 0x7f00_0001);
    let received = receiver.next().await;
    running.stop().await;
    received
}

fn joe() -> Value {
    json!({ "id": "00000000-0000-0000-0000-000000000007", "username": "Joe" })
}

const ARTICLE: &str = r#"
method = "POST"
headers.content-type = "application/json"
payload.text = "Rate limit exceeded by username '{{ consumer.username }}' on service '{{ service.name }}' (on server owned by ubuntu)""#;

#[tokio::test]
async fn the_articles_payload() {
    let received = sent(ARTICLE, joe()).await;
    assert_eq!(received.method, "POST");
    assert_eq!(
        received.body,
        r#"{"text":"Rate limit exceeded by username 'Joe' on service 'demo' (on server owned by ubuntu)"}"#
    );
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("user-agent"), concat!("sluice/", env!("CARGO_PKG_VERSION")));
    assert!(!received.header("webhook-id").is_empty() && !received.header("webhook-timestamp").is_empty());
    assert!(received.header("webhook-signature").is_empty() && received.header("x-kong-signature").is_empty());
}

#[tokio::test]
async fn an_anonymous_consumer_prints_empty() {
    let received = sent(ARTICLE, Value::Null).await;
    assert_eq!(received.body, r#"{"text":"Rate limit exceeded by username '' on service 'demo' (on server owned by ubuntu)"}"#);
}

#[tokio::test]
async fn values_need_no_escaping_in_a_payload_or_a_json_body() {
    let nasty = "a\"b\\c\nd</script>&\u{1}é";
    let consumer = json!({ "id": "x", "username": nasty });
    let received = sent("method = \"POST\"\npayload.text = \"{{ consumer.username }}!\"", consumer.clone()).await;
    assert_eq!(received.json(), json!({ "text": format!("{nasty}!") }));
    let body = r#"method = "POST"
body = '{"text": "{{ consumer.username }}!", "limit": {{ limit }}, "service": {{ service | json }}}'"#;
    let received = sent(body, consumer).await;
    assert_eq!(received.json()["text"], format!("{nasty}!"));
    assert_eq!((&received.json()["limit"], &received.json()["service"]["name"]), (&json!(3), &json!("demo")));
    assert_eq!(received.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_payload_may_hold_tables_lists_and_plain_values() {
    let config = "method = \"PUT\"\n[event_hooks.custom.config.payload]\nflag = true\nn = 7\nblocks = [{ type = \"section\", text = { body = \"{{ rate }}/{{ limit }}\" } }]";
    let received = sent(config, joe()).await;
    assert_eq!(received.method, "PUT");
    assert_eq!(received.json(), json!({ "flag": true, "n": 7, "blocks": [{ "type": "section", "text": { "body": "4/3" } }] }));
}

#[tokio::test]
async fn a_payload_is_a_form_if_the_content_type_says_so() {
    let received = sent("method = \"POST\"\nheaders.Content-Type = \"application/x-www-form-urlencoded\"\npayload = { a = \"{{ consumer.username }} & co\", n = 1 }", joe()).await;
    assert_eq!(received.body, "a=Joe+%26+co&n=1");
}

#[tokio::test]
async fn a_get_has_its_payload_in_the_query() {
    let received = sent("method = \"GET\"\npayload.who = \"{{ consumer.username }} é\"", joe()).await;
    assert_eq!(received.uri.to_string(), "/in?a=1&who=Joe+%C3%A9");
    assert!(received.body.is_empty());
    assert_eq!(received.header("content-type"), "");
}

#[tokio::test]
async fn formats_can_be_switched_off_and_an_explicit_body_wins() {
    let config = "method = \"POST\"\nbody = \"{{ raw }} text\"\nbody_format = false\npayload.text = \"{{ consumer.username }}\"\nheaders.x-who = \"{{ consumer.username }}\"";
    let received = sent(config, joe()).await;
    assert_eq!((received.body.as_ref(), received.header("x-who")), (b"{{ raw }} text".as_slice(), "{{ consumer.username }}"));
    assert_eq!(received.header("content-type"), "");
    let received = sent("method = \"POST\"\npayload.a = \"{{ b\"\npayload_format = false\nheaders_format = true\nheaders.x-who = \"{{ consumer.username }}\"", joe()).await;
    assert_eq!((received.json(), received.header("x-who")), (json!({ "a": "{{ b" }), "Joe"));
}

#[tokio::test]
async fn a_header_with_a_line_break_is_not_sent() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let config = format!(
        "handler = \"webhook-custom\"\nconfig = {{ url = \"http://{}/\", method = \"POST\", headers_format = true, headers = {{ x-who = \"{{{{ consumer.username }}}}\" }} }}",
        receiver.addr
    );
    let running = Running::start(dir.path(), &hook("split", &config));
    running.emit_of(json!({ "id": "x", "username": "a\r\nEvil: 1" }), 1);
    running.until("split", |stats| stats.failed == 1).await;
    running.emit(2);
    assert_eq!(receiver.next().await.header("x-who"), "Joe");
    assert!(receiver.rest().is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_webhook_posts_kongs_object_and_signs_it() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let text = hook(
        "flat",
        &format!(
            "handler = \"webhook\"\nconfig = {{ url = \"http://{}/x\", secret = \"s3cret\", headers = {{ x-team = \"a\" }} }}",
            receiver.addr
        ),
    );
    let running = Running::start(dir.path(), &text);
    running.emit_of(Value::Null, 0x7f00_0001);
    let received = receiver.next().await;
    let body = received.json();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    let expected =
        ["consumer", "ip", "service", "route", "rate", "limit", "window", "source", "event", "count", "first_at", "last_at"];
    assert_eq!(keys, expected);
    assert_eq!(
        (&body["consumer"], &body["window"], &body["source"]),
        (&json!({}), &json!("minute"), &json!("rate-limiting-advanced"))
    );
    assert_eq!((received.header("content-type"), received.header("x-team")), ("application/json", "a"));
    assert!(
        received.header("x-kong-signature").starts_with("sha256=") && received.header("webhook-signature").starts_with("v1,")
    );
    running.stop().await;
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_log_hook_writes_one_line_whatever_a_client_sends() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), &hook("console", "handler = \"log\""));
    running.emit_of(json!({ "id": "x", "username": "two\nlines" }), 0x7f00_0001);
    running.until("console", |stats| stats.delivered == 1).await;
    running.stop().await;
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let of_hook: Vec<&str> = text.lines().filter(|line| line.contains("sluice::hook")).collect();
    assert_eq!(of_hook.len(), 1, "{text}");
    for part in [
        "INFO",
        r#""log callback: " { "rate-limit-exceeded", "rate-limiting-advanced", {"consumer":"#,
        r#""limit":3"#,
        r#""rate":4"#,
        r#""name":"demo""#,
        r#""window":"minute""#,
        r#""count":1"#,
    ] {
        assert!(of_hook[0].contains(part), "{part} in {}", of_hook[0]);
    }
}

#[tokio::test]
async fn what_is_too_long_is_given_up_at_once() {
    let (dir, mut receiver) = (tempfile::tempdir().unwrap(), Receiver::good().await);
    let config = "method = \"POST\"\npayload.text = \"{{ consumer.username }}\"";
    let text = format!("handler = \"webhook-custom\"\n[event_hooks.long.config]\nurl = \"http://{}/\"\n{config}", receiver.addr);
    let running = Running::start(dir.path(), &hook("long", &text));
    running.emit_of(json!({ "id": "x", "username": "x".repeat(65_537) }), 1);
    let stats = running.until("long", |stats| stats.failed == 1).await;
    assert_eq!((stats.retried, receiver.rest().len()), (0, 0));
    running.emit_of(json!({ "id": "x", "username": "x".repeat(65_536) }), 1);
    assert_eq!(receiver.next().await.json()["text"].as_str().map(str::len), Some(65_536));
    running.stop().await;
}
