//! The command line: what it prints, and with which code it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{eventually, free_address};

fn sluice(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(args)
        .current_dir(folder)
        .env_remove("RUST_LOG")
        .env("SET", "from-env-42")
        .output()
        .unwrap()
}

/// Each fixture is a configuration, a line of dashes, and what `sluice check` says of it.
#[test]
fn every_mistake_is_explained_with_its_place_and_a_remedy() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut checked = 0;
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let (config, expected) = text.split_once("\n----\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gateway.toml"), format!("{config}\n")).unwrap();
        let out = sluice(folder.path(), &["check"]);
        let said = String::from_utf8(if out.status.success() { out.stdout } else { out.stderr }).unwrap();
        if std::env::var_os("SLUICE_WRITE_FIXTURES").is_some() {
            std::fs::write(&path, format!("{config}\n----\n{said}")).unwrap();
            continue;
        }
        assert_eq!(said, expected, "{}", path.display());
        let good = expected.contains(": good:");
        assert_eq!(out.status.code(), Some(if good { 0 } else { 64 }), "{}", path.display());
        checked += 1;
    }
    assert!(checked >= 6, "{checked} fixtures; SLUICE_WRITE_FIXTURES=1 writes what is said now, to be read before it is kept");
}

#[test]
fn the_configuration_of_the_repository_is_good() {
    let out = sluice(Path::new(env!("CARGO_MANIFEST_DIR")), &["check", "gateway.toml"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_broken_configuration_at_the_start_ends_with_64_and_a_missing_one_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let out = sluice(folder.path(), &["run"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("gateway.toml"));
    std::fs::write(folder.path().join("gateway.toml"), "[routes.a]\nservice = \"b\"\npths = [\"/\"]\n").unwrap();
    let out = sluice(folder.path(), &["run"]);
    assert_eq!(out.status.code(), Some(64));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("gateway.toml:3:1  routes.a.pths") && said.contains("did you mean \"paths\"?"), "{said}");
}

#[test]
fn a_port_in_use_is_one_clear_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap();
    for (key, proxy, admin) in [("server.listen", address, free_address()), ("admin.listen", free_address(), address)] {
        let config = format!("[server]\nlisten = [\"{proxy}\"]\n[admin]\nlisten = \"{admin}\"\n");
        std::fs::write(folder.path().join("gateway.toml"), config).unwrap();
        let out = sluice(folder.path(), &["run"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&address.to_string()) && said.contains(key) && said.contains("in use"), "{said}");
    }
}

#[test]
fn registries_are_listed_with_options() {
    let list = |command: &str| String::from_utf8(sluice(Path::new("."), &[command]).stdout).unwrap();
    assert!(list("plugins").contains("rate-limiting-advanced") && list("plugins").contains("window_size"));
    assert!(list("events").contains("rate-limit-exceeded"));
    assert!(list("handlers").contains("webhook-custom") && list("handlers").contains("payload"));
    assert!(list("handlers").contains("lambda") && list("handlers").contains("functions"));
}

#[test]
fn the_schema_takes_the_configuration_of_the_repository_and_refuses_a_slip() {
    let schema: serde_json::Value = serde_json::from_slice(&sluice(Path::new("."), &["schema"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml")).unwrap();
    let as_json = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    let problems: Vec<String> = validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    assert!(!validator.is_valid(&as_json(&text.replace("window_size", "window_sise"))));
    assert!(!validator.is_valid(&as_json(&text.replace("[routes.demo]", "[rotes.demo]"))));
}

#[test]
fn the_demo_starts_an_upstream_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (proxy, admin, upstream) = (free_address(), free_address(), free_address());
    let config = format!(
        "[server]\nlisten = [\"{proxy}\"]\n[admin]\nlisten = \"{admin}\"\n[services.demo]\nurl = \"http://{upstream}/get\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n"
    );
    std::fs::write(folder.path().join("gateway.toml"), config).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["demo", "--httpbin", &upstream.to_string()])
        .current_dir(folder.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let answer = eventually("the proxy listens", || {
        std::net::TcpStream::connect(proxy).ok()?;
        Some(crate::harness::get(proxy, "/demo", &[]))
    });
    assert_eq!(answer.status, 200);
    crate::harness::run("kill", &["-s", "TERM", &child.id().to_string()]);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
