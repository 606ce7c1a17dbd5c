//! Requests are spread over the targets of an upstream, and a target that fails is replaced by another.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Gateway, Node, Request, eventually, free_address, gated, ok, read_head, request};

/// A header that goes no further, and that makes Pingora read the request.
const LONG_WAY: (&str, &str) = ("Keep-Alive", "timeout=5");
const BOTH_WAYS: [&[(&str, &str)]; 2] = [&[], &[LONG_WAY]];

/// A service that is served by these targets.
fn config(targets: &[String], upstream: &str) -> String {
    let targets: Vec<String> =
        targets.iter().map(|target| if target.starts_with('{') { target.clone() } else { format!("{target:?}") }).collect();
    format!(
        "[services.app]\nurl = \"http://pool\"\n[routes.app]\nservice = \"app\"\npaths = [\"/\"]\n\
         [upstreams.pool]\ntargets = [{}]\n{upstream}\n",
        targets.join(", ")
    )
}

fn addresses(nodes: &[&Node]) -> Vec<String> {
    nodes.iter().map(|node| node.address.to_string()).collect()
}

#[test]
fn targets_have_their_share_by_weight_on_both_ways() {
    let (one, two) = (Node::start(), Node::start());
    let targets = [format!("{{ target = \"{}\", weight = 300 }}", one.address), two.address.to_string()];
    let gateway = Gateway::start(&config(&targets, ""));
    for (round, headers) in BOTH_WAYS.iter().enumerate() {
        for _ in 0..8 {
            assert_eq!(gateway.get("/", headers).status, 200);
        }
        assert_eq!((one.hits(), two.hits()), (6 * (round + 1), 2 * (round + 1)));
    }
    let upstream = gateway.admin("GET", "/upstreams/pool", "").json();
    assert_eq!((&upstream["algorithm"], &upstream["slots"]), (&"round-robin".into(), &10_000.into()));
    assert_eq!(gateway.admin("GET", "/upstreams/pool/targets", "").json()["data"][0]["weight"], 300);
}

#[test]
fn a_target_sees_its_own_name_as_host_or_the_upstreams() {
    let node = Node::answering(|head, stream| {
        ok(stream, head.lines().find(|line| line.starts_with("host:") || line.starts_with("Host:")).unwrap_or("none"))
    });
    let gateway = Gateway::start(&config(&addresses(&[&node]), ""));
    let own = format!("host: {}", node.address);
    for headers in BOTH_WAYS {
        assert_eq!(gateway.get("/", headers).body.to_lowercase(), own);
    }
    gateway.edit_by_rename(|text| text.replace("[upstreams.pool]\n", "[upstreams.pool]\nhost_header = \"inner.example\"\n"));
    eventually("the other name", || (gateway.get("/", &[]).body.to_lowercase() == "host: inner.example").then_some(()));
    assert_eq!(gateway.get("/", &[LONG_WAY]).body.to_lowercase(), "host: inner.example");
}

#[test]
fn a_failed_connection_is_tried_at_another_target() {
    let node = Node::start();
    let targets = [free_address().to_string(), node.address.to_string(), free_address().to_string()];
    let gateway = Gateway::start(&config(&targets, ""));
    for headers in BOTH_WAYS {
        for _ in 0..6 {
            assert_eq!(gateway.get("/", headers).status, 200);
            // Nothing was sent, so it may be sent.
            assert_eq!(request(gateway.proxy, &Request { method: "POST", path: "/", headers, body: "once" }).status, 200);
        }
    }
    assert_eq!(node.hits(), 24);
    gateway.edit_by_rename(|text| text.replace("url = \"http://pool\"", "url = \"http://pool\"\nretries = 0"));
    eventually("no retries", || (gateway.get("/", &[]).status == 503).then_some(()));
}

