//! The two ways of a request, the short one and Pingora's, answer alike; and what only the short one has.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use crate::harness::{DEADLINE, Gateway, eventually, httpbin, raw, read_head, unchunked};

/// A header that goes no further, and that makes Pingora read the request.
const LONG_WAY: &str = "Keep-Alive: timeout=5\r\n";

fn config(upstream: SocketAddr, more: &str) -> String {
    format!(
        "[services.up]\nurl = \"http://{upstream}\"\nretries = 0\n{more}\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\nstrip_path = false\n\
         [plugins.rate-limiting-advanced]\nlimit = [100000]\nwindow_size = [60]\nidentifier = \"ip\"\n"
    )
}

/// An upstream that gives each connection the answer of the path that it asks for, and hangs up; it tells what it was asked.
fn scripted(answers: &'static [(&'static str, &'static str)]) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = read_head(&mut stream);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let answer = answers.iter().find(|(of, _)| *of == path).map_or("", |(_, answer)| answer);
            // Whoever asked may be gone.
            let _ = stream.write_all(answer.as_bytes());
            let _ = tell.send(head);
        }
    });
    (address, asked)
}

/// The lines of a head, without what is different every time.
fn lines(head: &str) -> Vec<String> {
    let changing = [
        "date:",
        "x-request-id:",
        "x-kong-upstream-latency:",
        "x-kong-proxy-latency:",
        "x-kong-response-latency:",
        "ratelimit-re",
        "x-ratelimit-remaining",
    ];
    let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
    lines.retain(|line| !changing.iter().any(|changing| line.to_ascii_lowercase().starts_with(changing)));
    lines.sort();
    lines
}

