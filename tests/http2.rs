//! Clients of HTTP/2: what goes through, what is refused, and who notices that they are gone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::harness::{Gateway, Request, Streams, YEAR, ask, block_on, eventually, httpbin, read_head, request, streaming, whole};

fn config(upstream: &str, more: &str) -> String {
    format!("[services.up]\nurl = \"{upstream}\"\n[routes.up]\nservice = \"up\"\npaths = [\"/up\"]\n{more}")
}

#[test]
fn a_body_that_is_changed_goes_to_an_upstream_of_http_2_too() {
    let upstream = streaming();
    let more = "[plugins.request-transformer]\nadd.body = [\"a:1\"]\nremove.body = [\"x\"]\n";
    let gateway = Gateway::start(&config(&upstream.url("/"), more).replace("[routes", "http2 = true\n[routes"));
    let json = ("content-type", "application/json");
    let changed = r#"{"k":2,"a":"1"}"#;
    let put = Request { method: "PUT", path: "/up", headers: &[json], body: r#"{"x":1,"k":2}"# };
    let answer = request(gateway.proxy, &put);
    assert!(answer.status == 200 && answer.body.ends_with(changed), "{answer:?}");
    block_on(async {
        let client = Streams::connect(gateway.proxy).await;
        let (answer, mut body) = client.open(ask("PUT", gateway.proxy, "/up", &[json])).await;
        body.send_data(r#"{"x":1,"#.into(), false).unwrap();
        body.send_data(r#""k":2}"#.into(), true).unwrap();
        let answer = whole(answer.await.unwrap()).await;
        assert!(answer.status == 200 && answer.body.ends_with(changed), "{answer:?}");
        // Where there is no body, HTTP/2 has said so with the head.
        let answer = client.get(ask("GET", gateway.proxy, "/up", &[json])).await;
        assert!(answer.status == 200 && !answer.body.contains('{'), "{answer:?}");
    });
}

#[test]
fn a_stream_is_told_and_answered_as_a_request_of_http_1_is() {
    let upstream = httpbin();
    let limit = format!("[plugins.rate-limiting-advanced]\nlimit = [2]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n");
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &limit));
    let proxy = gateway.proxy;
    block_on(async {
        let client = Streams::connect(proxy).await;
        let forged = [("x-forwarded-for", "6.6.6.6"), ("x-request-id", "mine"), ("via", "1.0 other")];
        let answer = client.get(ask("GET", proxy, "/up/a?x=1", &forged)).await;
        assert_eq!((answer.status, answer.header("ratelimit-remaining")), (200, Some("1")), "{answer:?}");
        assert_eq!((answer.header("via"), answer.header("connection")), (Some("1.1 sluice"), None));
        let seen: Value = serde_json::from_str(&answer.body).unwrap();
        let expected = [
            ("Host", upstream.address.to_string()),
            ("X-Forwarded-For", "127.0.0.1".into()),
            ("X-Forwarded-Host", proxy.to_string()),
            ("X-Forwarded-Port", proxy.port().to_string()),
            ("X-Forwarded-Path", "/up/a".into()),
            ("X-Request-Id", answer.header("x-request-id").unwrap().into()),
            ("Via", "1.0 other, 1.1 sluice".into()),
        ];
        for (name, value) in expected {
            assert_eq!(seen["headers"][name], value.as_str(), "{name}");
        }
        let (answer, mut body) = client.open(ask("POST", proxy, "/up", &[("content-type", "text/plain")])).await;
        body.send_data("bo".into(), false).unwrap();
        body.send_data("dy".into(), true).unwrap();
        let answer = whole(answer.await.unwrap()).await;
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap()["data"], "body");
        let refused = client.get(ask("GET", proxy, "/up", &[])).await;
        assert_eq!((refused.status, refused.header("ratelimit-remaining")), (429, Some("0")));
        assert!(refused.header("retry-after").is_some() && refused.header("server").unwrap().starts_with("sluice/"));
        assert_eq!(refused.body, "{\"message\":\"API rate limit exceeded\"}");
        let head = client.get(ask("HEAD", proxy, "/up", &[])).await;
        assert_eq!((head.status, head.body.as_str(), head.head_only), (429, "", true));
        let lost = client.get(ask("GET", proxy, "/nowhere", &[])).await;
        assert_eq!(lost.status, 404);
        assert!(lost.body.contains("no Route matched with those values"));
    });
    // HTTP/1 is spoken on the same port.
    assert_eq!(gateway.get("/up", &[]).status, 429);
    assert_eq!(gateway.admin("GET", "/status", "").json()["server"]["requests_active"], 0);
}

