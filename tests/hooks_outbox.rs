//! What becomes of deliveries: they outlive a kill, can be looked at and replayed, and their hooks tried, paused and disabled.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Behaviour, Gateway, Received, Receiver, eventually, free_address};

/// Hooks of changes of the configuration: they are there without an upstream, and the Admin API makes as many as a test wants.
fn webhook(name: &str, url: &str, more: &str) -> String {
    format!(
        "[event_hooks.{name}]\nsource = \"crud\"\nevent = \"consumers\"\nhandler = \"webhook\"\n{more}\nconfig.url = \"{url}\"\n"
    )
}

/// Fails at once, and waits an hour to try again.
const WAITS: &str = "retry = { schedule = [\"1h\"] }";
/// Fails once, and is dead.
const DIES: &str = "retry = { schedule = [] }";

/// Raises this many events, each of a consumer of its own and so a delivery of its own.
fn raise(gateway: &Gateway, prefix: &str, count: usize) {
    let version = gateway.version();
    let consumers: String = (0..count).map(|n| format!("[consumers.{prefix}{n}]\ncustom_id = \"{prefix}{n}\"\n")).collect();
    gateway.edit_by_rename(|text| text.to_owned() + &consumers);
    eventually("the edit is live", || (gateway.version() > version).then_some(()));
}

/// A list, once it has this many entries.
fn records(gateway: &Gateway, path: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} at {path}"), || {
        let all = gateway.admin("GET", path, "").json()["data"].as_array().unwrap().clone();
        (all.len() == count).then_some(all)
    })
}

