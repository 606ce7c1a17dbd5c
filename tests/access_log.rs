//! The access log: one line for each request, whichever way it went, and what becomes of the file.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{
    Answer, DEADLINE, Gateway, Request, Streams, ask, block_on, eventually, httpbin, raw, read_head, request, whole,
};

/// A header that goes no further, and that makes Pingora read the request.
const LONG_WAY: (&str, &str) = ("Keep-Alive", "timeout=5");

struct Log {
    folder: tempfile::TempDir,
}

impl Log {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, format: &str, upstream: &str) -> String {
        config(&self.file("access.log"), format, upstream)
    }

    /// Waits until the log has so many lines.
    #[track_caller]
    fn lines(&self, count: usize) -> Vec<String> {
        lines_of(&self.file("access.log"), count)
    }

    #[track_caller]
    fn objects(&self, count: usize) -> Vec<Value> {
        self.lines(count).iter().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

fn config(file: &Path, format: &str, upstream: &str) -> String {
    format!(
        "[access_log]\nformat = \"{format}\"\nfile = {file:?}\n[services.up]\nurl = \"{upstream}\"\nretries = 1\n\
         [routes.up]\nservice = \"up\"\npaths = [\"/up\"]\n[routes.limited]\nservice = \"up\"\npaths = [\"/limited\"]\n\
         [routes.keyed]\nservice = \"up\"\npaths = [\"/keyed\"]\n[consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n\
         [routes.keyed.plugins.key-auth]\n[routes.token]\nservice = \"up\"\npaths = [\"/token\"]\n[routes.token.plugins.jwt]\n[routes.limited.plugins.rate-limiting]\nyear = 1\nlimit_by = \"ip\"\n"
    )
}

#[track_caller]
fn lines_of(file: &Path, count: usize) -> Vec<String> {
    let lines = eventually(&format!("{count} lines in {}", file.display()), || {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    });
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

fn post(gateway: &Gateway, path: &str, body: &str) -> Answer {
    request(gateway.proxy, &Request { method: "POST", path, headers: &[("User-Agent", "tester")], body })
}

#[test]
fn each_request_has_one_line_of_json_on_both_ways() {
    let (log, upstream) = (Log::new(), httpbin());
    let gateway = Gateway::start(&log.config("json", &upstream.url("/anything")));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let more = [("User-Agent", "tester"), ("Referer", "http://x/y"), ("traceparent", trace), ("tracestate", "a=b,c=d")];
    let short = gateway.get("/up/1?a=b", &more);
    let long = gateway.get("/up/1?a=b", &[&more[..], &[LONG_WAY]].concat());
    let posted = post(&gateway, "/up/2", "twelve bytes");
    let all = log.objects(3);
    // What different threads log may stand in another order.
    let line_of = |answer: &Answer| {
        let id = answer.header("X-Request-Id").unwrap();
        all.iter().find(|line| line["request_id"] == id).unwrap().clone()
    };
    let lines = [&short, &long, &posted].map(line_of);
    for (answer, line) in [&short, &long, &posted].into_iter().zip(&lines) {
        assert_eq!(answer.status, 200);
        // The same id for the client, the upstream and the log.
        let id = answer.header("X-Request-Id").unwrap();
        assert_eq!(answer.json()["headers"]["X-Request-Id"], id);
        assert_eq!(line["bytes_out"], answer.body.len());
        assert_eq!(line["upstream"], upstream.address.to_string());
        let (all, theirs) = (line["latency"].as_f64().unwrap(), line["upstream_latency"].as_f64().unwrap());
        assert!(all >= theirs && theirs > 0.0, "{line}");
    }
    for answer in [&short, &long] {
        let headers = &answer.json()["headers"];
        assert_eq!((&headers["Traceparent"], &headers["Tracestate"]), (&json!(trace), &json!("a=b,c=d")), "as it came");
    }
    assert_eq!(posted.json()["headers"].get("Traceparent"), None, "nothing is made up");
    let fixed = |line: &Value| {
        let mut line = line.clone();
        for changing in ["time", "request_id", "bytes_out", "latency", "upstream_latency"] {
            line.as_object_mut().unwrap().remove(changing).unwrap();
        }
        line
    };
    assert_eq!(fixed(&lines[0]), fixed(&lines[1]));
    let expected = json!({
        "client_ip": "127.0.0.1", "consumer": null, "method": "GET", "host": gateway.proxy.to_string(), "path": "/up/1?a=b",
        "protocol": "HTTP/1.1", "status": 200, "bytes_in": 0, "route": "up", "service": "up", "upstream": upstream.address.to_string(),
        "retries": 0, "limited": false, "refused_by": null, "user_agent": "tester", "referer": "http://x/y", "traceparent": trace,
    });
    assert_eq!(fixed(&lines[0]), expected);
    assert_eq!(
        (&lines[2]["bytes_in"], &lines[2]["method"], &lines[2]["traceparent"]),
        (&json!(12), &json!("POST"), &Value::Null)
    );
}

#[test]
fn each_stream_of_http_2_has_its_line() {
    let (log, upstream) = (Log::new(), httpbin());
    let gateway = Gateway::start(&log.config("json", &upstream.url("/anything")));
    let proxy = gateway.proxy;
    let answers = block_on(async {
        let client = Streams::connect(proxy).await;
        let got = client.get(ask("GET", proxy, "/up/a", &[("user-agent", "tester")])).await;
        let (answer, mut body) = client.open(ask("POST", proxy, "/up/b", &[])).await;
        body.send_data("body".into(), true).unwrap();
        let posted = whole(answer.await.unwrap()).await;
        [got, posted, client.get(ask("GET", proxy, "/keyed", &[])).await, client.get(ask("GET", proxy, "/nowhere", &[])).await]
    });
    let lines = log.objects(answers.len());
    let expected = [(200, "GET", "/up/a", 0), (200, "POST", "/up/b", 4), (401, "GET", "/keyed", 0), (404, "GET", "/nowhere", 0)];
    for (answer, (status, method, path, received)) in answers.iter().zip(expected) {
        let id = answer.header("x-request-id").unwrap();
        let line = lines.iter().find(|line| line["request_id"] == id).unwrap();
        assert_eq!((&line["status"], &line["method"], &line["path"]), (&json!(status), &json!(method), &json!(path)));
        assert_eq!((&line["protocol"], &line["host"]), (&json!("HTTP/2.0"), &json!(proxy.to_string())));
        assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&json!(received), &json!(answer.body.len())), "{path}");
    }
}

