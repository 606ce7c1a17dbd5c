//! A request in, an answer of the upstream or of the gateway out.

use std::io::{Read, Write};

use crate::harness::{Gateway, Request, Server, free_address, httpbin, raw, read_head, request};

fn demo(upstream: &Server, more: &str) -> String {
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n{more}",
        upstream.url("/anything")
    )
}

#[test]
fn the_upstream_sees_kongs_headers_and_the_client_too() {
    let upstream = httpbin();
    let gateway = Gateway::start(&demo(&upstream, ""));
    let forged = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Request-Id", "mine"), ("Via", "1.0 other")];
    let answer = gateway.get("/demo/a%7Eb?x=1&y", &forged);
    assert_eq!(answer.status, 200);
    let seen = answer.json();
    assert_eq!(seen["url"], format!("http://{}/anything/a~b?x=1&y", upstream.address));
    let headers = &seen["headers"];
    let expected = [
        ("Host", upstream.address.to_string()),
        ("X-Forwarded-For", "127.0.0.1".into()),
        ("X-Forwarded-Proto", "http".into()),
        ("X-Forwarded-Host", gateway.proxy.to_string()),
        ("X-Forwarded-Port", gateway.proxy.port().to_string()),
        ("X-Forwarded-Path", "/demo/a%7Eb".into()),
        ("X-Forwarded-Prefix", "/demo".into()),
        ("X-Real-Ip", "127.0.0.1".into()),
        ("Via", "1.0 other, 1.1 sluice".into()),
    ];
    for (name, value) in expected {
        assert_eq!(headers[name], value.as_str(), "{name}");
    }
    let id = answer.header("X-Request-Id").unwrap();
    assert_eq!(id.len(), 32);
    assert_eq!(headers["X-Request-Id"], id);
    assert_eq!(answer.header("Via"), Some("1.1 sluice"));
    assert!(answer.header("X-Kong-Upstream-Latency").unwrap().parse::<u64>().is_ok());
    assert!(answer.header("X-Kong-Proxy-Latency").unwrap().parse::<u64>().is_ok());
    let spelled = gateway.get("/x/..//%64emo/a", &[]).json();
    assert_eq!(spelled["headers"]["X-Forwarded-Prefix"], "/demo");
    assert_eq!(spelled["headers"]["X-Forwarded-Path"], "/x/..//%64emo/a");
}

#[test]
fn a_trusted_proxy_is_believed_from_the_right() {
    let upstream = httpbin();
    let gateway = Gateway::start(&demo(&upstream, ""));
    gateway.edit_by_rename(|text| text.replace("threads = 2", "threads = 2\ntrusted_proxies = [\"127.0.0.1\"]"));
    // Who is trusted is a matter of the start.
    let gateway = gateway.restart();
    let said = [("X-Forwarded-For", "6.6.6.6, 1.2.3.4"), ("X-Forwarded-Proto", "https")];
    let seen = gateway.get("/demo", &said).json();
    assert_eq!(seen["headers"]["X-Real-Ip"], "1.2.3.4");
    assert_eq!(seen["headers"]["X-Forwarded-For"], "6.6.6.6, 1.2.3.4, 127.0.0.1");
    assert_eq!(seen["headers"]["X-Forwarded-Proto"], "https");
}

#[test]
fn bodies_and_methods_go_through() {
    let upstream = httpbin();
    let gateway = Gateway::start(&demo(&upstream, ""));
    let body = "x".repeat(100_000);
    let sent = request(
        gateway.proxy,
        &Request { method: "PUT", path: "/demo", headers: &[("Content-Type", "text/plain")], body: &body },
    );
    assert_eq!(sent.json()["data"], body.as_str());
    assert_eq!(sent.json()["method"], "PUT");
    let chunked = "POST /demo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert!(raw(gateway.proxy, chunked.as_bytes()).contains("\"data\": \"abcde\""));
    let head = request(gateway.proxy, &Request { method: "HEAD", path: "/demo", headers: &[], body: "" });
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn routes_are_found_by_host_path_and_method() {
    let upstream = httpbin();
    let routes = "[routes.host]\nservice = \"demo\"\nhosts = [\"a.example\", \"*.b.example\"]\n[routes.post]\nservice = \"demo\"\nmethods = [\"POST\"]\npaths = [\"/only-post\"]\nstrip_path = false\npreserve_host = true\n";
    let gateway = Gateway::start(&demo(&upstream, routes));
    let status = |method, path, host| request(gateway.proxy, &Request { method, path, headers: &[("Host", host)], body: "" });
    assert_eq!(status("GET", "/whatever", "A.Example:8000").status, 200);
    assert_eq!(status("GET", "/whatever", "x.b.example").status, 200);
    assert_eq!(status("GET", "/whatever", "b.example").status, 404);
    assert_eq!(status("GET", "/only-post", "c.example").status, 404);
    let kept = status("POST", "/only-post/x", "c.example").json();
    assert_eq!(kept["url"], "http://c.example/anything/only-post/x");
    let unmatched = status("GET", "/nothing", "c.example");
    assert_eq!(unmatched.status, 404);
    assert_eq!(unmatched.json()["message"], "no Route matched with those values");
    assert_eq!(unmatched.json()["request_id"], unmatched.header("X-Request-Id").unwrap());
    assert!(unmatched.header("Server").unwrap().starts_with("sluice/"));
}

