//! `sluice hooks` beside a running gateway: what it prints, and with which code it ends.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Behaviour, DIES, Gateway, Receiver, consumer_hook, eventually, free_address, raise, records, texts};

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
    let config = consumer_hook("dies", &dying.url(), DIES) + &consumer_hook("good", &good.url(), "");
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
    let gateway = Gateway::start_with(&consumer_hook("gone", &gone.url(), ""), "token = \"file-token\"");
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
    let gateway = Gateway::start(&consumer_hook("dies", &receiver.url(), DIES));
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
