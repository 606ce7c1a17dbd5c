//! What happens and is told: changes of entities, refused keys, upstreams that fail. Each is told once, and no secret is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::{self, AddressFamily, SocketType};
use serde_json::{Value, json};

use crate::harness::{Behaviour, Gateway, Received, Receiver, eventually, free_address, httpbin, read_head, run};

/// A header that goes no further, and that makes Pingora read the request.
const LONG_WAY: &[(&str, &str)] = &[("Keep-Alive", "timeout=5")];

/// A hook of this name for these events, whose name is the end of the url that it posts to.
fn hook(name: &str, receiver: &Receiver, events: &str) -> String {
    let url = receiver.url().replace("/hook", &format!("/{name}"));
    format!("[event_hooks.{name}]\n{events}\nhandler = \"webhook\"\nconfig.url = \"{url}\"\n")
}

/// What arrived at the hook of this name.
fn of<'a>(received: &'a [Received], name: &str) -> impl Iterator<Item = Value> + 'a {
    let path = format!("/{name}");
    received.iter().filter(move |one| one.uri.path() == path).map(Received::json)
}

fn check_no_secret(received: &[Received], secrets: &[&str]) {
    for one in received {
        let text = String::from_utf8_lossy(&one.body);
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

/// The changes that the hook of this name was told of, at least so many.
fn changes(receiver: &Receiver, name: &str, count: usize) -> Vec<String> {
    let received = receiver.wait_until(&format!("{count} changes at {name}"), |all| of(all, name).count() >= count);
    let mut told: Vec<String> = of(&received, name)
        .map(|one| {
            let word = |key: &str| one[key].as_str().unwrap().to_owned();
            let old = if one.get("old_entity").is_some() { " from what it was" } else { "" };
            format!("{} {} {}{old}", word("event"), word("operation"), word("schema"))
        })
        .collect();
    told.sort();
    told
}

/// How many events the hook of this place was offered.
fn matched(gateway: &Gateway, place: usize) -> u64 {
    gateway.admin("GET", "/status", "").json()["event_hooks"][place]["matched"].as_u64().unwrap()
}

#[test]
fn every_change_of_an_entity_is_told_once_by_whichever_door_it_came() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let told_elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(told_elsewhere.path(), "first").unwrap();
    let hooks = hook("all", &receiver, "source = \"crud\"")
        + &hook("narrow", &receiver, "source = \"crud\"\nevent = \"services:update\"")
        + &hook("dao", &receiver, "source = \"dao:crud\"");
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"http://127.0.0.1:1\"\n[consumers.Joe]\ncustom_id = \"${{file:{}}}\"\n{hooks}",
        told_elsewhere.path().display()
    ));
    let changes = |name: &str, count: usize| changes(&receiver, name, count);

    gateway.edit_by_rename(|text| {
        let text = text.replace("127.0.0.1:1\"", "127.0.0.1:2\"");
        text + "[consumers.Ann]\nkey-auth = [{ key = \"ann-key\" }]\n[plugins.key-auth]\n"
    });
    let file = [
        "consumers create consumers",
        "keyauth_credentials create keyauth_credentials",
        "plugins create plugins",
        "services update services from what it was",
    ];
    assert_eq!(changes("all", 4), file);

    std::fs::write(told_elsewhere.path(), "second").unwrap();
    gateway.signal("HUP");
    let mut signal = [&file[..], &["consumers update consumers from what it was"]].concat();
    signal.sort_unstable();
    assert_eq!(changes("all", 5), signal);

    let secret = r#"{"name": "new", "source": "config", "handler": "webhook", "config": {"url": "http://127.0.0.1:1/", "secret": "hush-hush"}}"#;
    assert_eq!(gateway.admin("POST", "/event-hooks", secret).status, 201);
    assert_eq!(gateway.admin("PATCH", "/event-hooks/new", r#"{"config": {"secret": "hush-again"}}"#).status, 200);
    assert_eq!(gateway.admin("PATCH", "/event-hooks/new", r#"{"snooze": 5}"#).status, 200);
    assert_eq!(gateway.admin("DELETE", "/event-hooks/new", "").status, 204);
    let admin = [
        "event_hooks create event_hooks",
        "event_hooks delete event_hooks",
        "event_hooks update event_hooks from what it was",
        "event_hooks update event_hooks from what it was",
    ];
    let mut all = [&signal[..], &admin].concat();
    all.sort_unstable();
    assert_eq!(changes("all", 9), all);

    assert_eq!(changes("narrow", 1), ["services:update update services from what it was"]);
    let mut dao: Vec<String> = all
        .iter()
        .map(|one| one.split_once(' ').unwrap().1)
        .map(|one| format!("{} {one}", one.split(' ').next().unwrap()))
        .collect();
    dao.sort();
    assert_eq!(changes("dao", 9), dao);
    assert_eq!([0, 1, 2].map(|place| matched(&gateway, place)), [9, 1, 9], "none is told twice");

    let received = receiver.received();
    check_no_secret(&received, &["ann-key", "hush"]);
    let service = of(&received, "narrow").next().unwrap();
    assert_eq!((&service["entity"]["port"], &service["old_entity"]["port"]), (&json!(2), &json!(1)));
    assert_eq!(service["entity"]["name"], "demo");
    let key = of(&received, "all").find(|one| one["schema"] == "keyauth_credentials").unwrap();
    assert_eq!(key["entity"]["key"], "***");
    assert!(key["entity"]["consumer"]["id"].is_string());
    let snoozed = of(&received, "all").find(|one| one["entity"]["snooze"] == 5 && one["operation"] == "update").unwrap();
    assert_eq!((&snoozed["entity"]["config"]["secret"], snoozed["old_entity"].get("snooze")), (&json!("***"), None));
}

#[test]
fn edits_of_upstreams_and_targets_are_told() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let hooks = hook("all", &receiver, "source = \"crud\"")
        + &hook("targets", &receiver, "source = \"crud\"\nevent = \"targets\"")
        + &hook("gone", &receiver, "source = \"crud\"\nevent = \"upstreams:delete\"");
    let pool = "[upstreams.pool]\ntargets = [\"127.0.0.1:1\", { target = \"127.0.0.1:2\", weight = 50 }]\n";
    let gateway = Gateway::start(&(pool.to_owned() + &hooks));
    let mut expected = Vec::new();
    let mut edit = |from: &str, to: &str, told: &[&str]| {
        gateway.edit_by_rename(|text| {
            assert!(text.contains(from), "{from}: {text}");
            text.replace(from, to)
        });
        expected.extend(told.iter().map(|one| (*one).to_owned()));
        expected.sort();
        assert_eq!(changes(&receiver, "all", expected.len()), expected, "{to}");
    };
    edit("[upstreams.pool]", "[upstreams.pool]\nalgorithm = \"latency\"", &["upstreams update upstreams from what it was"]);
    edit("weight = 50", "weight = 60", &["targets update targets from what it was"]);
    edit("[\"127.0.0.1:1\", ", "[\"127.0.0.1:3\", ", &["targets create targets", "targets delete targets"]);
    let other = "[upstreams.other]\ntargets = [\"unix:/run/app.sock\"]\n";
    edit("[upstreams.pool]", &format!("{other}[upstreams.pool]"), &["upstreams create upstreams", "targets create targets"]);
    edit(other, "", &["upstreams delete upstreams", "targets delete targets"]);
    let targets = changes(&receiver, "targets", 5);
    assert_eq!(targets.iter().filter(|one| one.starts_with("targets ")).count(), 5, "{targets:?}");
    assert_eq!(changes(&receiver, "gone", 1), ["upstreams:delete delete upstreams"]);
    assert_eq!([0, 1, 2].map(|place| matched(&gateway, place)), [8, 5, 1], "none is told twice");
    let received = receiver.received();
    let heavier = of(&received, "targets").find(|one| one["operation"] == "update").unwrap();
    assert_eq!((&heavier["entity"]["weight"], &heavier["old_entity"]["weight"]), (&json!(60), &json!(50)));
    assert_eq!(heavier["entity"]["target"], "127.0.0.1:2");
    let pool = gateway.admin("GET", "/upstreams/pool", "").json();
    assert_eq!(heavier["entity"]["upstream"]["id"], pool["id"]);
    let slower = of(&received, "all").find(|one| one["schema"] == "upstreams" && one["operation"] == "update").unwrap();
    let algorithms = (&slower["entity"]["algorithm"], &slower["old_entity"]["algorithm"]);
    assert_eq!(algorithms, (&json!("latency"), &json!("round-robin")));
    assert_eq!(slower["entity"]["name"], "pool");
}

#[test]
fn what_says_the_same_as_before_is_no_change() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start(
        &(String::from("[services.demo]\nurl = \"http://127.0.0.1:1\"\n") + &hook("all", &receiver, "source = \"crud\"")),
    );
    let version = gateway.version();
    gateway.edit_in_place(|text| format!("# a remark\n{text}"));
    eventually("the remark is in force", || (gateway.version() > version).then_some(()));
    gateway.edit_in_place(|text| text.replace(":1\"", ":2\""));
    receiver.wait_for(1);
    assert_eq!(matched(&gateway, 0), 1);
}

#[test]
fn kongs_example_of_a_changed_consumer_works_as_it_is_written() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start("[consumers.Ada]\n");
    let hooks = format!("http://{}/event-hooks", gateway.admin);
    let mut args = vec!["-sS", "-X", "POST", &hooks];
    let url = format!("config.url={}", receiver.url());
    let data = [
        "source=crud",
        "event=consumers",
        "handler=webhook-custom",
        "config.method=POST",
        "config.headers.content-type=application/json",
        "config.payload.text=Admin account `{{ entity.username }}` {{ operation }}d",
        &url,
    ];
    data.iter().for_each(|one| args.extend(["--data", one]));
    let entity = run("curl", &args);
    assert!(entity.contains("\"id\""), "{entity}");
    gateway.edit_by_rename(|text| text.replace("[consumers.Ada]", "[consumers.Grace]"));
    let mut texts: Vec<_> = receiver.wait_for(2).iter().map(|one| one.json()["text"].as_str().unwrap().to_owned()).collect();
    texts.sort();
    assert_eq!(texts, ["Admin account `Ada` deleted", "Admin account `Grace` created"]);
}