#[test]
fn a_key_tells_who_calls() {
    let upstream = httpbin();
    let consumers = "[consumers.Joe]\ncustom_id = \"j-1\"\nkey-auth = [{ key = \"joe-key\" }]\n[services.demo.plugins.key-auth]\nhide_credentials = true\n";
    let gateway = Gateway::start(&demo(&upstream, consumers));
    let refused = gateway.get("/demo", &[]);
    assert_eq!((refused.status, refused.header("WWW-Authenticate")), (401, Some("Key")));
    assert_eq!(refused.json()["message"], "No API key found in request");
    assert_eq!(gateway.get("/demo", &[("apikey", "wrong")]).json()["message"], "Unauthorized");
    assert_eq!(
        gateway.get("/demo", &[("apikey", "joe-key"), ("apikey", "joe-key")]).json()["message"],
        "Duplicate API key found"
    );
    let forged = [("apikey", "joe-key"), ("X-Consumer-Username", "root"), ("X-Credential-Identifier", "x")];
    let seen = gateway.get("/demo?apikey=zzz&q=1", &forged).json();
    assert_eq!(seen["headers"]["X-Consumer-Username"], "Joe");
    assert_eq!(seen["headers"]["X-Consumer-Custom-Id"], "j-1");
    assert_ne!(seen["headers"]["X-Credential-Identifier"], "x");
    assert!(seen["headers"].get("Apikey").is_none());
    assert_eq!(seen["args"], serde_json::json!({ "q": "1" }));
    assert_eq!(gateway.get("/demo?apikey=joe%2Dkey", &[]).status, 200);
}

#[test]
fn no_spelling_of_a_path_walks_around_its_plugins() {
    let upstream = httpbin();
    let open = "[services.open]\nurl = \"http://UPSTREAM/anything\"\n[routes.open]\nservice = \"open\"\npaths = [\"/\"]\n[routes.demo.plugins.key-auth]\n";
    let gateway = Gateway::start(&demo(&upstream, &open.replace("UPSTREAM", &upstream.address.to_string())));
    assert_eq!(gateway.get("/open", &[]).status, 200);
    for path in ["/demo", "//demo", "/x/../demo", "/%64emo", "/./demo", "/x/%2e%2e/demo/", "/%2E/demo", "/a//..//demo"] {
        assert_eq!(gateway.get(path, &[]).status, 401, "{path}");
    }
    let absolute = format!("http://{}/demo", gateway.proxy);
    assert_eq!(gateway.get(&absolute, &[]).status, 401);
}

/// Reads a request to its end, which is that of its head or of the body "once"; its first line.
fn whole_request(stream: &mut std::net::TcpStream) -> Option<String> {
    let (mut text, mut piece) = (String::new(), [0; 4096]);
    while !text.contains("\r\n\r\n") || (text.starts_with("POST") && !text.contains("once")) {
        match stream.read(&mut piece).unwrap_or(0) {
            0 => return None,
            read => text.push_str(&String::from_utf8_lossy(&piece[..read])),
        }
    }
    Some(text.lines().next().unwrap_or_default().to_owned())
}

/// An upstream that answers the first request of a connection and hangs up at the second; it tells what it was asked.
fn forgetful() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            std::thread::spawn(move || {
                for answer in [&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..], b""] {
                    let Some(line) = whole_request(&mut stream) else { return };
                    if tell.send(line).is_err() || stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, asked)
}

#[test]
fn a_request_on_a_stale_connection_is_sent_again_whole_if_it_may_be() {
    let (upstream, asked) = forgetful();
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"http://{upstream}/base\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n"
    ));
    for _ in 0..3 {
        assert_eq!(gateway.get("/demo/x?y=1", &[]).status, 200);
    }
    let lines: Vec<String> = asked.try_iter().collect();
    assert!(lines.len() > 3, "some connection was stale: {lines:?}");
    assert!(lines.iter().all(|line| line == "GET /base/x?y=1 HTTP/1.1"), "{lines:?}");
    let post = Request { method: "POST", path: "/demo/x", headers: &[], body: "once" };
    let statuses: Vec<u16> = (0..2).map(|_| request(gateway.proxy, &post).status).collect();
    let posts = asked.try_iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 2, "a POST is not sent twice: {statuses:?}");
}

