//! Who may come in.

use serde_json::json;

use crate::client::{JSON, start, start_with};
use crate::fake::FILE;

const HOOK: &str = r#"{"source":"rate-limiting-advanced","handler":"log"}"#;

#[tokio::test]
async fn with_a_token_nobody_comes_in_without() {
    let api = start_with(FILE, Some("s3cret")).await;
    for headers in [
        &[][..],
        &[("Kong-Admin-Token", "")],
        &[("Kong-Admin-Token", "s3cre")],
        &[("Kong-Admin-Token", "s3cret2")],
        &[("Authorization", "s3cret")],
        &[("Authorization", "Basic s3cret")],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer x")],
    ] {
        for (method, path) in
            [("GET", "/"), ("OPTIONS", "/event-hooks"), ("GET", "/nowhere"), ("HEAD", "/status"), ("DELETE", "/event-hooks/x")]
        {
            let answer = api.ask(method, path, headers, "").await.is(401);
            assert!(method == "HEAD" || answer.json() == json!({"message": "Invalid RBAC credentials"}), "{answer:?}");
        }
    }
    for header in [("Kong-Admin-Token", "s3cret"), ("Authorization", "Bearer s3cret"), ("authorization", "bearer  s3cret")] {
        api.ask("GET", "/", &[header], "").await.is(200);
    }
}

#[tokio::test]
async fn a_web_page_of_another_site_does_not_come_in() {
    let api = start().await;
    let own = format!("http://{}", api.addr);
    for (headers, post, get) in [
        (&[("Host", "evil.example")][..], 403, 403),
        (&[("Host", "evil.example:8001"), ("Origin", "http://evil.example:8001")], 403, 403),
        (&[("Host", "localhost"), ("Host", "evil.example")], 403, 403),
        (&[("Host", "localhost:8001")], 201, 200),
        (&[("Host", "[::1]:8001")], 201, 200),
        (&[("Origin", "https://evil.example")], 403, 403),
        (&[("Origin", "null")], 403, 403),
        (&[("Origin", own.as_str())], 201, 200),
        (&[("Sec-Fetch-Site", "cross-site")], 403, 200),
        (&[("Sec-Fetch-Site", "same-origin")], 201, 200),
        (&[("Sec-Fetch-Site", "none")], 201, 200),
    ] {
        let with_type: Vec<(&str, &str)> = headers.iter().copied().chain([("Content-Type", JSON)]).collect();
        assert_eq!(api.ask("POST", "/event-hooks", &with_type, HOOK).await.status, post, "{headers:?}");
        let answer = api.ask("GET", "/services", headers, "").await;
        assert_eq!(answer.status, get, "{headers:?}");
        assert!(get == 200 || answer.message().contains("is refused"), "{answer:?}");
    }
    api.raw("GET / HTTP/1.0\r\n\r\n").await.is(403);
}
