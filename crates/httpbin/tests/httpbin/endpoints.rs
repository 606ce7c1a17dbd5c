//! What each endpoint answers.

use serde_json::json;
use sluice_httpbin::ENDPOINTS;

use crate::harness::{ask, get};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn the_index_lists_every_endpoint() {
    let reply = get("/").await;
    assert_eq!(reply.status, 200);
    for endpoint in ENDPOINTS {
        let line = reply.text().lines().find(|line| line.split_whitespace().any(|word| word == endpoint.path));
        assert!(line.is_some_and(|line| line.ends_with(endpoint.summary)), "no line for {}", endpoint.path);
    }
}

#[tokio::test]
async fn get_shows_query_headers_origin_and_url() {
    let reply = ask("GET", "/get?b=2&a=1&b=%C3%BC+", "X-One: 1\r\nx-two: a\r\nX-Two: b\r\n", "").await;
    let expected = json!({
        "args": {"a": "1", "b": ["2", "ü "]},
        "headers": {"Content-Length": "0", "Host": "bin.test", "X-One": "1", "X-Two": "a,b"},
        "origin": "127.0.0.1",
        "url": "http://bin.test/get?b=2&a=1&b=%C3%BC+",
    });
    assert_eq!((reply.status, reply.json()), (200, expected));
    assert!(reply.text().starts_with("{\n  \"args\": {\n    \"a\": \"1\""), "{}", reply.text());
}

#[tokio::test]
async fn a_forwarded_request_shows_its_client() {
    let headers = "X-Forwarded-For: 203.0.113.7, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n";
    let shown = ask("GET", "/get", headers, "").await.json();
    assert_eq!(shown["origin"], "203.0.113.7, 10.0.0.1");
    assert_eq!(shown["url"], "https://bin.test/get");
    assert_eq!(ask("GET", "/ip", headers, "").await.json(), json!({"origin": "203.0.113.7, 10.0.0.1"}));
}

#[tokio::test]
async fn post_shows_json() {
    let shown = ask("POST", "/post", "Content-Type: application/json\r\n", r#"{"a": [1]}"#).await.json();
    let fields: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["args", "data", "files", "form", "headers", "json", "origin", "url"]);
    assert_eq!(shown["data"], r#"{"a": [1]}"#);
    assert_eq!(shown["json"], json!({"a": [1]}));
    assert_eq!((&shown["form"], &shown["files"]), (&json!({}), &json!({})));
}

#[tokio::test]
async fn post_shows_a_form() {
    let shown = ask("POST", "/post", FORM, "a=1&b=%20&a=2").await.json();
    assert_eq!(shown["form"], json!({"a": ["1", "2"], "b": " "}));
    assert_eq!((&shown["data"], &shown["json"]), (&json!(""), &json!(null)));
}

#[tokio::test]
async fn post_shows_uploaded_files() {
    let part = |rest: &str, value: &str| format!("--edge\r\nContent-Disposition: form-data; name=\"{rest}\r\n\r\n{value}\r\n");
    let body = part("field\"", "1") + &part("file\"; filename=\"f.txt\"", "text") + "--edge--\r\n";
    let shown = ask("POST", "/post", "Content-Type: multipart/form-data; boundary=edge\r\n", &body).await.json();
    assert_eq!((&shown["form"], &shown["files"]), (&json!({"field": "1"}), &json!({"file": "text"})));
    assert_eq!(shown["data"], "");
}

#[tokio::test]
async fn post_shows_any_other_body_as_data() {
    let shown = ask("POST", "/post", "", "plain").await.json();
    assert_eq!((&shown["data"], &shown["json"]), (&json!("plain"), &json!(null)));
}

#[tokio::test]
async fn anything_takes_any_method_and_path() {
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"] {
        let shown = ask(method, "/anything/a%20b/c?d=e", "", "body").await.json();
        assert_eq!(shown["method"], method);
        assert_eq!(shown["url"], "http://bin.test/anything/a%20b/c?d=e");
        assert_eq!((&shown["data"], &shown["args"]), (&json!("body"), &json!({"d": "e"})));
    }
    assert_eq!(get("/anything").await.json()["method"], "GET");
}