#[test]
fn what_was_sent_is_sent_again_only_if_it_may_be_and_an_answer_is_an_answer() {
    let hangs_up = Node::answering(|_, _| false);
    let fails = Node::answering(|_, stream| stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy").is_ok());
    let gateway = Gateway::start(&config(&addresses(&[&hangs_up, &fails]), ""));
    for (round, headers) in BOTH_WAYS.iter().enumerate() {
        for _ in 0..4 {
            let answer = gateway.get("/", headers);
            assert_eq!((answer.status, answer.body.as_str()), (503, "busy"), "a 5xx is passed on");
        }
        assert_eq!(fails.hits(), 4 * (round + 1), "each was answered by it, once");
    }
    let before = hangs_up.hits() + fails.hits();
    let statuses: Vec<u16> = (0..4)
        .map(|_| request(gateway.proxy, &Request { method: "POST", path: "/", headers: &[], body: "once" }).status)
        .collect();
    assert_eq!(hangs_up.hits() + fails.hits() - before, 4, "a POST is sent once: {statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2);
}

#[test]
fn whether_it_may_be_sent_again_is_said_by_the_method_that_the_target_sees() {
    let (hangs_up, good) = (Node::answering(|_, _| false), Node::start());
    let transformed = |method: &str, nodes: &[&Node]| {
        Gateway::start(&(config(&addresses(nodes), "") + &format!("[plugins.request-transformer]\nhttp_method = \"{method}\"\n")))
    };
    let gateway = transformed("POST", &[&hangs_up]);
    assert_eq!(gateway.get("/", &[]).status, 502);
    assert_eq!(hangs_up.hits(), 1, "a POST is sent once, whatever it was before");
    let gateway = transformed("PUT", &[&hangs_up, &good]);
    for _ in 0..2 {
        assert_eq!(request(gateway.proxy, &Request { method: "POST", path: "/", headers: &[], body: "twice" }).status, 200);
    }
    assert!(hangs_up.hits() > 1 && good.hits() == 2, "{} {}", hangs_up.hits(), good.hits());
}

#[test]
fn a_client_that_is_still_sending_hears_why_it_need_not() {
    let hangs_up = Node::answering(|_, _| false);
    let gateway = Gateway::start(&config(&addresses(&[&hangs_up]), ""));
    // The node reads only a body whose length was said.
    for (head, part) in [("Content-Length: 90000", &[b'x'; 45_000][..]), ("Transfer-Encoding: chunked", b"5\r\nhello\r\n")] {
        let chunked = head.starts_with("Transfer");
        let target = if chunked { hangs_up.address } else { free_address() };
        gateway.edit_by_rename(|text| {
            let targets = text.lines().find(|line| line.starts_with("targets")).unwrap();
            text.replace(targets, &format!("targets = [\"{target}\"]"))
        });
        eventually("the target", || {
            let targets = gateway.admin("GET", "/upstreams/pool/targets", "").body;
            targets.contains(&target.to_string()).then_some(())
        });
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.write_all(format!("POST / HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n").as_bytes()).unwrap();
        client.write_all(part).unwrap();
        let answer = read_head(&mut client);
        assert!(answer.starts_with("HTTP/1.1 50") && answer.contains("Connection: close"), "{answer}");
        client.write_all(part).unwrap();
        if chunked {
            client.write_all(b"0\r\n\r\n").unwrap();
        }
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("\"message\""), "{rest}");
    }
}

#[test]
fn a_client_that_is_slow_to_send_is_no_failure_of_the_target() {
    let node = Node::start();
    let checks = "healthchecks.passive.unhealthy = { timeouts = 1, tcp_failures = 1 }";
    let limits = "http://pool\"\nread_timeout = \"10s\"\nrequest_timeout = \"200ms\"";
    let gateway = Gateway::start(&config(&addresses(&[&node]), checks).replace("http://pool\"", limits));
    let mut clients: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(gateway.proxy).unwrap()).collect();
    for client in &mut clients {
        client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nx").unwrap();
    }
    // One says no more, the other says little at a time.
    let mut sends = clients[1].try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        while sends.write_all(b"x").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    });
    for client in &mut clients {
        let answer = read_head(client);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    clients.clear();
    sending.join().unwrap();
    let health = gateway.admin("GET", "/upstreams/pool/health", "").json();
    assert_eq!(health["data"][0]["health"], "HEALTHY", "{health}");
    assert_eq!(gateway.get("/", &[]).status, 200);
}

