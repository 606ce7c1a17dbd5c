//! Upgrades: another process takes the listeners over, and nobody is refused; if it cannot, nothing has happened.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Behaviour, DEADLINE, Gateway, Load, Receiver, Server, consumer_hook, eventually, free_address, gated, get, httpbin, raise,
    run,
};

/// A gateway in front of this server's path.
fn before(upstream: &Server, path: &str) -> String {
    let url = upstream.url(path);
    format!("[services.demo]\nurl = \"{url}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n")
}

/// Waits until this process has the folder.
fn belongs(gateway: &Gateway) {
    eventually("the pid file is the process's", || (gateway.owner() == Some(gateway.pid())).then_some(()));
}

#[test]
fn nothing_is_refused_and_nothing_truncated_while_processes_take_over_from_each_other() {
    let upstream = httpbin();
    let mut gateway = Gateway::start_server(&before(&upstream, "/anything"), "");
    belongs(&gateway);
    let mode = |file: &str| std::fs::metadata(gateway.state_dir().join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("upgrade.sock")), (0o700, 0o600));
    let load = Load::start(gateway.proxy, "/demo", 8);
    let probes = Load::start(gateway.admin, "/status/ready", 2);
    for _ in 0..3 {
        let mut old = gateway;
        gateway = old.upgrade();
        assert_eq!(old.wait().code(), Some(0), "{:?}", old.log());
        assert_eq!(gateway.owner(), Some(gateway.pid()));
        load.goes_on();
    }
    assert_eq!(probes.end().0, [0, 0, 0], "requests were welcome all the while");
    let (failed, sums) = load.end();
    assert_eq!(failed, [0, 0, 0], "refused, unanswered, truncated");
    let [told, again] = [&sums.told_to_go, &sums.again].map(|sum| sum.load(Ordering::Relaxed));
    assert!(told >= 1 && told + again >= 3 * 4, "each client that kept a connection went: {told} told, {again} not");
    assert_eq!(gateway.stop().code(), Some(0));
    assert_eq!(gateway.owner(), None, "who stops takes his pid file along");
    assert!(!gateway.state_dir().join("upgrade.sock").exists());
}

#[test]
fn a_request_under_way_ends_in_the_old_process_while_the_new_one_serves() {
    let (upstream, came, gate) = gated();
    let mut old = Gateway::start_server(&before(&upstream, "/"), "");
    let proxy = old.proxy;
    let first = std::thread::spawn(move || get(proxy, "/demo", &[]));
    came.recv().unwrap();
    let mut new = old.upgrade();
    old.wait_for_log("another process has taken over");
    let mut clients = vec![first];
    eventually("the new process serves", || {
        clients.push(std::thread::spawn(move || get(proxy, "/demo", &[])));
        came.recv().unwrap();
        let active = new.admin("GET", "/status", "").json()["server"]["requests_active"].as_u64();
        // The old one accepts until it heard of the end; the first is its in any case.
        (active > Some(0)).then_some(())
    });
    assert!(old.log().iter().all(|line| !line.ends_with(" stopped")), "it waits for its request");
    gate.add_permits(clients.len());
    for client in clients {
        let answer = client.join().unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "at last"));
    }
    assert_eq!(old.wait().code(), Some(0));
    assert_eq!(new.stop().code(), Some(0));
}