#[test]
fn a_refused_key_is_told_of_and_the_key_is_not() {
    let (upstream, receiver) = (httpbin(), Receiver::start(Behaviour::Status(200)));
    let gateway = Gateway::start(&format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n[plugins.key-auth]\n\
         [consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n{}",
        upstream.url("/anything"),
        hook("keys", &receiver, "source = \"key-auth\"\nevent = \"unauthorized\"")
    ));
    assert_eq!(gateway.get("/demo", &[("apikey", "joe-key")]).status, 200);
    assert_eq!(gateway.get("/demo", &[]).status, 401);
    assert_eq!(gateway.get("/demo", &[("apikey", "wrong-key")]).status, 401);
    assert_eq!(gateway.get("/demo?apikey=wrong-key", LONG_WAY).status, 401);
    let received = receiver.wait_until("three refusals", |all| all.iter().map(Received::count).sum::<u64>() >= 3);
    assert_eq!(matched(&gateway, 0), 3);
    let mut reasons: Vec<_> = received.iter().map(|one| one.json()["reason"].as_str().unwrap().to_owned()).collect();
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons, ["No API key found in request", "Unauthorized"]);
    for one in received.iter().map(Received::json) {
        assert_eq!((&one["consumer"], &one["ip"], &one["source"]), (&json!({}), &json!("127.0.0.1"), &json!("key-auth")));
        assert_eq!((&one["service"]["name"], &one["route"]["name"]), (&json!("demo"), &json!("demo")));
    }
    check_no_secret(&received, &["wrong-key", "joe-key"]);
}