#[test]
fn text_is_the_combined_format_and_more() {
    let (log, upstream) = (Log::new(), httpbin());
    let gateway = Gateway::start(&log.config("text", &upstream.url("/anything")));
    let answer = gateway.get("/keyed?apikey=joe-key", &[("User-Agent", "tester/1.0"), ("Referer", "http://x/?apikey=joe-key")]);
    let line = log.lines(1).remove(0);
    let id = answer.header("X-Request-Id").unwrap();
    let (before, after) = line.split_once(" [").unwrap();
    assert_eq!(before, "127.0.0.1 - Joe");
    let (time, after) = after.split_once("] ").unwrap();
    assert!(time.ends_with(" +0000") && time.len() == "28/Nov/2026:12:04:28 +0000".len(), "{time}");
    let head =
        format!("\"GET /keyed?apikey=*** HTTP/1.1\" 200 {} \"http://x/?apikey=***\" \"tester/1.0\" id={id}", answer.body.len());
    assert!(after.starts_with(&head), "{after}");
    assert!(
        after.contains(&format!(" route=\"keyed\" service=\"up\" upstream={} upstream_latency=", upstream.address)),
        "{after}"
    );
    assert!(after.ends_with(" limited=0"), "{after}");
}

#[test]
fn refusals_and_failures_have_their_lines_too() {
    let (log, upstream) = (Log::new(), httpbin());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broken = format!(
        "[services.gone]\nurl = \"http://{nobody}\"\nretries = 1\n[routes.gone]\nservice = \"gone\"\npaths = [\"/gone\"]\n"
    );
    let gateway = Gateway::start(&(log.config("json", &upstream.url("/anything")) + &broken));
    let mut count = 0;
    for way in [None, Some(LONG_WAY)] {
        let mut ask = |path: &str| {
            let answer = gateway.get(path, way.as_slice());
            count += 1;
            let line = log.objects(count).pop().unwrap();
            assert_eq!(line["status"], answer.status, "{path}");
            assert_eq!(line["request_id"], answer.header("X-Request-Id").unwrap(), "{path}");
            assert_eq!(line["bytes_out"], answer.body.len(), "{path}");
            assert_eq!(answer.json().get("request_id").unwrap_or(&line["request_id"]), &line["request_id"], "{path}");
            line
        };
        let line = ask("/nowhere");
        assert_eq!((&line["status"], &line["route"], &line["upstream"]), (&json!(404), &Value::Null, &Value::Null));
        let line = ask("/keyed?apikey=wrong&x=1");
        assert_eq!((&line["status"], &line["refused_by"]), (&json!(401), &json!("key-auth")));
        assert_eq!((&line["path"], &line["limited"]), (&json!("/keyed?apikey=***&x=1"), &json!(false)));
        let line = ask("/token?jwt=a.b.c");
        assert_eq!((&line["status"], &line["path"]), (&json!(401), &json!("/token?jwt=***")));
        if way.is_none() {
            assert_eq!(ask("/limited")["status"], 200);
        }
        let line = ask("/limited");
        assert_eq!(
            (&line["status"], &line["refused_by"], &line["limited"]),
            (&json!(429), &json!("rate-limiting"), &json!(true))
        );
        let line = ask("/gone");
        assert_eq!((&line["status"], &line["route"], &line["retries"]), (&json!(503), &json!("gone"), &json!(2)));
        assert_eq!(line["upstream_latency"], Value::Null);
    }
    // A request that we refuse ourselves before there is a route.
    let answer = raw(gateway.proxy, b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    let line = log.objects(count + 1).pop().unwrap();
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", line["status"])), "{answer} {line}");
}

#[test]
fn a_client_that_goes_is_499() {
    let log = Log::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::start(&log.config("json", &format!("http://{}", listener.local_addr().unwrap())));
    for (at, more) in ["", "Keep-Alive: timeout=5\r\n"].into_iter().enumerate() {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.write_all(format!("GET /up HTTP/1.1\r\nHost: h\r\n{more}\r\n").as_bytes()).unwrap();
        let (mut upstream, _) = listener.accept().unwrap();
        assert!(read_head(&mut upstream).starts_with("GET / "));
        drop(client);
        let line = log.objects(at + 1).pop().unwrap();
        assert_eq!((&line["status"], &line["bytes_out"], &line["route"]), (&json!(499), &json!(0), &json!("up")));
    }
}

#[test]
fn an_upgraded_connection_has_its_line_when_it_ends() {
    let log = Log::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::start(&log.config("json", &format!("http://{}", listener.local_addr().unwrap())));
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let ask = b"GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    client.write_all(ask).unwrap();
    let (mut upstream, _) = listener.accept().unwrap();
    read_head(&mut upstream);
    upstream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    client.write_all(b"seventeen bytes..").unwrap();
    upstream.read_exact(&mut [0; 17]).unwrap();
    upstream.write_all(b"five!").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(std::fs::read_to_string(log.file("access.log")).unwrap(), "", "it has not ended");
    drop(upstream);
    let _ = client.read(&mut [0; 1]);
    drop(client);
    let line = log.objects(1).remove(0);
    assert_eq!((&line["status"], &line["bytes_in"], &line["bytes_out"]), (&json!(101), &json!(17), &json!(5)), "{line}");
}

#[test]
fn what_clients_say_ends_no_line_and_no_quotes() {
    let (log, upstream) = (Log::new(), httpbin());
    let gateway = Gateway::start(&log.config("json", &upstream.url("/anything")));
    let evil = "x\" 200 0 \"-\" {\"a\":\"b\\ \tend";
    for way in [None, Some(LONG_WAY)] {
        let headers: Vec<_> = [("User-Agent", evil), ("Referer", "http://h/\u{e9}?\"")].into_iter().chain(way).collect();
        assert_eq!(gateway.get("/up?q=%0d%0a%22'|", &headers).status, 200);
    }
    for line in log.objects(2) {
        assert_eq!((&line["user_agent"], &line["referer"]), (&json!(evil), &json!("http://h/\u{e9}?\"")));
        assert_eq!(line["path"], "/up?q=%0d%0a%22'|");
    }
    gateway.edit_by_rename(|text| text.replace("format = \"json\"", "format = \"text\""));
    eventually("the edit is in force", || (gateway.version() == 2).then_some(()));
    gateway.get("/up", &[("User-Agent", evil)]);
    let line = log.lines(3).remove(2);
    assert!(line.contains(r#" "-" "x\x22 200 0 \x22-\x22 {\x22a\x22:\x22b\x5c \x09end" id="#), "{line}");
}

#[test]
fn signals_open_the_file_again() {
    let (log, upstream) = (Log::new(), httpbin());
    let gateway = Gateway::start(&log.config("text", &upstream.url("/anything")));
    let mut known = Vec::new();
    for (round, signal) in ["USR1", "HUP"].into_iter().enumerate() {
        gateway.get(&format!("/up/before{round}"), &[]);
        log.lines(1);
        let moved = log.file(&format!("access.log.{round}"));
        std::fs::rename(log.file("access.log"), &moved).unwrap();
        gateway.signal(signal);
        eventually("a new file", || log.file("access.log").exists().then_some(()));
        gateway.get(&format!("/up/after{round}"), &[]);
        assert!(log.lines(1)[0].contains(&format!("/up/after{round} ")));
        assert!(lines_of(&moved, 1)[0].contains(&format!("/up/before{round} ")));
        known.push(moved);
        std::fs::remove_file(log.file("access.log")).unwrap();
        gateway.signal("USR1");
        eventually("a new file", || log.file("access.log").exists().then_some(()));
    }
    assert!(known.iter().all(|file| file.exists()));
}

#[test]
fn it_is_switched_on_and_off_and_moved_while_the_gateway_runs() {
    let (log, upstream) = (Log::new(), httpbin());
    let mut gateway = Gateway::start(&log.config("off", &upstream.url("/anything")));
    let edit = |from: &str, to: &str| {
        let version = gateway.version();
        gateway.edit_by_rename(|text| text.replace(from, to));
        eventually("the edit is in force", || (gateway.version() > version).then_some(()));
    };
    gateway.get("/up/off", &[]);
    edit("format = \"off\"", "format = \"text\"");
    gateway.get("/up/on", &[]);
    assert!(log.lines(1)[0].contains("GET /up/on "));
    edit("access.log", "other.log");
    gateway.get("/up/other", &[]);
    assert!(lines_of(&log.file("other.log"), 1)[0].contains("GET /up/other "));
    // Without a file it is standard error.
    edit("file = ", "# file = ");
    gateway.get("/up/error", &[]);
    gateway.wait_for_log("\"GET /up/error HTTP/1.1\" 200 ");
    edit("# file = ", "file = ");
    gateway.get("/up/last", &[]);
    // A stop writes what is left.
    assert!(gateway.stop().success());
    assert!(lines_of(&log.file("other.log"), 2)[1].contains("GET /up/last "));
}

#[test]
fn a_disk_that_is_full_or_gone_is_told_of_once_and_recovers() {
    let (log, upstream) = (Log::new(), httpbin());
    std::os::unix::fs::symlink("/dev/full", log.file("access.log")).unwrap();
    let gateway = Gateway::start(&log.config("text", &upstream.url("/anything")));
    for n in 0..3 {
        assert_eq!(gateway.get(&format!("/up/{n}"), &[]).status, 200);
        gateway.wait_for_log("the access log cannot be written");
    }
    std::fs::remove_file(log.file("access.log")).unwrap();
    let mut asked = 3;
    let mut until_written = |what: &str| {
        eventually(what, || {
            gateway.get("/up/again", &[]);
            asked += 1;
            let written = std::fs::read_to_string(log.file("access.log")).unwrap_or_default();
            (!written.is_empty()).then_some(())
        });
    };
    until_written("the file is there again");
    let told = |text: &str| gateway.log().iter().filter(|line| line.contains(text)).count();
    gateway.wait_for_log("the access log is written again");
    assert_eq!(told("the access log cannot be written"), 1);
    // Moved without a word, with its folder: it is noticed.
    std::fs::remove_file(log.file("access.log")).unwrap();
    until_written("a file that vanished is made anew");
    assert_eq!(told("the access log cannot be written"), 1);
    let lines = std::fs::read_to_string(log.file("access.log")).unwrap();
    assert!(lines.lines().all(|line| line.starts_with("127.0.0.1 - - [") && line.ends_with("limited=0")), "{lines}");
}

#[test]
fn a_log_that_nobody_takes_holds_no_request_up() {
    let (log, upstream) = (Log::new(), httpbin());
    let fifo = log.file("access.log");
    crate::harness::run("mkfifo", &[fifo.to_str().unwrap()]);
    let opened = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::File::open(fifo).unwrap()
    });
    let gateway = Gateway::start(&log.config("text", &upstream.url("/anything")));
    // Nobody reads it: the pipe is full after 64 KiB, and each worker's room after 2 MiB.
    let reader = opened.join().unwrap();
    let long = format!("/up/{}", "x".repeat(16_000));
    let request = format!("GET {long} HTTP/1.1\r\nHost: h\r\n\r\n").repeat(100);
    let last = "GET /up HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let mut asked = 0;
    let dropped = eventually("lines are dropped", || {
        let answers = raw(gateway.proxy, (request.clone() + last).as_bytes());
        assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 101);
        asked += 101;
        let dropped = metric(&gateway, "sluice_access_log_dropped_total");
        (dropped > 0.0).then_some(dropped)
    });
    assert!(dropped < f64::from(asked));
    gateway.wait_for_log("lines of the access log were lost");
    // Once somebody reads, it goes on.
    std::thread::spawn(move || {
        let mut reader = reader;
        while reader.read(&mut [0; 65_536]).is_ok_and(|n| n > 0) {}
    });
    eventually("lines are written again", || {
        let before = metric(&gateway, "sluice_access_log_lines_total");
        gateway.get("/up", &[]);
        (before + metric(&gateway, "sluice_access_log_dropped_total") > dropped + 100.0).then_some(())
    });
}

fn metric(gateway: &Gateway, name: &str) -> f64 {
    let text = gateway.admin("GET", "/metrics", "").body;
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
}