#[test]
fn retries_stop_at_their_number() {
    let node = Node::answering(|_, _| false);
    let gateway = Gateway::start(&config(&addresses(&[&node]), "").replace("http://pool\"", "http://pool\"\nretries = 3"));
    for (round, headers) in BOTH_WAYS.iter().enumerate() {
        assert_eq!(gateway.get("/", headers).status, 502);
        assert_eq!(node.hits(), 4 * (round + 1));
    }
}

#[test]
fn a_slow_target_is_replaced_and_all_tries_have_one_deadline() {
    let slow = Node::answering(|_, _| {
        std::thread::park_timeout(crate::harness::DEADLINE);
        false
    });
    let fast = Node::start();
    let limits = "http://pool\"\nread_timeout = \"100ms\"";
    let gateway = Gateway::start(&config(&addresses(&[&slow, &fast]), "").replace("http://pool\"", limits));
    for headers in BOTH_WAYS {
        for _ in 0..2 {
            assert_eq!(gateway.get("/", headers).status, 200);
        }
    }
    assert!((1..=4).contains(&slow.hits()), "{}", slow.hits());
    let only = format!("targets = [\"{}\"]", slow.address);
    gateway.edit_by_rename(|text| {
        let targets = text.lines().find(|line| line.starts_with("targets")).unwrap();
        let text = text.replace(targets, &only);
        text.replace("read_timeout = \"100ms\"", "retries = 100\nrequest_timeout = \"250ms\"")
    });
    eventually("the deadline", || (gateway.get("/", &[]).status == 504).then_some(()));
    for headers in BOTH_WAYS {
        let began = std::time::Instant::now();
        let answer = gateway.get("/", headers);
        assert_eq!(answer.status, 504);
        assert_eq!(answer.json()["message"], "The upstream server is timing out");
        assert!(began.elapsed() >= std::time::Duration::from_millis(250), "{:?}", began.elapsed());
    }
}

/// Whether no request is at the target.
fn is_free(gateway: &Gateway, address: SocketAddr) -> bool {
    let metrics = gateway.admin("GET", "/metrics", "").body;
    let active = metrics.lines().filter(|line| line.starts_with("sluice_upstream_target_requests_active{"));
    let mut own = active.filter(|line| line.contains(&format!("address=\"{address}\"")));
    own.next().is_some_and(|line| line.ends_with(" 0"))
}

#[test]
fn the_least_busy_target_is_next() {
    let (busy, came, gate) = gated();
    let free = Node::start();
    let targets = [busy.address.to_string(), free.address.to_string()];
    let gateway = Gateway::start(&config(&targets, "algorithm = \"least-connections\""));
    std::thread::scope(|scope| {
        let proxy = gateway.proxy;
        // It goes on until one of them is stuck.
        let stuck: Vec<_> = (0..2).map(|_| scope.spawn(move || crate::harness::get(proxy, "/", &[]).status)).collect();
        came.recv_timeout(crate::harness::DEADLINE).unwrap();
        let before = free.hits();
        for _ in 0..10 {
            for headers in BOTH_WAYS {
                // A client has its answer a little before the request counts as over.
                eventually("the free target to be free", || is_free(&gateway, free.address).then_some(()));
                assert_eq!(gateway.get("/", headers).status, 200);
            }
        }
        assert!(free.hits() >= before + 20);
        gate.add_permits(100);
        assert!(stuck.into_iter().all(|stuck| stuck.join().unwrap() == 200));
    });
    // What is over counts no more: both have the same again.
    eventually("both to be free", || (is_free(&gateway, busy.address) && is_free(&gateway, free.address)).then_some(()));
    let before = free.hits();
    for _ in 0..10 {
        assert_eq!(gateway.get("/", &[]).status, 200);
    }
    assert!((4..=6).contains(&(free.hits() - before)), "{}", free.hits() - before);
}