/// An upstream that does this with each connection, once the request is there.
fn upstream(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream);
        }
    });
    address
}

/// An upstream that hears the request, says this and hangs up.
fn saying(answer: &'static str) -> SocketAddr {
    upstream(move |mut stream| {
        read_head(&mut stream);
        // Whoever asked may be gone.
        let _ = stream.write_all(answer.as_bytes());
    })
}

/// An upstream whose only place is taken: whoever comes is kept waiting at the door. It is so as long as both are kept.
fn full() -> (OwnedFd, TcpStream, SocketAddr) {
    let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    net::listen(&socket, 0).unwrap();
    let address = SocketAddr::try_from(net::getsockname(&socket).unwrap()).unwrap();
    let first = TcpStream::connect(address).unwrap();
    (socket, first, address)
}

/// For upstreams that are waited for in vain.
const IMPATIENT: &str = "connect_timeout = 150\nread_timeout = 150";

/// A service of this name, on the path of the same name.
fn service(name: &str, upstream: SocketAddr, more: &str) -> String {
    format!(
        "[services.{name}]\nurl = \"http://{upstream}\"\nretries = 1\n{more}\n\
         [routes.{name}]\nservice = \"{name}\"\npaths = [\"/{name}\"]\n"
    )
}

#[test]
fn an_upstream_that_fails_is_told_of_once_a_request_on_both_ways() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let silent = upstream(|mut stream| {
        std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
    });
    // What was not read when the connection is closed resets it.
    let rude = upstream(|stream| drop(stream.peek(&mut [0])));
    let (_socket, _first, full) = full();
    let cases = [
        ("refused", free_address(), "connect-refused", 503),
        ("full", full, "connect-timeout", 504),
        ("closed", saying(""), "closed", 502),
        ("half", saying("HTTP/1.1 200 OK\r\nContent-Le"), "closed", 502),
        ("garbage", saying("SSH-2.0-OpenSSH\r\n\r\n"), "invalid-response", 502),
        ("silent", silent, "read-timeout", 504),
        ("rude", rude, "reset", 502),
    ];
    let services: String = cases
        .iter()
        .map(|(name, address, _, status)| service(name, *address, if *status == 504 { IMPATIENT } else { "" }))
        .collect();
    let nowhere = "[services.nowhere]\nurl = \"http://nowhere.invalid:81\"\nretries = 0\n[routes.nowhere]\nservice = \"nowhere\"\npaths = [\"/nowhere\"]\n";
    let fine = service("fine", saying("HTTP/1.1 503 Mine\r\nContent-Length: 0\r\n\r\n"), "");
    let hook = hook("failures", &receiver, "source = \"proxy\"\nevent = \"upstream-error\"");
    let gateway = Gateway::start(&(services + nowhere + &fine + &hook));

    let mut asked = 0;
    for way in [&[][..], LONG_WAY] {
        for (name, _, _, status) in &cases {
            assert_eq!(gateway.get(&format!("/{name}"), way).status, *status, "{name} {way:?}");
            asked += 1;
        }
        assert_eq!(gateway.get("/fine", way).status, 503, "what the upstream says itself");
        assert_eq!(gateway.get("/nowhere", way).status, 503);
        asked += 1;
    }
    let received = receiver.wait_until("every failure", |all| all.iter().map(Received::count).sum::<u64>() >= asked);
    assert_eq!(matched(&gateway, 0), asked, "each once");
    for (name, address, error, status) in cases
        .iter()
        .map(|(name, address, error, status)| (*name, address.to_string(), *error, *status))
        .chain([("nowhere", "nowhere.invalid:81".to_owned(), "name-resolution", 503)])
    {
        let told: Vec<Value> = of(&received, "failures").filter(|one| one["service"]["name"] == name).collect();
        assert_eq!(told.iter().map(|one| one["count"].as_u64().unwrap()).sum::<u64>(), 2, "{name}: once on each way");
        for one in told {
            assert_eq!(
                (&one["error"], &one["status"], &one["upstream"]),
                (&json!(error), &json!(status), &json!(address)),
                "{name}"
            );
            assert_eq!((&one["route"]["name"], &one["ip"]), (&json!(name), &json!("127.0.0.1")));
            let id = one["request_id"].as_str().unwrap();
            assert!(gateway.log().iter().any(|line| line.contains(id) && line.contains("a request failed")), "{id}");
        }
    }
}