#[test]
fn an_old_upstream_is_answered_for_in_todays_version() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (answer, stream) in ["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.0 200 OK\r\n\r\nuntil the end"]
            .iter()
            .zip(listener.incoming())
        {
            let mut stream = stream.unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"http://{upstream}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/\"]\n"
    ));
    for body in ["ok", "until the end"] {
        let answer = gateway.get("/", &[]);
        assert_eq!((answer.head.split(' ').next(), answer.body.as_str()), (Some("HTTP/1.1"), body));
    }
}

#[test]
fn connections_are_kept_only_by_clients_that_keep_them() {
    let upstream = httpbin();
    let gateway = Gateway::start(&demo(&upstream, ""));
    let old = raw(gateway.proxy, b"GET /demo HTTP/1.0\r\nHost: x\r\n\r\n");
    assert!(old.contains("\r\nConnection: close\r\n") && old.contains("\"url\""), "{old}");
    let streamed = demo(&upstream, "").replace("/anything", "/stream/2");
    gateway.edit_by_rename(|text| format!("{}{streamed}", text.split("[services").next().unwrap()));
    let lines = crate::harness::eventually("the new path", || {
        let answer = raw(gateway.proxy, b"GET /demo HTTP/1.0\r\nHost: x\r\n\r\n");
        answer.contains("\"id\":1").then_some(answer)
    });
    assert!(!lines.to_ascii_lowercase().contains("transfer-encoding"), "{lines}");
    let closing = raw(gateway.proxy, b"GET /demo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(closing.contains("\r\nConnection: close\r\n"), "{closing}");
}

#[test]
fn what_is_between_the_upstream_and_us_stays_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop, Content-Length\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.read(&mut [0; 4096]);
    });
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"http://{upstream}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/\"]\n"
    ));
    let answer = gateway.get("/", &[]);
    assert_eq!((answer.body.as_str(), answer.header("X-End")), ("ok", Some("2")));
    assert_eq!((answer.header("X-Hop"), answer.header("Keep-Alive")), (None, None));
}

#[test]
fn a_websocket_goes_through_its_limits_and_then_both_ways() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).unwrap();
        let asked = String::from_utf8_lossy(&buffer[..read]).to_ascii_lowercase();
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n").unwrap();
        stream.read_exact(&mut buffer[..4]).unwrap();
        stream.write_all(&buffer[..4]).unwrap();
        asked
    });
    let limit = "[plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\n";
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"http://{upstream}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/\"]\n{limit}"
    ));
    let upgrade = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut client = std::net::TcpStream::connect(gateway.proxy).unwrap();
    client.write_all(upgrade.as_bytes()).unwrap();
    let answer = read_head(&mut client);
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains("RateLimit-Remaining: 0"), "{answer}");
    client.write_all(b"ping").unwrap();
    let mut echo = [0; 4];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"ping");
    assert!(served.join().unwrap().contains("upgrade: websocket"));
    assert!(
        raw(gateway.proxy, upgrade.replace("Connection: Upgrade", "Connection: Upgrade, close").as_bytes())
            .starts_with("HTTP/1.1 429 ")
    );
}

#[test]
fn a_failing_upstream_has_kongs_error_bodies() {
    let upstream = httpbin();
    let dead = free_address();
    let more = format!(
        "[services.dead]\nurl = \"http://{dead}\"\n[routes.dead]\nservice = \"dead\"\npaths = [\"/dead\"]\n\
         [services.slow]\nurl = \"{}\"\nread_timeout = \"50ms\"\n[routes.slow]\nservice = \"slow\"\npaths = [\"/slow\"]\n\
         [services.lost]\nurl = \"http://no-such-host.invalid\"\n[routes.lost]\nservice = \"lost\"\npaths = [\"/lost\"]\n\
         [services.off]\nurl = \"http://{dead}\"\nenabled = false\n[routes.off]\nservice = \"off\"\npaths = [\"/off\"]\n\
         [routes.nowhere]\npaths = [\"/nowhere\"]\n",
        upstream.url("/delay/5")
    );
    let gateway = Gateway::start(&demo(&upstream, &more));
    let check = |path: &str, status: u16, message: &str| {
        let answer = gateway.get(path, &[]);
        assert_eq!((answer.status, answer.json()["message"].as_str()), (status, Some(message)), "{path}");
        assert_eq!(answer.json()["request_id"], answer.header("X-Request-Id").unwrap());
    };
    check("/dead", 503, "The upstream server is currently unavailable");
    check("/slow", 504, "The upstream server is timing out");
    check("/lost", 503, "name resolution failed");
    check("/off", 404, "no Route matched with those values");
    check("/nowhere", 503, "no Service found with those values");
    assert_eq!(gateway.get("/demo", &[]).status, 200);
    assert!(gateway.wait_for_log("a request failed").contains("service=\"dead\""));
}