#[test]
fn streams_share_a_connection_and_do_not_wait_for_each_other() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream.url("/"), ""));
    let proxy = gateway.proxy;
    block_on(async {
        // The preface comes in pieces.
        let mut stream = tokio::net::TcpStream::connect(proxy).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PR").await.unwrap();
        stream.flush().await.unwrap();
        drop(stream);
        let client = Streams::connect(proxy).await;
        let (slow, _body) = client.open(ask("GET", proxy, "/up/delay/10", &[])).await;
        let paths: Vec<String> = (0..60).map(|n| format!("/up/anything/{n}")).collect();
        let answers = join_all(paths.iter().map(|path| client.get(ask("GET", proxy, path, &[])))).await;
        for (answer, path) in answers.iter().zip(&paths) {
            assert!(answer.status == 200 && answer.body.contains(path.trim_start_matches("/up")), "{path}: {answer:?}");
        }
        drop(slow);
    });
}

#[test]
fn a_preface_in_pieces_is_one() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream.url("/anything"), ""));
    let mut client = std::net::TcpStream::connect(gateway.proxy).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(crate::harness::DEADLINE)).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".iter().chain(&settings) {
        client.write_all(&[*byte]).unwrap();
    }
    let mut frame = [0; 9];
    client.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "settings come first: {frame:?}");
    // Whoever only begins it is of HTTP/1, and refused as such.
    assert!(crate::harness::raw(gateway.proxy, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

/// An upstream that tells the head of each request as it reads it, and then that it has the first chunk.
fn strict() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            thread::spawn(move || {
                loop {
                    let head = read_head(&mut stream);
                    if head.is_empty() || tell.send(head).is_err() {
                        return;
                    }
                    let mut body = Vec::new();
                    let mut byte = [0];
                    while !body.ends_with(b"0\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                        body.push(byte[0]);
                        if body.ends_with(b"hello\r\n") && tell.send("hello".into()).is_err() {
                            return;
                        }
                    }
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            });
        }
    });
    (address, asked)
}

#[test]
fn a_body_that_ends_in_an_empty_frame_has_one_last_chunk() {
    let (upstream, asked) = strict();
    let gateway = Gateway::start(&config(&format!("http://{upstream}"), ""));
    let proxy = gateway.proxy;
    block_on(async {
        let client = Streams::connect(proxy).await;
        for _ in 0..200 {
            let (answer, mut body) = client.open(ask("POST", proxy, "/up", &[])).await;
            body.send_data("hello".into(), false).unwrap();
            let mut said = Vec::new();
            wait(|| {
                said.extend(asked.try_recv());
                said.len() == 2
            })
            .await;
            assert!(said[0].starts_with("POST / HTTP/1.1\r\n"), "left over from the request before: {:?}", said[0]);
            // The end is said by itself, after the upstream has all of the body.
            body.send_data(Bytes::new(), true).unwrap();
            assert_eq!(whole(answer.await.unwrap()).await.status, 200);
        }
    });
}