#[test]
fn a_key_comes_to_the_same_target_and_moves_only_with_it() {
    let nodes = [Node::start(), Node::start(), Node::start()];
    let all = addresses(&nodes.iter().collect::<Vec<_>>());
    let hashed = "algorithm = \"consistent-hashing\"\nhash_on = \"header\"\nhash_on_header = \"x-user\"\nhash_fallback = \"query_arg\"\nhash_fallback_query_arg = \"user\"";
    let gateway = Gateway::start(&config(&all, hashed));
    let seen = |gateway: &Gateway| -> HashMap<usize, String> {
        (0..40)
            .map(|user| {
                let name = format!("user-{user}");
                let by = |path: &str, headers: &[(&str, &str)]| gateway.get(path, headers).body;
                let owner = by("/", &[("X-User", &name)]);
                assert_eq!(by("/", &[("X-User", &name), LONG_WAY]), owner);
                assert_eq!(by(&format!("/?user={name}"), &[]), owner, "the fallback is the same key");
                (user, owner)
            })
            .collect()
    };
    let before = seen(&gateway);
    assert!(all.iter().all(|node| before.values().any(|owner| owner == node)), "{before:?}");
    gateway.edit_by_rename(|text| text.replace(&format!(", {:?}]", all[2]), "]"));
    eventually("two targets", || {
        let targets = gateway.admin("GET", "/upstreams/pool/targets", "").json();
        (targets["data"].as_array().unwrap().len() == 2).then_some(())
    });
    for (user, owner) in seen(&gateway) {
        assert!(before[&user] == owner || before[&user] == all[2], "{user}");
    }
}

#[test]
fn a_client_without_the_cookie_is_given_one_and_stays() {
    let nodes = [Node::start(), Node::start(), Node::start()];
    let hashed =
        "algorithm = \"consistent-hashing\"\nhash_on = \"cookie\"\nhash_on_cookie = \"seat\"\nhash_on_cookie_path = \"/app\"";
    let gateway = Gateway::start(&config(&addresses(&nodes.iter().collect::<Vec<_>>()), hashed));
    for headers in BOTH_WAYS {
        let first = gateway.get("/", headers);
        let cookie = first.header("Set-Cookie").unwrap();
        assert!(cookie.starts_with("seat=") && cookie.ends_with("; Path=/app"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        for _ in 0..6 {
            let next = gateway.get("/", &[("Cookie", pair)]);
            assert_eq!((next.body.as_str(), next.header("Set-Cookie")), (first.body.as_str(), None));
        }
    }
}

#[test]
fn the_slower_target_gets_less() {
    let fast = Node::start();
    let slow = Node::answering(|_, stream| {
        std::thread::park_timeout(std::time::Duration::from_millis(30));
        ok(stream, "slow")
    });
    let gateway = Gateway::start(&config(&addresses(&[&fast, &slow]), "algorithm = \"latency\""));
    for _ in 0..60 {
        assert_eq!(gateway.get("/", &[]).status, 200);
    }
    assert!(slow.hits() < 25, "{}", slow.hits());
}

#[test]
fn a_target_may_be_a_socket_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let hits = Arc::<AtomicUsize>::default();
    let counted = hits.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let counted = counted.clone();
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        counted.fetch_add(1, Ordering::SeqCst);
                        head.clear();
                        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix").is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    let gateway = Gateway::start(&config(&[format!("unix:{}", path.display())], ""));
    for headers in BOTH_WAYS {
        for _ in 0..3 {
            let answer = gateway.get("/", headers);
            assert_eq!((answer.status, answer.body.as_str()), (200, "unix"));
        }
    }
    assert_eq!(hits.load(Ordering::SeqCst), 6);
}
