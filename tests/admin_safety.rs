//! Who may come in by the Admin API of the running gateway, and what is told of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Gateway, Request, eventually, request, run};

const HOOK: &str = r#"{"name":"api","source":"rate-limiting-advanced","event":"rate-limit-exceeded","handler":"log"}"#;

const TOKENS: &str =
    r#"tokens = [{ name = "ops", token = "s3cret-of-ops" }, { name = "grafana", token = "s3cret-to-look", read_only = true }]"#;

fn status(gateway: &Gateway, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> u16 {
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    request(gateway.admin, &Request { method, path, headers: &headers, body }).status
}

#[test]
fn every_change_is_told_of_with_who_asked_and_what_became_of_it() {
    let gateway = Gateway::start_with("", TOKENS);
    let (ops, grafana) = ([("Kong-Admin-Token", "s3cret-of-ops")], [("Authorization", "Bearer s3cret-to-look")]);
    assert_eq!(status(&gateway, "POST", "/event-hooks", &grafana, HOOK), 403);
    assert_eq!(status(&gateway, "POST", "/event-hooks", &[], HOOK), 401);
    assert_eq!(status(&gateway, "POST", "/event-hooks?x=s3cret-in-query", &ops, HOOK), 201);
    assert_eq!(status(&gateway, "DELETE", "/key-auths/s3cret-key", &ops, ""), 204);
    assert_eq!(status(&gateway, "GET", "/event-hooks", &grafana, ""), 200);
    assert_eq!(status(&gateway, "GET", "/event-hooks/api/ping", &ops, ""), 400);
    assert_eq!(status(&gateway, "DELETE", "/event-hooks/api", &ops, ""), 204);
    gateway.wait_for_log("path=\"/event-hooks/api\" status=204");
    let told: Vec<String> = gateway.log().iter().filter_map(|line| Some(line.split_once(" audit: ")?.1.to_owned())).collect();
    let line = |who: &str, method: &str, path: &str, status: u16, version: u64| {
        format!(
            "asked of the Admin API who={who:?} from=127.0.0.1 method={method} path={path:?} status={status} version={version}"
        )
    };
    let expected = [
        line("grafana", "POST", "/event-hooks", 403, 1),
        line("-", "POST", "/event-hooks", 401, 1),
        line("ops", "POST", "/event-hooks", 201, 2),
        line("ops", "DELETE", "/key-auths/***", 204, 2),
        line("ops", "GET", "/event-hooks/api/ping", 400, 2),
        line("ops", "DELETE", "/event-hooks/api", 204, 3),
    ];
    assert_eq!(told, expected);
    assert!(gateway.log().iter().all(|line| !line.contains("s3cret")), "{:?}", gateway.log());
}

#[test]
fn an_edit_of_tokens_and_hosts_counts_at_once() {
    let gateway = Gateway::start_with("", "token = \"one\"");
    let ask = |headers: &[(&str, &str)]| status(&gateway, "GET", "/", headers, "");
    let (one, two) = (("Kong-Admin-Token", "one"), ("Kong-Admin-Token", "two"));
    let host = ("Host", "admin.example.com");
    assert_eq!([ask(&[one]), ask(&[two]), ask(&[one, host])], [200, 401, 403]);
    gateway.edit_by_rename(|text| text.replace("\"one\"", "\"two\"\nallowed_hosts = [\"admin.example.com\"]"));
    eventually("the new token opens", || (ask(&[two]) == 200).then_some(()));
    assert_eq!([ask(&[one]), ask(&[two, host])], [401, 200]);
    assert!(gateway.log().iter().all(|line| !line.contains("at the next start")), "{:?}", gateway.log());
    gateway.edit_by_rename(|text| text.replace("[admin]\nlisten = ", "[admin]\nlisten = \"127.0.0.1:1\" # "));
    gateway.wait_for_log("that takes effect at the next start");
}

/// A gateway that listens at a socket in its folder as well, or only there.
fn at_socket(and_address: bool) -> (Gateway, PathBuf) {
    let mut path = PathBuf::new();
    let gateway = Gateway::start_edited(|text, state| {
        path = state.join("the admin.sock");
        let (before, after) = text.split_once("[admin]\nlisten = ").unwrap();
        let (address, rest) = after.split_once('\n').unwrap();
        let address = if and_address { format!("{address}, ") } else { String::new() };
        format!("{before}[admin]\nlisten = [{address}\"unix:{}\"]\n{rest}", path.display())
    });
    (gateway, path)
}

/// What the Admin API answers by the socket, if it does.
fn curl(socket: &Path, args: &[&str]) -> Option<Value> {
    let out = Command::new("curl").args(["-sS", "--unix-socket"]).arg(socket).args(args).output().unwrap();
    out.status.success().then(|| serde_json::from_slice(&out.stdout).unwrap())
}

#[test]
fn a_socket_that_is_a_file_is_there_as_long_as_the_gateway_whatever_process_it_is() {
    let (mut gateway, socket) = at_socket(true);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let made = curl(&socket, &["--json", HOOK, "http://any.example/event-hooks"]).unwrap();
    assert_eq!(made["name"], "api");
    gateway.wait_for_log("from=unix method=POST path=\"/event-hooks\" status=201");
    assert_eq!(gateway.admin("GET", "/event-hooks/api", "").status, 200, "it is the same by the address");
    let done = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                assert!(curl(&socket, &["http://localhost/status/ready"]).is_some(), "refused after {asked}");
                asked += 1;
            }
            asked
        });
        for _ in 0..2 {
            let new = gateway.upgrade();
            let mut old = std::mem::replace(&mut gateway, new);
            assert_eq!(old.wait().code(), Some(0), "{:?}", old.log());
        }
        done.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert!(asked > 2, "{asked}");
    assert!(curl(&socket, &["http://localhost/"]).is_some());
    // Whoever is killed leaves it behind.
    let mut gateway = gateway.kill_and_restart();
    assert!(curl(&socket, &["http://localhost/"]).is_some());
    assert_eq!(gateway.stop().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_a_new_process_has_no_more_is_taken_out() {
    let (mut old, socket) = at_socket(true);
    let (code, said) = {
        old.edit_by_rename(|text| format!("{text}[routes.a]\nservice = \"nobody\"\n"));
        old.fail_to_upgrade()
    };
    assert_eq!(code, Some(64), "{said}");
    assert!(curl(&socket, &["http://localhost/"]).is_some(), "a process that cannot start takes nothing out");
    old.edit_by_rename(|text| {
        text.replace("[routes.a]\nservice = \"nobody\"\n", "").replace(&format!(", \"unix:{}\"", socket.display()), "")
    });
    let new = old.upgrade();
    assert_eq!(old.wait().code(), Some(0));
    assert!(!socket.exists());
    assert_eq!(new.admin("GET", "/", "").status, 200);
}

#[test]
fn sluice_hooks_finds_the_gateway_by_its_socket() {
    let (gateway, socket) = at_socket(false);
    assert_eq!(curl(&socket, &["--json", HOOK, "http://localhost/event-hooks"]).unwrap()["name"], json!("api"));
    let place = format!("unix:{}", socket.display());
    let file = gateway.config_file();
    for args in [["--config", file.to_str().unwrap()], ["--admin", &place]] {
        let listed = run(env!("CARGO_BIN_EXE_sluice"), &["hooks", "list", args[0], args[1]]);
        assert!(listed.contains("\napi "), "{listed}");
    }
}
