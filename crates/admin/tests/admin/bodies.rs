//! Bodies of every kind.

use serde_json::{Value, json};

use crate::client::{FORM, JSON, start};

const HOOK: &str = r#"{"source":"rate-limiting-advanced","handler":"log","name":"a"}"#;

#[tokio::test]
async fn json_may_have_dotted_keys_as_kongs_examples_do() {
    let api = start().await;
    let body = json!({"name": "a", "source": "rate-limiting-advanced", "handler": "webhook", "event": null, "snooze": 0,
        "config.url": "http://127.0.0.1:1/", "config.headers.content-type": "application/json"});
    api.json("POST", "/event-hooks", &body).await.is(201);
    let config = json!({"url": "http://127.0.0.1:1/", "headers": {"content-type": "application/json"}});
    let table = json!({"source": "rate-limiting-advanced", "handler": "webhook", "snooze": 0, "config": config});
    assert_eq!(api.gateway.hooks()["a"], table);
}

#[tokio::test]
async fn forms_have_types_and_multipart_is_a_form() {
    let api = start().await;
    let expected = json!({"source": "rate-limiting-advanced", "handler": "webhook", "on_change": true, "tags": ["x", "y"],
        "retry": {"schedule": ["1s", 2000]}, "config": {"url": "http://127.0.0.1:1/", "ssl_verify": false}});
    let fields = [
        ("name", "a"),
        ("source", "rate-limiting-advanced"),
        ("handler", "webhook"),
        ("event", ""),
        ("on_change", "true"),
        ("tags[]", "x"),
        ("tags[]", "y"),
        ("retry.schedule[1]", "1s"),
        ("retry.schedule[2]", "2000"),
        ("config.url", "http://127.0.0.1:1/"),
        ("config.ssl_verify", "false"),
    ];
    api.form("POST", "/event-hooks", &fields).await.is(201);
    assert_eq!(api.gateway.hooks()["a"], expected);
    let parts = fields.map(|(name, value)| {
        let value = if value == "a" { "b" } else { value };
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    });
    let body = format!("{}--XX--\r\n", parts.concat());
    api.ask("POST", "/event-hooks", &[("Content-Type", "multipart/form-data; boundary=XX")], &body).await.is(201);
    assert_eq!(api.gateway.hooks()["b"], expected);
    for (content_type, body) in [("multipart/form-data", "x"), ("multipart/form-data; boundary=XX", "--XX\r\nbroken")] {
        api.ask("POST", "/event-hooks", &[("Content-Type", content_type)], body).await.is(400);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let api = start().await;
    let post = async |headers: &[(&str, &str)], body: &str| api.ask("POST", "/event-hooks", headers, body).await;
    let deep = "[".repeat(100_000);
    for body in ["{", "[]", "3", "\"x\"", "{\"a\":1}x", "\u{0}", &deep] {
        assert_eq!(post(&[("Content-Type", JSON)], body).await.is(400).message(), "Cannot parse JSON body");
    }
    for content_type in ["text/plain", "application/xml", "application/json2"] {
        post(&[("Content-Type", content_type)], HOOK).await.is(415);
    }
    post(&[], HOOK).await.is(415);
    post(&[("Content-Type", JSON), ("Content-Type", FORM)], HOOK).await.is(400);
    let large = format!("{{\"source\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert!(post(&[("Content-Type", JSON)], &large).await.is(413).message().contains("1 MiB"));
    let dots = format!("{}=1", "a.".repeat(400_000));
    post(&[("Content-Type", FORM)], &dots).await.is(400);
    // No body is an empty object.
    assert_eq!(post(&[], "").await.is(400).json()["fields"]["source"], "required field missing");
    post(&[("Content-Type", "Application/JSON; charset=utf-8")], HOOK).await.is(201);
}

#[tokio::test]
async fn no_body_however_broken_breaks_the_api() {
    let api = start().await;
    let good = [
        (
            JSON,
            r#"{"source":"rate-limiting-advanced","handler":"webhook","config":{"url":"http://127.0.0.1:1/","headers":{"a":"b"}},"tags":["x"]}"#,
        ),
        (
            FORM,
            "source=rate-limiting-advanced&handler=webhook&config.url=http://127.0.0.1:1/&tags[]=x&retry.schedule[1]=5s&config.headers.a=b",
        ),
        ("multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=\"source\"\r\n\r\nx\r\n--X--\r\n"),
    ];
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..600 {
        let (content_type, body) = good[round % good.len()];
        let mut body: Vec<char> = body.chars().collect();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..body.len());
            match random.u8(..3) {
                0 => drop(body.remove(at)),
                1 => body.insert(at, random.choice("\0{}[]\".=&%${:,é\u{202e}1-".chars().collect::<Vec<_>>()).unwrap()),
                _ => body.truncate(at.max(1)),
            }
            if body.is_empty() {
                body.push('x');
            }
        }
        let body: String = body.into_iter().collect();
        let answer = api.ask("POST", "/event-hooks", &[("Content-Type", content_type)], &body).await;
        assert!([201, 400].contains(&answer.status), "{body:?} {answer:?}");
        assert!(answer.json().is_object());
    }
}

#[tokio::test]
async fn an_empty_text_is_no_configuration() {
    let api = start().await;
    let before = api.gateway.file();
    for path in ["/config", "/config/check"] {
        let answer = api.ask("POST", path, &[("Content-Type", "application/toml")], "").await.is(400);
        assert!(answer.message().starts_with("send the text of gateway.toml"), "{answer:?}");
    }
    assert_eq!(api.gateway.file(), before);
}

#[tokio::test]
async fn where_a_service_is_is_said_in_one_way_and_can_be() {
    let api = start().await;
    let refused = async |method: &str, path: &str, body: Value| {
        let answer = api.json(method, path, &body).await.is(400).json();
        answer["fields"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(refused("PATCH", "/services/demo", json!({"url": "http://x", "port": 1, "path": "/y"})).await, ["port", "path"]);
    assert_eq!(refused("POST", "/services", json!({"host": ""})).await, ["host"]);
    assert_eq!(refused("POST", "/services", json!({"host": "a b"})).await, ["host"]);
    assert_eq!(refused("PATCH", "/services/demo", json!({"ca_certificates": [null]})).await, ["ca_certificates"]);
    let moved = api.json("PATCH", "/services/demo", &json!({"url": null, "port": 81.0})).await.is(200).json();
    assert_eq!((&moved["host"], &moved["port"], &moved["path"]), (&json!("127.0.0.1"), &json!(81), &json!("/anything")));
    api.json("POST", "/services", &json!({"host": "::1", "name": "six"})).await.is(201);
}

#[tokio::test]
async fn a_secret_is_made_up_for_a_token_whose_key_is_null() {
    let api = start().await;
    let made = api.json("POST", "/consumers/Joe/jwt", &json!({"rsa_public_key": null})).await.is(201).json();
    assert_eq!(made["secret"].as_str().map(str::len), Some(32));
}
