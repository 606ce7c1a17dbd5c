//! Upstreams that do wrong, each with its own error and one line in the log; no other route feels it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use crate::harness::{DEADLINE, Gateway, Node, eventually, free_address, ok, raw};

const LONG_WAY: (&str, &str) = ("Keep-Alive", "timeout=5");

fn service(name: &str, target: SocketAddr, more: &str) -> String {
    format!(
        "[services.{name}]\nurl = \"http://{name}-pool\"\nretries = 1\n{more}\n[upstreams.{name}-pool]\ntargets = [\"{target}\"]\n\
         [routes.{name}]\nservice = \"{name}\"\npaths = [\"/{name}\"]\n"
    )
}

#[test]
fn each_wrong_of_an_upstream_has_its_own_error_and_one_line() {
    let good = Node::start();
    let hangs = Node::answering(|_, _| {
        std::thread::park_timeout(DEADLINE);
        false
    });
    let garbage = Node::answering(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
    let midway = Node::answering(|_, stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf").is_err());
    let unasked = Node::answering(|_, stream| {
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").is_err()
    });
    let refuses = free_address();
    let config = [
        service("good", good.address, ""),
        service("refuses", refuses, ""),
        service("hangs", hangs.address, "read_timeout = \"50ms\""),
        service("garbage", garbage.address, ""),
        service("midway", midway.address, ""),
        service("unasked", unasked.address, ""),
    ];
    let lost = "[services.lost]\nurl = \"http://lost-pool\"\n[upstreams.lost-pool]\ntargets = [\"no-such-host.invalid:80\"]\n\
                [routes.lost]\nservice = \"lost\"\npaths = [\"/lost\"]\n\
                [services.none]\nurl = \"http://none-pool\"\n[upstreams.none-pool]\ntargets = [{ target = \"127.0.0.1:1\", weight = 0 }]\n\
                [routes.none]\nservice = \"none\"\npaths = [\"/none\"]\n";
    let gateway = Gateway::start(&(config.concat() + lost));
    let cases = [
        ("refuses", refuses.to_string(), 503, "The upstream server is currently unavailable"),
        ("hangs", hangs.address.to_string(), 504, "The upstream server is timing out"),
        ("garbage", garbage.address.to_string(), 502, "An invalid response was received from the upstream server"),
        ("unasked", unasked.address.to_string(), 502, "An invalid response was received from the upstream server"),
        ("lost", "lost-pool".into(), 503, "name resolution failed"),
        ("none", "none-pool".into(), 503, "failure to get a peer from the ring-balancer"),
    ];
    for (name, target, status, message) in &cases {
        for (count, headers) in [&[][..], &[LONG_WAY]].into_iter().enumerate() {
            let answer = gateway.get(&format!("/{name}"), headers);
            assert_eq!((answer.status, answer.json()["message"].as_str()), (*status, Some(*message)), "{name} {headers:?}");
            let line = gateway.wait_for_log(&format!("service=\"{name}\""));
            for part in [format!("route=\"{name}\""), format!("upstream=\"{target}\""), format!("status={status}")] {
                assert!(line.contains(&part), "{part}: {line}");
            }
            let lines = eventually("the line of this request", || {
                let lines = gateway.log().iter().filter(|line| line.contains(&format!("service=\"{name}\""))).count();
                (lines > count).then_some(lines)
            });
            assert_eq!(lines, count + 1, "one line a request: {name}");
            assert_eq!(gateway.get("/good", &[]).status, 200, "no other route feels it");
        }
    }
    for headers in ["", "Keep-Alive: timeout=5\r\n"] {
        let answer = raw(gateway.proxy, format!("GET /midway HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("half"), "it is cut off, and not made whole: {answer}");
    }
    let line = gateway.wait_for_log("service=\"midway\"");
    assert!(line.contains(&format!("upstream=\"{}\"", midway.address)) && line.contains("status=200"), "{line}");
    assert_eq!(gateway.get("/good", &[]).status, 200);
}

#[test]
fn a_service_by_itself_tells_its_address_too() {
    let dead = free_address();
    let gateway = Gateway::start(&format!(
        "[services.dead]\nurl = \"http://{dead}\"\n[routes.dead]\nservice = \"dead\"\npaths = [\"/\"]\n"
    ));
    assert_eq!(gateway.get("/", &[]).status, 503);
    assert!(gateway.wait_for_log("service=\"dead\"").contains(&format!("upstream=\"{dead}\"")));
}

/// A name server that knows one name, with a time to live of a second.
fn name_server(addresses: Arc<Mutex<Vec<[u8; 4]>>>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            // The name ends with an empty label; type and class follow.
            let end = 12 + query[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let known = query[12..end].starts_with(b"\x03app\x04test\0\0\x01");
            let found = if known { addresses.lock().unwrap().clone() } else { Vec::new() };
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, found.len() as u8, 0, 0, 0, 0]);
            answer.extend(&query[12..end]);
            for ip in found {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
                answer.extend(ip);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

#[test]
fn each_address_of_a_name_is_a_target_and_names_are_looked_up_again() {
    // Every address of 127.0.0.0/8 is this machine's.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let local = stream.local_addr().unwrap().ip().to_string();
                while !crate::harness::read_head(&mut stream).is_empty() && ok(&mut stream, &local) {}
            });
        }
    });
    let known = Arc::new(Mutex::new(vec![[127, 0, 0, 2], [127, 0, 0, 3]]));
    let dns = name_server(known.clone());
    let gateway = Gateway::start(&format!(
        "[services.app]\nurl = \"http://pool\"\n[services.direct]\nurl = \"http://app.test:{port}\"\n\
         [upstreams.pool]\ntargets = [\"app.test:{port}\"]\n[routes.app]\nservice = \"app\"\npaths = [\"/app\"]\n\
         [routes.direct]\nservice = \"direct\"\npaths = [\"/direct\"]\n"
    ));
    gateway.edit_by_rename(|text| text.replace("threads = 2", &format!("threads = 2\ndns_resolver = [\"{dns}\"]")));
    let gateway = gateway.restart();
    for path in ["/app", "/direct"] {
        let mut seen: Vec<String> = (0..4).map(|_| gateway.get(path, &[]).body).collect();
        seen.sort();
        assert_eq!(seen, ["127.0.0.2", "127.0.0.2", "127.0.0.3", "127.0.0.3"], "{path}");
    }
    let health = gateway.admin("GET", "/upstreams/pool/health", "").json();
    assert_eq!(health["data"][0]["data"]["addresses"].as_array().unwrap().len(), 2);
    *known.lock().unwrap() = vec![[127, 0, 0, 4]];
    for path in ["/app", "/direct"] {
        eventually("the new address", || (gateway.get(path, &[]).body == "127.0.0.4").then_some(()));
    }
    // A name server that knows nothing any more takes nothing down.
    known.lock().unwrap().clear();
    gateway.wait_for_log("name resolution failed");
    assert_eq!(gateway.get("/app", &[LONG_WAY]).body, "127.0.0.4");
    *known.lock().unwrap() = vec![[127, 0, 0, 5]];
    eventually("the newest address", || (gateway.get("/app", &[]).body == "127.0.0.5").then_some(()));
}