#[test]
fn a_client_that_goes_is_no_failure_of_the_upstream() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = service("slow", listener.local_addr().unwrap(), "");
    let hook = hook("failures", &receiver, "source = \"proxy\"");
    let gateway = Gateway::start(&(slow + &service("refused", free_address(), "") + &hook));
    for way in ["", "Keep-Alive: timeout=5\r\n"] {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.write_all(format!("GET /slow HTTP/1.1\r\nHost: h\r\n{way}\r\n").as_bytes()).unwrap();
        let (mut upstream, _) = listener.accept().unwrap();
        upstream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(read_head(&mut upstream).starts_with("GET "));
        drop(client);
        assert_eq!(upstream.read(&mut [0; 16]).unwrap(), 0, "the gateway hangs up");
    }
    assert_eq!(gateway.get("/refused", &[]).status, 503);
    assert_eq!(receiver.wait_for(1)[0].json()["service"]["name"], "refused");
    assert_eq!(matched(&gateway, 0), 1);
}

#[test]
fn the_sources_are_shown_with_what_they_tell() {
    let gateway = Gateway::start("");
    let sources = gateway.admin("GET", "/event-hooks/sources", "").json();
    let check = |source: &str, event: &str, fields: &[&str], unique: &Value| {
        let shown = &sources["data"][source][event];
        assert_eq!((&shown["fields"], &shown["unique"]), (&json!(fields), unique), "{source}/{event}");
        assert!(shown["description"].as_str().is_some_and(|text| !text.is_empty()), "{source}/{event}");
        let one = gateway.admin("GET", &format!("/event-hooks/sources/{source}/{event}"), "").json();
        assert_eq!(&one["data"], shown);
    };
    let change = ["operation", "entity", "old_entity", "schema"];
    check("crud", "services", &change, &Value::Null);
    check("crud", "event_hooks:update", &change, &Value::Null);
    check("crud", "consumers:create", &["operation", "entity", "schema"], &Value::Null);
    check("dao:crud", "delete", &["operation", "entity", "schema"], &Value::Null);
    check("key-auth", "unauthorized", &["consumer", "ip", "service", "route", "reason"], &json!(["ip", "service", "reason"]));
    check(
        "proxy",
        "upstream-error",
        &["request_id", "ip", "service", "route", "upstream", "error", "status"],
        &json!(["service", "upstream", "error"]),
    );
    check("event-hooks", "disabled", &["hook", "reason", "since"], &json!(["hook"]));
    let listed = run(env!("CARGO_BIN_EXE_sluice"), &["events"]);
    assert!(listed.contains("a part of it alone: services:create, services:update, services:delete\n"), "{listed}");
    assert_eq!(listed.matches("source = \"crud\"").count(), sluice_admin::TABLES.len(), "one a table: {listed}");
}