#[test]
fn a_stream_that_is_given_up_is_held_no_longer() {
    let upstream = httpbin();
    let plugin = format!(
        "[plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\n\
         throttling = {{ enabled = true, interval = 1, retry_times = 60, queue_limit = 1 }}\n"
    );
    let gateway = Gateway::start(&config(&upstream.url("/anything"), &plugin));
    let proxy = gateway.proxy;
    let active = || gateway.admin("GET", "/status", "").json()["server"]["requests_active"].as_u64();
    assert_eq!(gateway.get("/up", &[]).status, 200);
    block_on(async {
        let client = Streams::connect(proxy).await;
        let request = || ask("POST", proxy, "/up", &[]);
        for round in 0..2 {
            let (answer, mut body) = client.open(request()).await;
            wait(|| active() == Some(1)).await;
            if round == 0 {
                body.send_reset(h2::Reason::CANCEL);
            }
            drop((answer, body));
            wait(|| active() == Some(0)).await;
        }
        // One that stays is let through when there is room, with its body.
        let (answer, mut body) = client.open(request()).await;
        body.send_data("body".into(), true).unwrap();
        wait(|| active() == Some(1)).await;
        assert_eq!(gateway.admin("DELETE", "/limits", "").status, 204);
        let answer = whole(answer.await.unwrap()).await;
        assert!(answer.status == 200 && answer.body.contains("\"data\": \"body\""), "{answer:?}");
    });
    block_on(async {
        let client = Streams::connect(proxy).await;
        let (answer, body) = client.open(ask("GET", proxy, "/up", &[])).await;
        wait(|| active() == Some(1)).await;
        // All of the connection goes.
        drop((answer, body, client));
    });
    eventually("it is given up", || (active() == Some(0)).then_some(()));
}

/// Asks again until it is so, and lets the connection work meanwhile.
async fn wait(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[test]
fn a_stream_that_is_given_up_frees_its_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::start(&config(&format!("http://{}", listener.local_addr().unwrap()), ""));
    let proxy = gateway.proxy;
    let (tell, came) = channel();
    let upstream = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        tell.send(read_head(&mut stream)).unwrap();
        // The last chunk, and then the end.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).map(|_| rest)
    });
    block_on(async {
        let client = Streams::connect(proxy).await;
        let (answer, mut body) = client.open(ask("GET", proxy, "/up", &[])).await;
        body.send_data(Bytes::new(), true).unwrap();
        let mut head = None;
        wait(|| {
            head = came.try_recv().ok();
            head.is_some()
        })
        .await;
        assert!(head.unwrap().starts_with("GET / "));
        drop((answer, body));
        // The connection lives on.
        wait(|| upstream.is_finished()).await;
        assert_eq!(client.get(ask("GET", proxy, "/nowhere", &[])).await.status, 404);
    });
    assert_eq!(upstream.join().unwrap().unwrap(), b"0\r\n\r\n");
}

#[test]
fn too_many_headers_and_streams_are_refused_and_connect_is() {
    let upstream = streaming();
    let gateway = Gateway::start(&config(&upstream.url("/"), ""));
    let proxy = gateway.proxy;
    block_on(async {
        let client = Streams::connect(proxy).await;
        let long = "x".repeat(70_000);
        let answer = client.get(ask("GET", proxy, "/up", &[("x-long", &long)])).await;
        assert_eq!(answer.status, 431);
        for (fields, refused) in [(250, false), (300, true)] {
            let crumbs: Vec<_> = (0..fields).map(|_| ("cookie", "a=b")).collect();
            assert_eq!(client.get(ask("GET", proxy, "/up", &crumbs)).await.status == 431, refused, "{fields}");
        }
        let mut connect = ask("CONNECT", proxy, "", &[]);
        *connect.uri_mut() = format!("{proxy}").parse().unwrap();
        assert_eq!(client.get(connect).await.status, 405);
        // The connection lives on.
        assert_eq!(client.get(ask("GET", proxy, "/nowhere", &[])).await.status, 404);
    });
}
