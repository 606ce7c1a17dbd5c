//! Edits of gateway.toml in the running gateway.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Behaviour, Gateway, Receiver, Server, eventually, httpbin, run};

fn config(upstream: &Server, limit: u32) -> String {
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n\
         [services.demo.plugins.rate-limiting-advanced]\nlimit = [{limit}]\nwindow_size = [31536000]\nwindow_type = \"fixed\"\n",
        upstream.url("/anything")
    )
}

fn limit(gateway: &Gateway, path: &str) -> Option<String> {
    gateway.get(path, &[]).header("RateLimit-Limit").map(str::to_owned)
}

#[test]
fn an_edit_takes_effect_however_the_editor_writes_it() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(200));
    let gateway = Gateway::start(&config(&upstream, 100));
    assert_eq!(limit(&gateway, "/demo").as_deref(), Some("100"));
    gateway.edit_by_rename(|text| text.replace("limit = [100]", "limit = [200]"));
    eventually("the new limit", || (limit(&gateway, "/demo").as_deref() == Some("200")).then_some(()));
    gateway.edit_in_place(|text| text.replace("/demo\"]", "/other\"]"));
    eventually("the new path", || (gateway.get("/other", &[]).status == 200).then_some(()));
    assert_eq!(gateway.get("/demo", &[]).status, 404);
    let hook = format!(
        "[event_hooks.new]\nsource = \"rate-limiting-advanced\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
        receiver.url()
    );
    gateway.edit_by_rename(|text| text.replace("limit = [200]", "limit = [1]") + &hook);
    eventually("the new hook and a limit to exceed", || (gateway.get("/other", &[]).status == 429).then_some(()));
    receiver.wait_for(1);
}

#[test]
fn a_link_that_is_swapped_as_kubernetes_does_is_seen() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    let file = gateway.config_file();
    let folder = file.parent().unwrap().to_owned();
    let version = |name: &str, text: &str| {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("gateway.toml"), text).unwrap();
    };
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, folder.join("..tmp")).unwrap();
        std::fs::rename(folder.join("..tmp"), folder.join(name)).unwrap();
    };
    let text = gateway.config_text();
    version("..1", &text.replace("limit = [100]", "limit = [300]"));
    version("..2", &text.replace("limit = [100]", "limit = [400]"));
    link("..1", "..data");
    link("..data/gateway.toml", "gateway.toml");
    eventually("what the link points at", || (limit(&gateway, "/demo").as_deref() == Some("300")).then_some(()));
    link("..2", "..data");
    eventually("what the swapped link points at", || (limit(&gateway, "/demo").as_deref() == Some("400")).then_some(()));
}

#[test]
fn counts_survive_an_edit_of_something_else() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 3));
    for _ in 0..3 {
        assert_eq!(gateway.get("/demo", &[]).status, 200);
    }
    gateway.edit_by_rename(|text| text.replace("paths = [\"/demo\"]", "paths = [\"/demo\", \"/more\"]"));
    eventually("the new path", || (gateway.get("/more", &[]).status == 429).then_some(()));
    assert_eq!(gateway.get("/demo", &[]).status, 429);
}

#[test]
fn a_broken_edit_changes_nothing_and_says_where_it_is_wrong() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    let good = gateway.config_text();
    gateway.edit_in_place(|text| {
        text.replace("service = \"demo\"", "service = \"dmeo\"").replace("limit = [100]", "limit = [\"many\"]")
    });
    gateway.wait_for_log("2 problems");
    let log = gateway.log().join("\n");
    for part in ["routes.demo.service", "did you mean \"demo\"?", "rate-limiting-advanced.limit[0]", "service = \"dmeo\""] {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert_eq!(limit(&gateway, "/demo").as_deref(), Some("100"));
    let status = gateway.admin("GET", "/config/status", "").json();
    assert_eq!((status["version"].as_u64(), status["problems"].as_array().map(Vec::len)), (Some(1), Some(2)));
    gateway.edit_in_place(|_| good);
    eventually("no problems any more", || {
        let problems = gateway.admin("GET", "/config/status", "").json()["problems"].as_array().map(Vec::len);
        (problems == Some(0)).then_some(())
    });
}

