//! The configuration as a whole, by the Admin API and from a terminal: shown, tried, replaced, and changed piece by piece.

use std::process::{Command, Output};

use serde_json::json;

use crate::harness::{Gateway, Request, eventually, request};

const FILE: &str = "# mine\n[services.a]\nurl = \"http://127.0.0.1:1\" # here\n[consumers.Joe]\nkey-auth = [{ key = \"joe-key\" }]\n\
    [event_hooks.h]\nsource = \"config\"\nevent = \"applied\"\nhandler = \"webhook\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]\nconfig.url = \"http://127.0.0.1:1/T/secret-place\"\n";

fn send(gateway: &Gateway, path: &str, body: &str, headers: &[(&str, &str)]) -> crate::harness::Answer {
    let headers: Vec<_> = [("Content-Type", "application/toml")].iter().chain(headers).copied().collect();
    request(gateway.admin, &Request { method: "POST", path, headers: &headers, body })
}

#[test]
fn it_is_shown_without_its_secrets() {
    let gateway = Gateway::start(FILE);
    let shown = gateway.admin("GET", "/config", "");
    assert_eq!(shown.status, 200);
    assert!(["joe-key", "MfKQ", "secret-place"].iter().all(|secret| !shown.body.contains(secret)), "{}", shown.body);
    let expected = gateway
        .config_text()
        .replace("joe-key", "***")
        .replace("T/secret-place", "***")
        .replace("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "***");
    assert_eq!(shown.body, expected);
    let refused = send(&gateway, "/config", &shown.body, &[]);
    assert!(refused.status == 400 && refused.body.contains("***"), "{}", refused.body);
}

#[test]
fn a_text_is_tried_and_then_applied_as_one_change() {
    let gateway = Gateway::start(FILE);
    let before = gateway.config_text();
    let version = gateway.version();
    let new = before
        .replace("[consumers.Joe]\nkey-auth", "[routes.r]\nservice = \"a\"\npaths = [\"/\"]\n[consumers.Ann]\nkey-auth")
        .replace("127.0.0.1:1\" # here", "127.0.0.1:2\" # there");
    let tried = send(&gateway, "/config/check", &new, &[]);
    assert_eq!(tried.status, 200, "{}", tried.body);
    let told: Vec<String> = tried.json()["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            format!(
                "{} {} {}",
                change["operation"].as_str().unwrap(),
                change["table"].as_str().unwrap(),
                change["name"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(told[..4], ["update services a", "create routes r", "create consumers Ann", "delete consumers Joe"]);
    assert_eq!((gateway.config_text(), gateway.version()), (before.clone(), version));
    let stale = send(&gateway, "/config", &new, &[("If-Match", "\"999\"")]);
    assert_eq!(stale.status, 412, "{}", stale.body);
    let applied = send(&gateway, "/config?check_hash=1", &new, &[]);
    assert_eq!((applied.status, &applied.json()["version"]), (201, &json!(version + 1)), "{}", applied.body);
    assert_eq!(gateway.config_text(), new);
    assert_eq!(send(&gateway, "/config?check_hash=1", &new, &[]).status, 304);
    let line = gateway.wait_for_log("configuration applied: added");
    assert!(line.contains("routes r") && line.contains("changed 1: services a") && line.contains("removed"), "{line}");
    assert_eq!(gateway.admin("GET", "/config/status", "").json()["changes"].as_array().unwrap().len(), told.len());
    let wrong = send(&gateway, "/config", &new.replace("service = \"a\"", "service = \"b\""), &[]);
    let said = wrong.json();
    assert_eq!((wrong.status, &said["code"]), (400, &json!(14)), "{said}");
    assert!(
        said["message"].as_str().unwrap().contains("there is no service \"b\"")
            && said["fields"]["problems"][0].as_str().unwrap().contains("gateway.toml:"),
        "{said}"
    );
    assert_eq!(gateway.config_text(), new);
}

/// What the program does with a running gateway.
fn sluice(gateway: &Gateway, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(words).arg("--config").arg(gateway.config_file()).env_remove("RUST_LOG").env_remove("SLUICE_ADMIN_TOKEN");
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_terminal_changes_it_piece_by_piece() {
    let gateway = Gateway::start_with(FILE, "token = \"t0ken\"");
    let run = |words: &[&str]| {
        let output = sluice(&gateway, words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        printed(&output)
    };
    let made: serde_json::Value =
        serde_json::from_str(&run(&["set", "routes/r", "service.name=a", "paths[]=/x", "strip_path=false"])).unwrap();
    assert_eq!((&made["name"], &made["paths"], &made["strip_path"]), (&json!("r"), &json!(["/x"]), &json!(false)));
    assert!(run(&["set", "routes/r", "strip_path=true"]).contains("\"strip_path\": true"));
    assert!(run(&["set", "services/a/plugins", "name=rate-limiting", "config.minute=5"]).contains("\"minute\": 5"));
    assert!(run(&["get", "services/a/plugins"]).contains("rate-limiting"));
    assert!(gateway.config_text().contains("[services.a.plugins.rate-limiting]\nminute = 5\n"), "{}", gateway.config_text());
    run(&["delete", "routes/r"]);
    let gone = sluice(&gateway, &["delete", "routes/r"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8(gone.stderr).unwrap().contains("routes/r"));
    let wrong = sluice(&gateway, &["set", "services/a", "retries=many"]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("retries"));
    assert!(run(&["dump"]).contains("token = \"***\""));
}

#[test]
fn a_terminal_compares_and_applies_a_file() {
    let gateway = Gateway::start(FILE);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.toml");
    let path = file.to_str().unwrap();
    let text = gateway.config_text();
    std::fs::write(&file, &text).unwrap();
    assert_eq!(sluice(&gateway, &["diff", path]).status.code(), Some(0));
    std::fs::write(&file, text.replace("[consumers.Joe]", "[consumers.Ann]")).unwrap();
    let diff = sluice(&gateway, &["diff", path]);
    assert_eq!(diff.status.code(), Some(2));
    assert!(printed(&diff).starts_with("+ consumers Ann\n- consumers Joe\n"), "{}", printed(&diff));
    let applied = sluice(&gateway, &["sync", path]);
    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    eventually("it is in force", || (gateway.admin("GET", "/consumers/Ann", "").status == 200).then_some(()));
    assert_eq!(gateway.config_text(), std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, "[services.x]\nurl = 7\n").unwrap();
    let refused = sluice(&gateway, &["apply", path]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("services.x.url"));
}