#[tokio::test]
async fn status_answers_the_status() {
    for code in [200, 201, 204, 304, 404, 418, 429, 500, 503, 599] {
        let reply = get(&format!("/status/{code}")).await;
        assert_eq!((reply.status, reply.body.len()), (code, 0));
    }
    assert_eq!(ask("POST", "/status/202", "", "body").await.status, 202);
    assert_eq!(get("/status/302").await.header("Location"), Some("/redirect/1"));
    assert!(get("/status/401").await.header("WWW-Authenticate").is_some());
}

#[tokio::test]
async fn status_picks_one_of_several() {
    assert_eq!(get("/status/201,201").await.status, 201);
    assert!([200, 503].contains(&get("/status/200,503").await.status));
}

#[tokio::test]
async fn delay_shows_the_request() {
    let shown = ask("POST", "/delay/0.001?a=1", FORM, "b=2").await.json();
    assert_eq!((&shown["args"], &shown["form"]), (&json!({"a": "1"}), &json!({"b": "2"})));
}

#[tokio::test]
async fn headers_shows_the_headers() {
    let shown = ask("GET", "/headers", "user-agent: test\r\n", "").await.json();
    assert_eq!(shown, json!({"headers": {"Content-Length": "0", "Host": "bin.test", "User-Agent": "test"}}));
}

#[tokio::test]
async fn ip_shows_the_peer() {
    assert_eq!(get("/ip").await.json(), json!({"origin": "127.0.0.1"}));
}

#[tokio::test]
async fn bytes_are_as_many_as_asked_and_the_same_for_a_seed() {
    for length in [0, 1, 16 * 1024, 100_000] {
        assert_eq!(get(&format!("/bytes/{length}")).await.body.len(), length);
    }
    let [one, same, other] = [1, 1, 2].map(|seed| format!("/bytes/100000?seed={seed}"));
    let one = get(&one).await.body;
    assert_eq!(one, get(&same).await.body);
    assert_ne!(one, get(&other).await.body);
    assert_eq!(ask("HEAD", "/bytes/999999999", "", "").await.header("Content-Length"), Some("104857600"));
}

#[tokio::test]
async fn redirects_lead_to_get() {
    for (path, location) in [("/redirect/3", "/redirect/2"), ("/redirect/1", "/get")] {
        let reply = get(path).await;
        assert_eq!((reply.status, reply.header("Location")), (302, Some(location)));
    }
}

#[tokio::test]
async fn gzip_is_gzip() {
    let reply = get("/gzip").await;
    assert_eq!(reply.header("Content-Encoding"), Some("gzip"));
    let shown: serde_json::Value = serde_json::from_reader(flate2::read::GzDecoder::new(reply.body.as_slice())).unwrap();
    assert_eq!((&shown["gzipped"], &shown["method"]), (&json!(true), &json!("GET")));
    assert_eq!(shown["headers"]["Host"], "bin.test");
}

#[tokio::test]
async fn drip_drips_with_its_status() {
    let reply = get("/drip?duration=0&numbytes=5&code=206").await;
    assert_eq!((reply.status, reply.text()), (206, "*****"));
    assert_eq!(get("/drip?duration=0&numbytes=5&code=204").await.status, 204);
}

#[tokio::test]
async fn what_makes_no_sense_is_a_400_that_says_why() {
    let senseless = [
        ("/status/100", "a status is a number from 200 to 599, not \"100\""),
        ("/status/200,x", "a status is a number from 200 to 599, not \"x\""),
        ("/delay/-1", "the delay must be a number of seconds, 0 or more"),
        ("/delay/nan", "the delay must be a number of seconds, 0 or more"),
        ("/bytes/x", "\"x\" in the path must be a whole number"),
        ("/bytes/1?seed=x", "seed must be a number, not \"x\""),
        ("/stream/-1", "\"-1\" in the path must be a whole number"),
        ("/redirect/0", "there must be one redirect or more"),
        ("/drip?numbytes=0", "numbytes must be 1 or more"),
        ("/drip?duration=inf", "duration must be a number of seconds, 0 or more"),
    ];
    for (path, why) in senseless {
        let reply = get(path).await;
        assert_eq!((reply.status, reply.json()), (400, json!({"error": why})), "{path}");
    }
}