#[test]
fn what_hooks_have_to_deliver_goes_over_and_arrives_once() {
    let (failing, working, paused) = (
        Receiver::start(Behaviour::FailFirst(4, 503)),
        Receiver::start(Behaviour::Status(200)),
        Receiver::start(Behaviour::Status(200)),
    );
    let (upstream, came, gate) = gated();
    let hooks = consumer_hook("failing", &failing.url(), "retry = { schedule = [\"3s\", \"1s\", \"1s\"] }")
        + &consumer_hook("working", &working.url(), "")
        + &consumer_hook("paused", &paused.url(), "");
    let mut old = Gateway::start_server(&(before(&upstream, "/") + &hooks), "");
    assert_eq!(old.admin("POST", "/event-hooks/paused/pause", "").status, 200);
    raise(&old, "old", 4);
    failing.wait_for(4);
    // It keeps the old process, and with it the outbox.
    let proxy = old.proxy;
    let client = std::thread::spawn(move || get(proxy, "/demo", &[]));
    came.recv().unwrap();
    let new = old.upgrade();
    old.wait_for_log("another process has taken over");
    new.wait_for_log("the outbox is the process's before this one");
    raise(&new, "new", 4);
    // From memory, as with a disk that is full; but what is paused stays so.
    working.wait_for(8);
    let status = |hook: &str| new.admin("GET", &format!("/event-hooks/{hook}/status"), "").json();
    eventually("the new process answers, and what is paused waits", || {
        let opening = new.admin("GET", "/status", "").json()["outbox"]["state"] == "opening";
        let paused = status("paused");
        (opening && paused["state"] == "paused" && paused["waiting"] == 4).then_some(())
    });
    gate.add_permits(1);
    assert_eq!(client.join().unwrap().status, 200);
    assert_eq!(old.wait().code(), Some(0));
    eventually("the new process has the outbox, and all that waited in it", || {
        let outbox = new.admin("GET", "/status", "").json()["outbox"].clone();
        (outbox["state"] == "ok" && outbox["degraded"] == 0 && status("paused")["waiting"] == 8).then_some(())
    });
    assert_eq!(new.admin("POST", "/event-hooks/paused/resume", "").status, 200);
    let delivered = |hook: &str| status(hook)["waiting"].as_u64();
    eventually("all is delivered", || {
        ["failing", "working", "paused"].iter().all(|hook| delivered(hook) == Some(0)).then_some(())
    });
    // Four failed before the upgrade.
    assert_eq!([&failing, &working, &paused].map(|receiver| receiver.received().len()), [12, 8, 8]);
    let mut ids: Vec<String> = paused.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8);
}

#[test]
fn a_new_process_that_cannot_serve_leaves_the_old_one_as_it_is() {
    let upstream = httpbin();
    let mut gateway = Gateway::start_server(&before(&upstream, "/bytes/10"), "");
    belongs(&gateway);
    let good = gateway.config_text();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_too = format!(", \"{}\"]\nthreads", taken.local_addr().unwrap());
    for (text, code, said) in [
        (good.replace("service = \"demo\"", "service = \"dmeo\""), 64, "there is no service \"dmeo\""),
        (good.replacen("]\nthreads", &taken_too, 1), 1, "cannot listen on"),
    ] {
        gateway.edit_by_rename(|_| text);
        let (ended, log) = gateway.fail_to_upgrade();
        assert!(ended == Some(code) && log.contains(said), "{ended:?} {log}");
        assert_eq!(gateway.get("/demo", &[]).status, 200);
        assert_eq!(gateway.owner(), Some(gateway.pid()));
        assert_eq!(gateway.admin("GET", "/status/ready", "").status, 200);
    }
    gateway.wait_for_log("the new process did not take over, this one serves on");
    gateway.edit_by_rename(|_| good);
    let mut new = gateway.upgrade();
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(new.get("/demo", &[]).status, 200);
    assert_eq!(new.stop().code(), Some(0));
    let (ended, log) = new.fail_to_upgrade();
    assert!(ended == Some(1) && log.contains("start this one without --upgrade"), "{ended:?} {log}");
}

#[test]
fn whoever_goes_before_the_end_of_a_handover_changes_nothing() {
    let upstream = httpbin();
    let gateway = Gateway::start_server(&before(&upstream, "/bytes/10"), "");
    belongs(&gateway);
    let socket = gateway.state_dir().join("upgrade.sock");
    let connect = || {
        let stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    };
    let line = |mut stream: &UnixStream| {
        let mut byte = [0];
        let mut line = Vec::new();
        while stream.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    };
    // Nothing is asked, something else is, and a new process dies at each point of it.
    drop(connect());
    let mut other = connect();
    other.write_all(b"sluice/2 hand over\n").unwrap();
    assert_eq!(line(&other), "refused: it is of another version of Sluice");
    for words in [&["sluice/1 hand over\n"][..], &["sluice/1 hand over\n", "no\n"], &["sluice/1 hand over\n", "ready\n"]] {
        let mut stream = connect();
        for word in words {
            stream.write_all(word.as_bytes()).unwrap();
            if *word != "no\n" {
                assert!(!line(&stream).starts_with("refused"));
            }
        }
        drop(stream);
        assert_eq!(gateway.get("/demo", &[]).status, 200);
    }
    for said in ["it went before it said `ready`", "it said `no` instead of `ready`", "it went before it said `done`"] {
        gateway.wait_for_log(&format!("this one serves on: {said}"));
    }
    // Its files were given up by then, and are there again.
    belongs(&gateway);
    assert_eq!(gateway.admin("GET", "/status/ready", "").status, 200);
    let mut gateway = gateway;
    assert_eq!(gateway.upgrade().get("/demo", &[]).status, 200);
}