#[test]
fn both_ways_pass_the_same_answers_on() {
    const ANSWERS: &[(&str, &str)] = &[
        ("/length", "HTTP/1.1 200 Fine\r\nX-Case: Kept\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\nhello"),
        ("/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        ("/close", "HTTP/1.1 200 OK\r\nServer: old\r\n\r\nuntil the end"),
        ("/old", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        ("/empty", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("/same", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"),
        ("/error", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\nRetry-After: 9\r\n\r\nbad"),
        (
            "/hop",
            "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nVia: 1.0 a\r\nContent-Length: 2\r\n\r\nok",
        ),
        (
            "/hops",
            "HTTP/1.1 200 OK\r\nConnection: X-A\r\nConnection: X-B\r\nConnection: X-C\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nContent-Length: 2\r\n\r\nok",
        ),
        ("/ours", "HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nRateLimit-Limit: 7\r\nContent-Length: 2\r\n\r\nok"),
        ("/twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
        (
            "/early",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ),
        ("/empty-length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
        ("/empty-chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("/same-length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("/same-chunks", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ];
    let (upstream, asked) = scripted(ANSWERS);
    let gateway = Gateway::start(&config(upstream, ""));
    for (path, _) in ANSWERS {
        for (method, version) in [("GET", "1.1"), ("HEAD", "1.1"), ("GET", "1.0")] {
            let [short, long] = ["", LONG_WAY].map(|more| {
                let request =
                    format!("{method} {path} HTTP/{version}\r\nHost: h\r\nConnection: close\r\nX-Mine: 1\r\n{more}\r\n");
                raw(gateway.proxy, request.as_bytes())
            });
            let parts = |answer: &str| {
                let early = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.1 103 "));
                let (early, answer) = early.unwrap_or(("", answer));
                let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
                (early.to_owned(), lines(head), unchunked(head, body), body.ends_with("0\r\n\r\n"))
            };
            assert_eq!(parts(&short), parts(&long), "{method} {path} HTTP/{version}");
            let [first, second] = [(); 2].map(|()| lines(&asked.recv_timeout(DEADLINE).unwrap().to_ascii_lowercase()));
            assert_eq!(first, second, "{method} {path} HTTP/{version}");
        }
    }
}

#[test]
fn a_broken_answer_is_told_as_one_on_both_ways() {
    const ANSWERS: &[(&str, &str)] = &[
        ("/nothing", ""),
        ("/zero", "HTTP/1.1 000 Zero\r\nContent-Length: 9\r\n\r\nhello"),
        ("/garbage", "SSH-2.0-OpenSSH\r\n\r\n"),
        ("/lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
        ("/chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n"),
        ("/switch", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        ("/coded", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ];
    let (upstream, _asked) = scripted(ANSWERS);
    let gateway = Gateway::start(&config(upstream, ""));
    let ask = |path: &str, more: &str| {
        raw(gateway.proxy, format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}\r\n").as_bytes())
    };
    for (path, _) in ANSWERS {
        let short = ask(path, "");
        assert!(short.starts_with("HTTP/1.1 502 "), "{path}: {short}");
        assert!(short.contains("An invalid response was received from the upstream server"), "{path}: {short}");
        // Pingora passes some of them on; the short way does not.
        if ["/nothing", "/garbage", "/switch"].contains(path) {
            assert_eq!(lines(&short).len(), lines(&ask(path, LONG_WAY)).len(), "{path}");
        }
    }
}

#[test]
fn an_early_head_is_no_answer() {
    let (upstream, _asked) = scripted(&[("/", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")]);
    let gateway = Gateway::start(&config(upstream, ""));
    for way in ["", LONG_WAY] {
        let answer = raw(gateway.proxy, format!("GET / HTTP/1.1\r\nHost: h\r\n{way}\r\n").as_bytes());
        let (early, answer) = answer.split_once("\r\n\r\n").unwrap();
        assert!(early.starts_with("HTTP/1.1 103 ") && answer.starts_with("HTTP/1.1 502 "), "{way}: {early} {answer}");
        let old = raw(gateway.proxy, format!("GET / HTTP/1.0\r\n{way}\r\n").as_bytes());
        assert!(old.starts_with("HTTP/1.1 502 "), "a client that knows none is not shown any: {old}");
    }
    eventually("a line for each", || {
        let lines = gateway.log().into_iter().filter(|line| line.contains("a request failed") && line.contains("status=502"));
        (lines.count() == 4).then_some(())
    });
}

#[test]
fn an_answer_that_breaks_off_is_never_made_whole() {
    const ANSWERS: &[(&str, &str)] = &[
        ("/length", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"),
        ("/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n32\r\nhalf"),
    ];
    let (upstream, _asked) = scripted(ANSWERS);
    let gateway = Gateway::start(&config(upstream, ""));
    for (path, _) in ANSWERS {
        let answer = raw(gateway.proxy, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with("0\r\n\r\n"), "{path}: {answer}");
    }
    assert!(gateway.wait_for_log("a request failed").contains("status=200"));
}

#[test]
fn requests_that_come_at_once_are_answered_one_after_the_other() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(upstream.address, ""));
    let one = |n: usize, more: &str| format!("GET /anything/{n} HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    let three = one(1, "") + &one(2, "") + &one(3, "Connection: close\r\n");
    let answers = raw(gateway.proxy, three.as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
    let places = [1, 2, 3].map(|n| answers.find(&format!("/anything/{n}\"")).unwrap());
    assert!(places.is_sorted());
    // The next one comes while the first is still under way.
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.write_all(b"GET /delay/0.2 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    client.write_all(one(2, "Connection: close\r\n").as_bytes()).unwrap();
    let mut answers = String::new();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
}

#[test]
fn what_comes_after_a_request_with_a_body_is_the_next_request() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(upstream.address, ""));
    let get = |n: usize, more: &str| format!("GET /anything/{n} HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    let post = |n: usize| format!("POST /anything/{n} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    let chunked =
        |n: usize| format!("POST /anything/{n} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    let all = [get(1, ""), post(2), chunked(3), get(4, ""), get(5, LONG_WAY), post(6), get(7, "Connection: close\r\n")];
    let answers = raw(gateway.proxy, all.concat().as_bytes());
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), all.len(), "{answers}");
    let places: Vec<usize> = (1..=all.len()).map(|n| answers.find(&format!("/anything/{n}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(answers.matches("\"data\": \"body\"").count(), 3);
    // While a request with a body waits for its answer.
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"POST /delay/0.3 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody").unwrap();
    client.write_all(b"\r\n").unwrap();
    client.write_all(get(2, "Connection: close\r\n").as_bytes()).unwrap();
    let mut answers = String::new();
    client.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
}

#[test]
fn plain_and_other_requests_share_a_connection() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(upstream.address, ""));
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    for round in 0..4 {
        let post = format!("POST /anything/{round} HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
        for request in [format!("GET /anything/{round} HTTP/1.1\r\nHost: h\r\n\r\n"), post] {
            client.write_all(request.as_bytes()).unwrap();
            let head = read_head(&mut client);
            assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Connection: keep-alive"), "{head}");
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            client.read_exact(&mut body).unwrap();
            assert!(String::from_utf8(body).unwrap().contains(&format!("/anything/{round}\"")));
        }
    }
}

#[test]
fn a_client_that_goes_frees_the_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::start(&config(listener.local_addr().unwrap(), ""));
    let large = "x".repeat(5000);
    // Also if it said something after its request.
    for (more, way) in [("", ""), ("\r\n", ""), (large.as_str(), ""), ("", LONG_WAY), ("\r\n", LONG_WAY)] {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.write_all(format!("GET / HTTP/1.1\r\nHost: h\r\n{way}\r\n").as_bytes()).unwrap();
        let (mut upstream, _) = listener.accept().unwrap();
        assert!(read_head(&mut upstream).starts_with("GET / "));
        client.write_all(more.as_bytes()).unwrap();
        drop(client);
        assert_eq!(upstream.read(&mut [0; 16]).unwrap(), 0, "the gateway hangs up");
    }
}

#[test]
fn early_heads_without_an_end_are_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        while stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_ok() {}
    });
    let gateway = Gateway::start(&config(address, ""));
    assert_eq!(gateway.get("/", &[]).status, 502);
}

#[test]
fn an_answer_arrives_whole_though_the_client_went_on_talking() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(upstream.address, ""));
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"GET /bytes/3000000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    client.write_all(&[b'x'; 100_000]).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > 3_000_000, "{}", answer.len());
}

#[test]
fn what_an_upstream_says_beyond_its_answer_reaches_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                while !read_head(&mut stream).is_empty() {
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
                    );
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let gateway = Gateway::start(&config(address, ""));
    for n in 0..4 {
        assert_eq!(gateway.get("/", &[]).body, n.to_string(), "every answer comes from a connection of its own");
    }
}

#[test]
fn large_and_slow_answers_arrive_whole() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(upstream.address, ""));
    let bytes = crate::harness::run(
        "curl",
        &["-sS", "-o", "/dev/null", "-w", "%{size_download}", &format!("http://{}/bytes/20000000", gateway.proxy)],
    );
    assert_eq!(bytes, "20000000");
    let drip = gateway.get("/drip?numbytes=5&duration=0.2", &[]);
    assert_eq!(drip.body, "*****");
    // A client that reads slowly holds nothing up but itself.
    let mut slow = TcpStream::connect(gateway.proxy).unwrap();
    slow.write_all(b"GET /bytes/20000000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(gateway.get("/anything", &[]).status, 200);
    let mut read = 0;
    let mut buffer = vec![0; 1 << 16];
    slow.set_read_timeout(Some(DEADLINE)).unwrap();
    eventually("the end of the slow answer", || {
        let n = slow.read(&mut buffer).unwrap();
        read += n;
        (n == 0).then_some(())
    });
    assert!(read > 20_000_000, "{read}");
}

#[test]
fn a_plain_request_for_an_upstream_behind_tls_is_counted_once() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    // It hangs up at the handshake.
    std::thread::spawn(move || upstream.incoming().for_each(drop));
    let gateway = Gateway::start(&config(address, "").replace("http://", "https://"));
    for left in [99_999, 99_998] {
        let answer = gateway.get("/", &[]);
        assert!((500..504).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("X-RateLimit-Remaining-Minute"), Some(left.to_string().as_str()));
    }
    assert_eq!(gateway.admin("GET", "/status", "").json()["server"]["total_requests"], 2);
}
