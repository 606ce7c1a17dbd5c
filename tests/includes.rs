//! Files that gateway.toml includes: read, watched and edited like itself.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::harness::{Gateway, Server, eventually, httpbin};

/// A gateway whose service stands in the main file, and its route in another.
struct Included {
    gateway: Gateway,
    folder: PathBuf,
}

impl Included {
    fn start(upstream: &Server) -> Self {
        let gateway = Gateway::start(&format!("# mine\n[services.demo]\nurl = \"{}\"\n", upstream.url("/anything")));
        let folder = gateway.config_file().with_file_name("conf.d");
        std::fs::create_dir(&folder).unwrap();
        let included = Self { gateway, folder };
        included.write("a.toml", "# routes\n[routes.a]\nservice = \"demo\"\npaths = [\"/a\"] # all of it\n");
        included.gateway.edit_by_rename(|text| format!("include = [\"conf.d/*.toml\"]\n{text}"));
        included.serves("/a", true);
        included
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn serves(&self, path: &str, yes: bool) {
        eventually(&format!("{path} {yes}"), || ((self.gateway.get(path, &[]).status == 200) == yes).then_some(()));
    }
}

#[test]
fn a_file_that_changes_comes_or_goes_is_seen() {
    let upstream = httpbin();
    let included = Included::start(&upstream);
    included.write("a.toml", &included.read("a.toml").replace("/a\"", "/b\""));
    included.serves("/b", true);
    included.serves("/a", false);
    included.write("new.toml", "[routes.new]\nservice = \"demo\"\npaths = [\"/new\"]\n");
    included.serves("/new", true);
    std::fs::rename(included.folder.join("new.toml"), included.folder.join("new.off")).unwrap();
    included.serves("/new", false);
    std::fs::remove_file(included.folder.join("a.toml")).unwrap();
    included.serves("/b", false);
    let Included { gateway, folder } = included;
    let gateway = gateway.restart();
    assert_eq!(gateway.get("/new", &[]).status, 404);
    std::fs::rename(folder.join("new.off"), folder.join("new.toml")).unwrap();
    eventually("it is there again", || (gateway.get("/new", &[]).status == 200).then_some(()));
}

#[test]
fn a_broken_file_is_told_of_by_its_name_and_changes_nothing() {
    let upstream = httpbin();
    let included = Included::start(&upstream);
    let good = included.read("a.toml");
    let version = included.gateway.version();
    included.write("a.toml", &good.replace("demo", "dmeo").replace("/a\"", "/b\""));
    let problems = eventually("the problem is told of", || {
        let status = included.gateway.admin("GET", "/config/status", "").json();
        status["problems"].as_array().filter(|all| !all.is_empty()).cloned()
    });
    let told = problems[0].as_str().unwrap();
    assert!(told.contains("conf.d/a.toml:3:11  routes.a.service: there is no service \"dmeo\""), "{told}");
    assert_eq!((included.gateway.get("/a", &[]).status, included.gateway.version()), (200, version));
    let refused = included.gateway.admin("POST", "/services", r#"{"name":"x","host":"x"}"#);
    assert_eq!((refused.status, refused.body.contains("conf.d/a.toml:3:11")), (409, true), "{}", refused.body);
    included.write("a.toml", &good);
    eventually("it is mended", || {
        let status = included.gateway.admin("GET", "/config/status", "").json();
        (status["problems"] == json!([])).then_some(())
    });
    assert_eq!(included.gateway.version(), version);
}

#[test]
fn the_admin_api_edits_the_file_in_which_an_entity_stands() {
    let upstream = httpbin();
    let included = Included::start(&upstream);
    let gateway = &included.gateway;
    let (main, a) = (gateway.config_text(), included.read("a.toml"));
    let is = |method: &str, path: &str, body: &str, status: u16| {
        let answer = gateway.admin(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {}", answer.body);
    };
    is("PATCH", "/routes/a", r#"{"paths":["/c"]}"#, 200);
    assert_eq!((gateway.config_text(), included.read("a.toml")), (main.clone(), a.replace("/a\"", "/c\"")));
    assert_eq!(gateway.get("/c", &[]).status, 200);
    is("POST", "/services", r#"{"name":"second","url":"http://127.0.0.1:1"}"#, 201);
    let with_second = gateway.config_text();
    assert!(with_second.starts_with(&main) && with_second.contains("[services.second]"), "{with_second}");
    assert_eq!(included.read("a.toml"), a.replace("/a\"", "/c\""));
    is("POST", "/routes/a/plugins", r#"{"name":"correlation-id"}"#, 201);
    assert!(included.read("a.toml").contains("[routes.a.plugins.correlation-id]"), "{}", included.read("a.toml"));
    assert_eq!(gateway.config_text(), with_second);
    is("PATCH", "/services/demo", r#"{"name":"renamed"}"#, 200);
    assert!(gateway.config_text().contains("[services.renamed]") && included.read("a.toml").contains("service = \"renamed\""));
    is("DELETE", "/routes/a", "", 204);
    assert!(!included.read("a.toml").contains("[routes.a"), "{}", included.read("a.toml"));
    assert_eq!(gateway.get("/c", &[]).status, 404);
}

#[test]
fn check_reads_all_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let check = |main: &str, included: &str, expected: &str, code: i32| {
        std::fs::write(folder.path().join("gateway.toml"), main).unwrap();
        std::fs::write(folder.path().join("conf.d/a.toml"), included).unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_sluice")).arg("check").current_dir(&folder).output().unwrap();
        let said = String::from_utf8(if code == 0 { out.stdout } else { out.stderr }).unwrap();
        assert_eq!((said.as_str(), out.status.code()), (expected, Some(code)));
    };
    let main = "include = [\"conf.d/*.toml\", \"none/*\"]\n[services.demo]\nurl = \"http://127.0.0.1:1\"\n";
    let route = "[routes.a]\nservice = \"demo\"\npaths = [\"/a\"]\n";
    check(main, route, "gateway.toml: good: 1 services, 1 routes, 0 consumers, 0 plugins, 0 event hooks\n", 0);
    let twice = format!("{route}[services.demo]\nurl = \"http://127.0.0.1:2\"\n");
    check(
        main,
        &twice,
        "conf.d/a.toml:4:11  services.demo\n   |\n 4 | [services.demo]\n   |           ^^^^ services.demo stands in gateway.toml:2:11 already\n   = an entity stands in one place: take it out of one of them\n\n1 problem\n",
        64,
    );
    check(main, "", "conf.d/a.toml:1:1\n   |\n 1 | \n   | ^ the file is empty\n\n1 problem\n", 64);
}