#[test]
fn a_listener_that_is_new_is_bound_and_one_that_is_gone_is_closed() {
    let upstream = httpbin();
    let (extra, admin) = (free_address(), free_address());
    let mut old = Gateway::start_server(&before(&upstream, "/bytes/10"), "");
    old.edit_by_rename(|text| text.replacen("]\nthreads", &format!(", \"{extra}\"]\nthreads"), 1));
    let mut new = old.upgrade();
    assert_eq!(old.wait().code(), Some(0));
    assert_eq!(get(extra, "/demo", &[]).status, 200);
    assert_eq!(new.get("/demo", &[]).status, 200);
    new.edit_by_rename(|text| {
        let moved = format!("[admin]\nlisten = \"{admin}\"");
        text.replacen(&format!(", \"{extra}\"]\nthreads"), "]\nthreads", 1).replacen(
            &format!("[admin]\nlisten = \"{}\"", new.admin),
            &moved,
            1,
        )
    });
    // The harness waits for the Admin API where it was.
    new.admin = admin;
    let newest = new.upgrade();
    assert_eq!(new.wait().code(), Some(0));
    assert_eq!(newest.get("/demo", &[]).status, 200);
    for gone in [extra, old.admin] {
        assert!(std::net::TcpStream::connect(gone).is_err(), "{gone} is closed");
    }
}

#[test]
fn the_demo_hands_its_upstream_over_too() {
    let upstream = free_address();
    let config = format!(
        "[services.demo]\nurl = \"http://{upstream}/bytes/10\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n"
    );
    let mut old = Gateway::start_demo(&config, upstream);
    old.wait_for_log("httpbin-style upstream on");
    // Two that ask without a body: what the old upstream closes under a request is asked again.
    let load = Load::start(old.proxy, "/demo", 2);
    let new = old.upgrade();
    assert_eq!(old.wait().code(), Some(0));
    load.goes_on();
    assert_eq!(load.end().0, [0, 0, 0], "refused, unanswered, truncated");
    assert_eq!(get(upstream, "/get", &[]).status, 200);
    drop(new);
}

/// A process that no test started.
struct Successor(String);

impl Drop for Successor {
    fn drop(&mut self) {
        // It is gone already if all went well.
        let _ = std::process::Command::new("kill").args(["-s", "KILL", &self.0]).output();
    }
}

#[test]
fn sigusr2_has_the_process_start_its_successor_itself() {
    let upstream = httpbin();
    let mut gateway = Gateway::start_server(&before(&upstream, "/bytes/10"), "");
    belongs(&gateway);
    let old = gateway.pid();
    let good = gateway.config_text();
    gateway.edit_by_rename(|text| text.replace("service = \"demo\"", "service = \"dmeo\""));
    gateway.signal("USR2");
    gateway.wait_for_log("the process that was to take over has ended (exit status: 64)");
    assert_eq!((gateway.get("/demo", &[]).status, gateway.owner()), (200, Some(old.clone())));
    gateway.edit_by_rename(|_| good);
    gateway.signal("USR2");
    let pid = eventually("another process has the folder", || gateway.owner().filter(|owner| *owner != old));
    let successor = Successor(pid);
    assert_eq!(gateway.wait().code(), Some(0));
    let answer = gateway.admin("GET", "/status", "").json();
    assert_eq!((gateway.get("/demo", &[]).status, &answer["outbox"]["degraded"]), (200, &Value::from(0)));
    run("kill", &["-s", "TERM", &successor.0]);
    eventually("it has ended as any other", || gateway.owner().is_none().then_some(()));
    eventually("nobody listens", || std::net::TcpStream::connect_timeout(&gateway.proxy, Duration::from_secs(1)).err());
}