#[test]
fn no_request_is_lost_while_the_configuration_changes() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 1_000_000));
    let url = format!("http://{}/demo", gateway.proxy);
    let done = AtomicBool::new(false);
    let (out, edits) = std::thread::scope(|scope| {
        let wrk = scope.spawn(|| {
            let out = run("wrk", &["-t1", "-c16", "-d3s", &url]);
            done.store(true, Ordering::SeqCst);
            out
        });
        let mut edits = 0_u32;
        while !done.load(Ordering::SeqCst) {
            let (before, after) = (format!("limit = [{}]", 1_000_000 + edits), format!("limit = [{}]", 1_000_001 + edits));
            match edits % 2 {
                0 => gateway.edit_by_rename(|text| text.replace(&before, &after)),
                _ => gateway.edit_in_place(|text| text.replace(&before, &after)),
            }
            edits += 1;
            let expected = (1_000_000 + edits).to_string();
            eventually("the edit is live", || (limit(&gateway, "/demo") == Some(expected.clone())).then_some(()));
        }
        (wrk.join().unwrap(), edits)
    });
    assert!(edits >= 3, "{edits}");
    assert!(!out.contains("Non-2xx") && !out.contains("Socket errors"), "{out}");
}

#[test]
fn a_busy_folder_does_not_hold_an_edit_up() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    let noise = gateway.config_file().with_extension("log");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let until = std::time::Instant::now() + crate::harness::DEADLINE;
            while !done.load(Ordering::SeqCst) && std::time::Instant::now() < until {
                std::fs::write(&noise, "noise").unwrap();
            }
        });
        gateway.edit_by_rename(|text| text.replace("limit = [100]", "limit = [200]"));
        eventually("the new limit", || (limit(&gateway, "/demo").as_deref() == Some("200")).then_some(()));
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn half_of_a_write_is_not_read() {
    use std::io::Write;
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    let text = gateway.config_text().replace("limit = [100]", "limit = [200]");
    let (before, after) = text.split_at(text.find("[services.demo.plugins").unwrap());
    let mut file = std::fs::File::create(gateway.config_file()).unwrap();
    file.write_all(before.as_bytes()).unwrap();
    file.sync_all().unwrap();
    // Long after the writer's pause the old configuration serves on, with its limit.
    let until = std::time::Instant::now() + std::time::Duration::from_millis(700);
    while std::time::Instant::now() < until {
        assert_eq!(limit(&gateway, "/demo").as_deref(), Some("100"));
    }
    file.write_all(after.as_bytes()).unwrap();
    drop(file);
    eventually("the whole of it", || (limit(&gateway, "/demo").as_deref() == Some("200")).then_some(()));
    // It is live before it is told of.
    eventually("one version more", || (gateway.version() == 2).then_some(()));
}

#[test]
fn a_file_that_cannot_be_read_is_told_of_and_changes_nothing() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    let text = gateway.config_text();
    let problem = |part: &str| {
        eventually(part, || {
            let status = gateway.admin("GET", "/config/status", "").json();
            status["problems"][0].as_str().is_some_and(|problem| problem.contains(part)).then_some(())
        });
        assert_eq!(limit(&gateway, "/demo").as_deref(), Some("100"));
    };
    std::fs::write(gateway.config_file(), "").unwrap();
    problem("empty");
    std::fs::write(gateway.config_file(), [0xff, 0xfe, 0x41]).unwrap();
    problem("UTF-8");
    std::fs::remove_file(gateway.config_file()).unwrap();
    problem("cannot be read");
    std::fs::write(gateway.config_file(), text.replace("limit = [100]", "limit = [300]")).unwrap();
    eventually("the file is back", || (limit(&gateway, "/demo").as_deref() == Some("300")).then_some(()));
}

#[test]
fn a_link_to_another_folder_is_followed_from_then_on() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("other.toml");
    let write = |limit: &str| std::fs::write(&target, gateway.config_text().replace("limit = [100]", limit)).unwrap();
    write("limit = [300]");
    let link = gateway.config_file().with_extension("new");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    std::fs::rename(link, gateway.config_file()).unwrap();
    eventually("what the link points at", || (limit(&gateway, "/demo").as_deref() == Some("300")).then_some(()));
    std::fs::write(&target, std::fs::read_to_string(&target).unwrap().replace("[300]", "[400]")).unwrap();
    eventually("an edit of what it points at", || (limit(&gateway, "/demo").as_deref() == Some("400")).then_some(()));
}

#[test]
fn a_signal_reloads_what_the_watch_does_not_see() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&upstream, 100));
    // A write through another name of the file, in a folder that is not watched.
    let elsewhere = tempfile::tempdir().unwrap();
    let other_name = elsewhere.path().join("config");
    std::fs::hard_link(gateway.config_file(), &other_name).unwrap();
    std::fs::write(other_name, gateway.config_text().replace("limit = [100]", "limit = [150]")).unwrap();
    gateway.signal("HUP");
    eventually("the new limit", || (limit(&gateway, "/demo").as_deref() == Some("150")).then_some(()));
    // The line comes last: whoever reads it finds the version.
    gateway.wait_for_log("origin=\"signal\"");
    assert_eq!(gateway.version(), 2);
}