fn texts(all: &[Value], key: &str) -> Vec<String> {
    let mut all: Vec<String> = all.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

fn ids(received: &[Received]) -> Vec<String> {
    let mut all: Vec<String> = received.iter().map(|one| one.header("webhook-id").to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

/// How a hook is, once it is so.
fn status(gateway: &Gateway, hook: &str, state: &str) -> Value {
    eventually(&format!("{hook} is {state}"), || {
        let status = gateway.admin("GET", &format!("/event-hooks/{hook}/status"), "").json();
        (status["state"] == state).then_some(status)
    })
}

#[test]
fn what_waits_when_the_gateway_is_killed_arrives_after_the_next_start_under_the_same_ids() {
    let (failing, hanging) = (Receiver::start(Behaviour::FailFirst(3, 503)), Receiver::start(Behaviour::HangFirst(3)));
    // Those that failed are due at once; those under way are tried as if they had never been.
    let hooks = webhook("failing", &failing.url(), "retry = { schedule = [\"1s\", \"1s\", \"1s\"] }")
        + &webhook("hanging", &hanging.url(), "concurrency = 3");
    let gateway = Gateway::start(&hooks);
    raise(&gateway, "c", 3);
    let before = (ids(&failing.wait_for(3)), ids(&hanging.wait_for(3)));
    assert_eq!((before.0.len(), before.1.len()), (3, 3));
    let gateway = gateway.kill_and_restart();
    let again = |all: &[Received]| ids(&all[3..]).len() == 3;
    let after = (
        failing.wait_until("all again", |all| all.len() > 5 && again(all)),
        hanging.wait_until("all again", |all| all.len() > 5 && again(all)),
    );
    assert_eq!((ids(&after.0[3..]), ids(&after.1[3..])), before);
    for hook in ["failing", "hanging"] {
        records(&gateway, &format!("/event-hooks/{hook}/deliveries?state=delivered"), 3);
    }
}

#[test]
fn deliveries_are_listed_in_pages_and_by_state_and_what_is_asked_wrongly_is_explained() {
    let receiver = Receiver::start(Behaviour::Status(500));
    let gateway = Gateway::start(&(webhook("waits", &receiver.url(), WAITS) + &webhook("dies", &receiver.url(), DIES)));
    raise(&gateway, "c", 5);
    let dead = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 5);
    let waiting = records(&gateway, "/event-hooks/waits/deliveries?state=waiting", 5);
    records(&gateway, "/deliveries", 10);
    records(&gateway, "/event-hooks/dies/deliveries?state=delivered", 0);

    let mut path = "/event-hooks/dies/deliveries?size=2&state=dead".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = gateway.admin("GET", &path, "").json();
        pages.push(page["data"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = next.to_owned();
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(texts(&pages.concat(), "id"), texts(&dead, "id"));

    let id = dead[0]["id"].as_str().unwrap();
    let one = gateway.admin("GET", &format!("/deliveries/{id}"), "").json();
    assert_eq!((one["id"].as_str(), one["state"].as_str(), one["attempts"].as_u64()), (Some(id), Some("dead"), Some(1)), "{one}");
    assert_eq!((&one["tries"][0]["status"], &one["response"]["status"]), (&json!(500), &json!(500)), "{one}");
    assert_eq!(one["data"]["schema"], "consumers", "{one}");
    assert!(dead[0]["data"].is_null() && waiting[0]["next_attempt_at"].is_u64(), "{}", waiting[0]);

    let unknown = format!("msg_{}", "0".repeat(32));
    for (method, path) in [
        ("GET", format!("/deliveries/{unknown}")),
        ("GET", "/deliveries/nonsense".to_owned()),
        ("POST", format!("/deliveries/{unknown}/replay")),
        ("GET", "/event-hooks/nobody/deliveries".to_owned()),
        ("POST", "/event-hooks/nobody/deliveries/replay".to_owned()),
        ("POST", "/event-hooks/nobody/test".to_owned()),
        ("GET", "/event-hooks/nobody/ping".to_owned()),
        ("POST", "/event-hooks/nobody/pause".to_owned()),
        ("GET", "/event-hooks/nobody/status".to_owned()),
    ] {
        assert_eq!(gateway.admin(method, &path, "").status, 404, "{method} {path}");
    }
    let refused = |method: &str, path: &str, body: &str, said: &[&str]| {
        let answer = gateway.admin(method, path, body);
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
        assert!(said.iter().all(|said| answer.json()["message"].as_str().unwrap().contains(said)), "{}", answer.body);
    };
    refused("GET", "/deliveries?state=ded", "", &["`state`", "\"ded\"", "dead"]);
    refused("GET", "/event-hooks/dies/deliveries?since=yesterday", "", &["`since`", "yesterday", "Unix milliseconds"]);
    refused("GET", "/deliveries?size=0", "", &["size"]);
    refused("POST", "/event-hooks/dies/deliveries/replay", r#"{"state": "ded"}"#, &["`state`", "dead"]);
    refused("POST", "/event-hooks/dies/deliveries/replay", r#"{"sinse": 1}"#, &["sinse", "`since`"]);
}

#[test]
fn one_delivery_is_replayed_or_all_of_a_time_under_their_ids() {
    let receiver = Receiver::start(Behaviour::FailFirst(3, 500));
    let gateway = Gateway::start(&webhook("dies", &receiver.url(), DIES));
    raise(&gateway, "c", 3);
    let dead = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 3);
    let id = dead[1]["id"].as_str().unwrap();
    let answer = gateway.admin("POST", &format!("/deliveries/{id}/replay"), "");
    assert_eq!((answer.status, answer.json()["id"].as_str()), (202, Some(id)), "{}", answer.body);
    assert_eq!(receiver.wait_for(4)[3].header("webhook-id"), id);
    let delivered = records(&gateway, "/event-hooks/dies/deliveries?state=delivered", 1);
    assert_eq!((delivered[0]["tries"].as_array().unwrap().len(), delivered[0]["attempts"].as_u64()), (2, Some(1)));

    let replay = |body: Value| {
        let answer = gateway.admin("POST", "/event-hooks/dies/deliveries/replay", &body.to_string());
        assert_eq!(answer.status, 202, "{}", answer.body);
        answer.json()
    };
    assert_eq!(replay(json!({ "until": 1_000 })), json!({ "replayed": 0, "skipped": 0 }));
    assert_eq!(replay(json!({ "since": 1_000 })), json!({ "replayed": 2, "skipped": 0 }));
    let received = receiver.wait_for(6);
    assert_eq!(ids(&received[3..]), texts(&dead, "id"));
    records(&gateway, "/event-hooks/dies/deliveries?state=delivered", 3);
    assert_eq!(replay(json!({ "state": "delivered" }))["replayed"], 3);
    receiver.wait_for(9);
}

#[test]
fn a_hook_is_tried_on_data_or_a_sample_and_its_receiver_pinged() {
    let (receiver, broken) = (Receiver::start(Behaviour::Status(200)), Receiver::start(Behaviour::Status(503)));
    let log = "[event_hooks.log]\nsource = \"crud\"\nhandler = \"log\"\n";
    let gateway = Gateway::start(&(webhook("works", &receiver.url(), "") + &webhook("broken", &broken.url(), "") + log));
    let test = |hook: &str, body: &str| {
        let answer = gateway.admin("POST", &format!("/event-hooks/{hook}/test"), body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    let tested = test("works", "");
    let received = receiver.wait_for(1).remove(0).json();
    assert_eq!((&tested["data"]["event"], &tested["result"]["status"]), (&json!("consumers"), &json!(200)), "{tested}");
    assert!(tested["result"]["error"].is_null() && tested["result"]["latency"].is_u64(), "{tested}");
    assert_eq!((&received["source"], &received["entity"]), (&json!("crud"), &tested["data"]["entity"]));

    test("works", r#"{"entity": {"username": "Zoe"}}"#);
    assert_eq!(receiver.wait_for(2)[1].json()["entity"], json!({ "username": "Zoe" }));
    let failed = test("broken", "");
    assert_eq!(failed["result"]["status"], 503);
    assert!(failed["result"]["error"].as_str().unwrap().contains("503"), "{failed}");
    assert!(test("log", "")["result"]["error"].is_null());
    gateway.wait_for_log("\"log callback: \"");
    records(&gateway, "/deliveries", 0);

    let answer = gateway.admin("GET", "/event-hooks/works/ping", "");
    let ping = receiver.wait_for(3).remove(2).json();
    assert_eq!((answer.status, answer.json()), (200, ping.clone()));
    assert_eq!((&ping["source"], &ping["event"]), (&json!("kong:event_hooks"), &json!("ping")));
    assert_eq!(ping["event_hooks"]["name"], "works");
    let answer = gateway.admin("GET", "/event-hooks/log/ping", "");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("log"), "{}", answer.body);
}

#[test]
fn a_new_webhook_is_pinged_once() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start("");
    let hook = json!({ "name": "new", "source": "crud", "event": "consumers", "handler": "webhook", "config": { "url": receiver.url() } });
    let made = gateway.admin("POST", "/event-hooks", &hook.to_string());
    assert_eq!(made.status, 201, "{}", made.body);
    let ping = receiver.wait_for(1).remove(0).json();
    let said = [&ping["operation"], &ping["source"], &ping["event"]];
    assert_eq!(said, ["create", "kong:event_hooks", "ping"]);
    assert_eq!((&ping["event_hooks"]["id"], &ping["event_hooks"]["snooze"]), (&made.json()["id"], &Value::Null));
    // What comes next is no second ping, nor is it a record.
    raise(&gateway, "c", 1);
    assert_eq!(receiver.wait_for(2)[1].json()["event"], "consumers");
    let delivered = records(&gateway, "/deliveries", 1);
    assert_eq!((receiver.received().len(), &delivered[0]["event"]), (2, &json!("consumers")));
}

#[test]
fn a_paused_hook_lets_wait_what_comes_over_a_restart_and_until_it_is_resumed() {
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start(
        &(webhook("paused", &receiver.url(), "") + &webhook("other", &receiver.url().replace("hook", "other"), "")),
    );
    let paused = gateway.admin("POST", "/event-hooks/paused/pause", "");
    assert_eq!((paused.status, &paused.json()["state"]), (200, &json!("paused")));
    raise(&gateway, "c", 2);
    receiver.wait_for(2);
    let gateway = gateway.restart();
    assert_eq!(status(&gateway, "paused", "paused")["waiting"], 2);
    let gateway = gateway.kill_and_restart();
    let waiting = records(&gateway, "/event-hooks/paused/deliveries?state=waiting", 2);
    assert_eq!(status(&gateway, "paused", "paused")["waiting"], 2);
    assert!(receiver.received().iter().all(|one| one.uri.path() == "/other"));
    assert_eq!(gateway.admin("POST", "/event-hooks/paused/resume", "").json()["state"], "active");
    let received = receiver.wait_for(4);
    assert_eq!(ids(&received[2..]), texts(&waiting, "id"));
    let gateway = gateway.restart();
    status(&gateway, "paused", "active");
}

#[test]
fn a_receiver_that_is_gone_disables_its_hook_and_others_are_told() {
    let (gone, told) = (Receiver::start(Behaviour::Status(410)), Receiver::start(Behaviour::Status(200)));
    let watch = format!(
        "[event_hooks.watch]\nsource = \"event-hooks\"\nevent = \"disabled\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
        told.url()
    );
    let gateway = Gateway::start(&(webhook("gone", &gone.url(), "") + &watch));
    eventually("the outbox is open", || (gateway.admin("GET", "/status", "").json()["outbox"]["state"] == "ok").then_some(()));
    raise(&gateway, "c", 1);
    let report = told.wait_for(1).remove(0).json();
    assert_eq!(
        (&report["source"], &report["event"], &report["hook"]["name"]),
        (&json!("event-hooks"), &json!("disabled"), &json!("gone"))
    );
    assert!(report["reason"].as_str().unwrap().contains("410") && report["since"].is_u64(), "{report}");
    let all = gateway.admin("GET", "/status", "").json();
    assert_eq!((&all["event_hooks"][0]["state"], &all["outbox"]["degraded"]), (&json!("disabled"), &json!(0)), "{all}");
    assert!(all["event_hooks"][0]["reason"].as_str().unwrap().contains("410"), "{all}");
    let dead = records(&gateway, "/event-hooks/gone/deliveries?state=dead", 1);
    let replay = format!("/deliveries/{}/replay", dead[0]["id"].as_str().unwrap());
    let answer = gateway.admin("POST", &replay, "");
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("resume"), "{}", answer.body);
    // It stays so over a restart.
    let gateway = gateway.restart();
    status(&gateway, "gone", "disabled");
    assert_eq!(gateway.admin("POST", "/event-hooks/gone/resume", "").json()["state"], "active");
    assert_eq!(gateway.admin("POST", &replay, "").status, 202);
    gone.wait_for(2);
}

#[test]
fn secrets_are_in_no_answer_and_not_in_the_outbox() {
    let (works, gone) = (Receiver::start(Behaviour::Status(500)), Receiver::start(Behaviour::Status(200)));
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "kong-hush-hush", "Bearer hush-header", "hush-credential"];
    let more = format!(
        "secrets = [\"{}\"]\nconfig.secret = \"{}\"\nconfig.headers = {{ authorization = \"{}\" }}\n",
        secrets[0], secrets[1], secrets[2]
    );
    let hooks = webhook("dies", &works.url(), &(more.clone() + DIES)) + &webhook("good", &gone.url(), &more);
    let gateway = Gateway::start(&hooks.replace("event = \"consumers\"\n", ""));
    let consumer = format!("[consumers.Joe]\nkey-auth = [{{ key = \"{}\" }}]\n", secrets[3]);
    gateway.edit_by_rename(|text| text.to_owned() + &consumer);
    works.wait_for(2);
    let id = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 2)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(gateway.admin("POST", "/event-hooks/good/pause", "").status, 200);
    for (method, path) in [
        ("GET", "/deliveries".to_owned()),
        ("GET", format!("/deliveries/{id}")),
        ("GET", "/event-hooks/dies/deliveries".to_owned()),
        ("GET", "/event-hooks/dies/status".to_owned()),
        ("GET", "/event-hooks/good/ping".to_owned()),
        ("POST", "/event-hooks/good/test".to_owned()),
        ("POST", format!("/deliveries/{id}/replay")),
        ("POST", "/event-hooks/dies/deliveries/replay".to_owned()),
        ("GET", "/status".to_owned()),
    ] {
        let answer = gateway.admin(method, &path, "");
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        assert!(secrets.iter().all(|secret| !answer.body.contains(secret)), "{method} {path}: {}", answer.body);
    }
    let mut found = 0;
    for entry in std::fs::read_dir(gateway.state_dir()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in secrets {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} in {}", path.display());
        }
        if path.file_name().unwrap().to_str().unwrap().starts_with("outbox.db") {
            found += 1;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }
    assert!(found >= 1);
}

/// `sluice hooks` beside this gateway.
fn hooks(gateway: &Gateway, args: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(["hooks", "--config"]).arg(gateway.config_file()).args(args);
    command.env_remove("RUST_LOG").env_remove("SLUICE_ADMIN_TOKEN").output().unwrap()
}

/// What it prints, and what it complains of, after it ended with this code.
#[track_caller]
fn said(out: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{said}");
    said
}

#[test]
fn the_command_line_lists_tests_pauses_and_replays() {
    let (dying, good) = (Receiver::start(Behaviour::FailFirst(3, 500)), Receiver::start(Behaviour::Status(200)));
    let config = webhook("dies", &dying.url(), DIES) + &webhook("good", &good.url(), "");
    let gateway = Gateway::start_with(&config, "token = \"${HUSH:-file-token}\"");
    let cli = |args: &[&str], code: i32| said(&hooks(&gateway, args), code);
    let lines = |args: &[&str]| -> Vec<Value> {
        cli(args, 0).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    };
    gateway.edit_by_rename(|text| text.to_owned() + "[consumers.a]\n[consumers.b]\n");
    dying.wait_for(2);
    let dead = eventually("both are dead", || {
        Some(lines(&["deliveries", "dies", "--state", "dead", "--json"])).filter(|all| all.len() == 2)
    });
    let listed = cli(&["list"], 0);
    assert!(listed.starts_with("NAME  STATE") && listed.lines().count() == 3, "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("dies  active") && line.contains("crud/consumers")), "{listed}");
    let all = lines(&["list", "--json"]);
    assert_eq!((texts(&all, "name"), &all[0]["status"]["failed"]), (vec!["dies".into(), "good".into()], &json!(2)));
    let table = cli(&["deliveries"], 0);
    assert!(table.lines().count() == 5 && table.contains("dead") && table.contains("delivered"), "{table}");
    assert!(dead.iter().all(|one| table.contains(one["id"].as_str().unwrap())), "{table}");
    assert_eq!(lines(&["deliveries", "--limit", "3", "--json"]).len(), 3);

    // The third request fails as well.
    let failed = cli(&["test", "dies"], 1);
    assert!(failed.contains("the test of \"dies\" failed") && failed.contains("500"), "{failed}");
    assert!(cli(&["test", "good", "--data", r#"{"entity": {"username": "Zoe"}}"#], 0).contains("status  200"));
    assert!(good.received().iter().any(|one| one.json()["entity"]["username"] == "Zoe"));
    assert!(cli(&["test", "good", "--data", "[1]"], 64).contains("--data"));

    assert_eq!(cli(&["pause", "good"], 0), "good is paused, 0 events wait\n");
    assert_eq!(lines(&["resume", "good", "--json"])[0]["state"], "active");
    let id = dead[0]["id"].as_str().unwrap();
    assert_eq!(cli(&["replay", id], 0), format!("{id} is tried again\n"));
    assert_eq!(dying.wait_for(4)[3].header("webhook-id"), id);
    let one = eventually("one is left", || {
        Some(lines(&["deliveries", "dies", "--state", "dead", "--json"])).filter(|all| all.len() == 1)
    });
    assert_eq!(cli(&["replay", "--hook", "dies", "--since", "1000"], 0), "1 are tried again, 0 were left as they are\n");
    assert_eq!(dying.wait_for(5)[4].header("webhook-id"), one[0]["id"].as_str().unwrap());
}

#[test]
fn the_command_line_says_what_is_wrong_and_what_to_do() {
    let gone = Receiver::start(Behaviour::Status(410));
    let gateway = Gateway::start_with(&webhook("gone", &gone.url(), ""), "token = \"file-token\"");
    gateway.edit_by_rename(|text| text.to_owned() + "[consumers.a]\n");
    gone.wait_for(1);
    let cli = |args: &[&str], code: i32| said(&hooks(&gateway, args), code);
    eventually("it is disabled", || cli(&["list"], 0).contains("gone  disabled").then_some(()));
    let refused = cli(&["replay", "--hook", "gone"], 1);
    assert!(refused.contains("nothing was replayed: the hook is disabled: resume it first"), "{refused}");
    assert!(cli(&["list", "--token", "other"], 1).contains("SLUICE_ADMIN_TOKEN"));
    assert!(cli(&["pause", "nobody"], 1).contains("there is no hook \"nobody\"; `sluice hooks list`"));
    assert!(cli(&["replay", "msg_nothing"], 1).contains("there is no delivery \"msg_nothing\""));
    assert!(cli(&["pause", ".."], 64).contains("no name"));
    for args in
        [&["deliveries", "--state", "ded"][..], &["replay"], &["replay", "a", "--hook", "b"], &["list", "--admin", "nowhere"]]
    {
        cli(args, 64);
    }
    let nobody = free_address();
    let unreachable = cli(&["list", "--admin", &format!("http://{nobody}")], 1);
    assert!(unreachable.contains(&nobody.to_string()) && unreachable.contains("start the gateway"), "{unreachable}");
    gateway.edit_in_place(|text| text.replace("token = \"file-token\"", "tokn = \"file-token\""));
    assert!(cli(&["list"], 64).contains("admin.tokn"));
}

#[test]
fn the_command_line_follows_deliveries_as_they_come_and_change() {
    use std::io::{BufRead, BufReader};
    let receiver = Receiver::start(Behaviour::FailFirst(1, 500));
    let gateway = Gateway::start(&webhook("dies", &receiver.url(), DIES));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["hooks", "tail", "--admin", &format!("http://{}", gateway.admin)])
        .env_remove("SLUICE_ADMIN_TOKEN")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // What was there before it looked first is not told, so something comes until it tells.
    let (mut n, (told, heard)) = (0, std::sync::mpsc::channel());
    let reader = std::thread::spawn(move || lines.by_ref().for_each(|line| drop(told.send(line))));
    let line = eventually("a line", || {
        n += 1;
        raise(&gateway, &format!("t{n}x"), 1);
        heard.recv_timeout(std::time::Duration::from_millis(700)).ok()
    });
    assert!(line.contains("  dies  msg_") && line.contains("  crud/consumers  ") && line.contains("  tries 1  "), "{line}");
    let dead = records(&gateway, "/event-hooks/dies/deliveries?state=dead", 1).remove(0);
    let id = dead["id"].as_str().unwrap();
    assert_eq!(gateway.admin("POST", &format!("/deliveries/{id}/replay"), "").status, 202);
    eventually("it is told that it was delivered at last", || {
        heard.try_iter().find(|line| line.contains(id) && line.contains("delivered"))
    });
    crate::harness::run("kill", &["-s", "INT", &child.id().to_string()]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    reader.join().unwrap();
}
