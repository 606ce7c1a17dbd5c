//! Kong's Admin API over the file: entities are made, changed and deleted by curl, live at once, and written back.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::harness::{Answer, DEADLINE, Gateway, eventually, httpbin, run};

/// The body of an answer with this status.
#[track_caller]
fn is(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.json()
}

#[test]
fn a_service_with_a_route_and_a_limit_is_made_by_kongs_commands() {
    let upstream = httpbin();
    let gateway = Gateway::start("# the file begins empty\n");
    let admin = format!("http://{}", gateway.admin);
    let curl = |path: &str, data: &[&str]| {
        let url = format!("{admin}{path}");
        let mut args = vec!["-sS", "-f", "-X", "POST", &url];
        data.iter().for_each(|field| args.extend(["--data", field]));
        serde_json::from_str::<Value>(&run("curl", &args)).unwrap()
    };
    let service = curl("/services", &["name=demo", &format!("url=http://{}/anything", upstream.address)]);
    assert_eq!((&service["host"], &service["path"], &service["retries"]), (&json!("127.0.0.1"), &json!("/anything"), &json!(5)));
    let route = curl("/services/demo/routes", &["name=demo", "paths[]=/demo", "methods=GET"]);
    assert_eq!(
        (&route["service"], &route["paths"], &route["methods"]),
        (&json!({ "id": service["id"] }), &json!(["/demo"]), &json!(["GET"]))
    );
    curl("/consumers", &["username=Joe", "tags=vip"]);
    let key = curl("/consumers/Joe/key-auth", &["key=joe-key"]);
    assert_eq!(key["key"], "joe-key");
    curl("/services/demo/plugins", &["name=key-auth"]);
    let limit = curl(
        "/services/demo/plugins",
        &["name=rate-limiting-advanced", "config.limit=3", "config.window_size=31536000", "config.identifier=consumer"],
    );
    assert_eq!(limit["config"]["limit"], json!([3]));
    let statuses: Vec<u16> = (0..4).map(|_| gateway.get("/demo", &[("apikey", "joe-key")]).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    let text = gateway.config_text();
    assert!(
        text.contains("# the file begins empty\n") && text.contains("[services.demo.plugins.rate-limiting-advanced]"),
        "{text}"
    );
    let gateway = gateway.restart();
    assert_eq!(is(&gateway.admin("GET", "/services/demo", ""), 200)["id"], service["id"]);
    assert_eq!(gateway.get("/demo", &[]).status, 401);
}

#[test]
fn what_is_not_named_stays_byte_for_byte() {
    let file = r#"
# services
[services.a] # the first
url = "${NOWHERE:-http://127.0.0.1:1}/x" # by the environment
retries = 3

[services.b]
host = "127.0.0.1"   # its parts
port = 2

# routes
[routes.a]
service = "a"
paths = [
    "/a", # one
    "/b", # two
]
[consumers.Joe]
key-auth = [{ key = "one" }, { key = "two" }] # two keys
[upstreams.app]
targets = ["127.0.0.1:1", { target = "127.0.0.1:2", weight = 7 }]
"#;
    let gateway = Gateway::start(file);
    let mut expected = gateway.config_text();
    let mut check = |method: &str, path: &str, body: &str, from: &str, to: &str| {
        let answer = gateway.admin(method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.body);
        if !from.is_empty() {
            assert!(expected.contains(from), "{from}\n{expected}");
            expected = expected.replacen(from, to, 1);
        }
        assert_eq!(gateway.config_text(), expected, "{method} {path} {body}");
        answer
    };
    check("PATCH", "/services/a", r#"{"retries":4}"#, "retries = 3\n", "retries = 4\n");
    // What is so already is not written, nor what a client sends back as it read it.
    let shown = check("GET", "/services/a", "", "", "").body;
    check("PATCH", "/services/a", &shown, "", "");
    check("PUT", "/services/a", &shown, "", "");
    let route = check("GET", "/routes/a", "", "", "").body;
    check("PUT", "/routes/a", &route, "", "");
    check(
        "PATCH",
        "/services/b",
        r#"{"port":3}"#,
        "host = \"127.0.0.1\"   # its parts\nport = 2\n",
        "host = \"127.0.0.1\"   # its parts\nport = 3\nprotocol = \"http\"\n",
    );
    check(
        "PATCH",
        "/routes/a",
        r#"{"name":"c"}"#,
        "[routes.a]\nservice = \"a\"\npaths = [\n    \"/a\", # one\n    \"/b\", # two\n]\n",
        &format!(
            "[routes.c]\nservice = \"a\"\npaths = [\n    \"/a\", # one\n    \"/b\", # two\n]\nid = {}\n",
            serde_json::from_str::<Value>(&route).unwrap()["id"]
        ),
    );
    check("DELETE", "/upstreams/app/targets/127.0.0.1:1", "", "\"127.0.0.1:1\", ", "");
    check("PATCH", "/upstreams/app/targets/127.0.0.1:2", r#"{"weight":8}"#, "weight = 7", "weight = 8");
    // The second key keeps its id, which followed from its place.
    let keys = gateway.admin("GET", "/consumers/Joe/key-auth", "").json();
    let ids: Vec<&str> = keys["data"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect();
    check(
        "DELETE",
        &format!("/consumers/Joe/key-auth/{}", ids[0]),
        "",
        "[{ key = \"one\" }, { key = \"two\" }]",
        &format!("[{{ key = \"two\", id = \"{}\" }}]", ids[1]),
    );
    check("GET", &format!("/key-auths/{}", ids[1]), "", "", "");
}

#[test]
fn entities_refuse_in_kongs_words() {
    let gateway = Gateway::start(
        "[services.a]\nurl = \"http://127.0.0.1:1\"\n[routes.a]\nservice = \"a\"\npaths = [\"/a\"]\n[consumers.Joe]\ncustom_id = \"1\"\nkey-auth = [{ key = \"k\" }]\n",
    );
    let before = gateway.config_text();
    let check = |method: &str, path: &str, body: Value, status: u16, code: Value, said: &str| {
        let answer = is(&gateway.admin(method, path, &body.to_string()), status);
        assert_eq!(answer["code"], code, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(said), "{said}: {answer}");
        assert_eq!(gateway.config_text(), before, "{method} {path} {body}");
        answer
    };
    check("POST", "/services", json!({ "name": "a", "host": "x" }), 409, json!(5), "UNIQUE violation detected on '{name=\"a\"}'");
    let both = check(
        "POST",
        "/services",
        json!({ "name": "b", "port": 70000, "path": "x", "host": "h" }),
        400,
        json!(2),
        "2 schema violations",
    );
    assert!(both["fields"]["port"].is_string() && both["fields"]["path"].is_string(), "{both}");
    check("POST", "/services", json!({ "name": "b" }), 400, json!(2), "schema violation (host: required field missing)");
    check("POST", "/services", json!({ "name": "b", "host": "x", "hots": "y" }), 400, json!(2), "hots: unknown field");
    check(
        "POST",
        "/routes",
        json!({ "paths": ["/x"], "service": { "id": "00000000-0000-4000-8000-000000000000" } }),
        400,
        json!(4),
        "does not reference an existing 'services' entity.",
    );
    check("DELETE", "/services/a", Value::Null, 400, json!(4), "an existing 'routes' entity references this 'services' entity");
    check("POST", "/routes", json!({ "name": "x", "service": { "name": "a" } }), 400, json!(2), "must set one of");
    check("POST", "/consumers", json!({ "username": "Ann", "custom_id": "1" }), 409, json!(5), "custom_id=\"1\"");
    check("POST", "/consumers/Joe/key-auth", json!({ "key": "k" }), 409, json!(5), "UNIQUE");
    check("POST", "/consumers/Joe/basic-auth", json!({ "username": "u" }), 400, json!(2), "password: required field missing");
    check("POST", "/plugins", json!({ "name": "nope" }), 400, json!(2), "plugin 'nope' not enabled");
    let limit = check(
        "POST",
        "/plugins",
        json!({ "name": "rate-limiting-advanced", "config": { "limit": [0], "window_size": [1], "x": 1 } }),
        400,
        json!(2),
        "config.x: unknown field",
    );
    assert!(limit["fields"]["config"]["limit"].is_array(), "{limit}");
    check(
        "POST",
        "/plugins",
        json!({ "name": "cors", "service": { "name": "a" }, "route": { "name": "a" } }),
        400,
        json!(2),
        "belongs to one of",
    );
    check("POST", "/upstreams/x/targets", json!({ "target": "a:1" }), 404, Value::Null, "Not found");
    check("PATCH", "/services/nobody", json!({ "port": 1 }), 404, Value::Null, "Not found");
    check("GET", "/services?tags=a,b/c", Value::Null, 400, json!(11), "invalid filter syntax");
    check("PATCH", "/plugins", json!({}), 405, Value::Null, "Method not allowed");
}

#[test]
fn a_change_of_an_old_version_is_refused() {
    let gateway = Gateway::start("[services.a]\nurl = \"http://127.0.0.1:1\"\n");
    let patch = |version: &str| {
        let url = format!("http://{}/services/a", gateway.admin);
        let if_match = format!("If-Match: {version}");
        run(
            "curl",
            &[
                "-sS",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code} %header{etag}",
                "-X",
                "PATCH",
                "-H",
                &if_match,
                "-d",
                "retries=1",
                "-d",
                &format!("port={}", version.len()),
                &url,
            ],
        )
    };
    let version = gateway.version();
    assert_eq!(patch(&format!("\"{version}\"")), format!("200 \"{}\"", version + 1));
    assert_eq!(patch(&format!("\"{version}\"")), format!("412 \"{}\"", version + 1));
    assert_eq!(patch("*").split(' ').next(), Some("200"));
    assert_eq!(patch("\"nonsense\"").split(' ').next(), Some("412"));
}

#[test]
fn put_makes_and_replaces_and_delete_is_final() {
    let gateway = Gateway::start("");
    let put = |path: &str, body: Value| is(&gateway.admin("PUT", path, &body.to_string()), 200);
    let id = "5f1d7e76-3c7c-4a0c-9d1a-5c1d2a1b3c4d";
    assert_eq!(put(&format!("/services/{id}"), json!({ "name": "a", "host": "h", "retries": 1, "tags": ["x"] }))["id"], id);
    assert_eq!(put("/services/a", json!({ "host": "i" }))["retries"], 5);
    assert_eq!(is(&gateway.admin("GET", &format!("/services/{id}"), ""), 200)["host"], "i");
    put("/upstreams/u", json!({ "algorithm": "least-connections" }));
    assert_eq!(put("/upstreams/u/targets/127.0.0.1:9", json!({ "weight": 3 }))["weight"], 3);
    assert_eq!(put("/upstreams/u", json!({}))["algorithm"], "round-robin");
    assert_eq!(is(&gateway.admin("GET", "/upstreams/u/targets", ""), 200)["data"][0]["weight"], 3);
    put("/consumer_groups/gold", json!({}));
    put("/consumers/ada@example.com", json!({ "custom_id": "7" }));
    is(&gateway.admin("POST", "/consumers/ada@example.com/consumer_groups", r#"{"group":"gold"}"#), 201);
    assert_eq!(is(&gateway.admin("GET", "/consumer_groups/gold/consumers", ""), 200)["data"][0]["username"], "ada@example.com");
    assert_eq!(is(&gateway.admin("GET", "/consumers?custom_id=7", ""), 200)["data"][0]["username"], "ada@example.com");
    put("/consumers/ada@example.com/acls/admins", json!({}));
    let jwt = is(&gateway.admin("POST", "/consumers/ada@example.com/jwt", "{}"), 201);
    assert_eq!((jwt["key"].as_str().unwrap().len(), jwt["secret"].as_str().unwrap().len()), (32, 32));
    let tags = is(&gateway.admin("PATCH", "/services/a", r#"{"tags":["x","y"]}"#), 200);
    assert_eq!(
        is(&gateway.admin("GET", "/tags/y", ""), 200)["data"],
        json!([{ "entity_name": "services", "entity_id": id, "tag": "y" }])
    );
    assert_eq!(is(&gateway.admin("GET", "/services?tags=x,y", ""), 200)["data"], json!([tags]));
    for (path, status) in [
        ("/consumers/ada@example.com/acls/admins", 204),
        ("/consumers/ada@example.com/acls/admins", 404),
        ("/consumer_groups/gold", 204),
        ("/upstreams/u", 204),
        ("/upstreams/u", 204),
        ("/services/a", 204),
        ("/consumers/ada@example.com", 204),
    ] {
        assert_eq!(gateway.admin("DELETE", path, "").status, status, "{path}");
    }
    for section in ["services", "consumers", "upstreams", "consumer_groups"] {
        assert_eq!(is(&gateway.admin("GET", &format!("/{section}"), ""), 200)["data"], json!([]), "{section}");
    }
}

/// Adds consumers until the gateway is gone; those that were answered 201.
fn add_until_it_dies(admin: std::net::SocketAddr, client: usize, most: usize) -> Vec<String> {
    let mut made = Vec::new();
    for n in 0..most {
        let name = format!("c{client}-{n}");
        let body = json!({ "username": name, "tags": [format!("by {client}")] }).to_string();
        let mut said = String::new();
        let answered = TcpStream::connect(admin).and_then(|mut stream| {
            stream.set_read_timeout(Some(DEADLINE))?;
            let head = format!(
                "POST /consumers HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes())?;
            stream.read_to_string(&mut said)
        });
        if answered.is_err() || !said.starts_with("HTTP/1.1 201 ") {
            break;
        }
        made.push(name);
    }
    made
}

fn usernames(gateway: &Gateway) -> BTreeSet<String> {
    let all = is(&gateway.admin("GET", "/consumers?size=1000", ""), 200);
    all["data"].as_array().unwrap().iter().map(|one| one["username"].as_str().unwrap().to_owned()).collect()
}

fn usernames_in(text: &str) -> BTreeSet<String> {
    let file: toml::Table = text.parse().unwrap();
    file.get("consumers").and_then(toml::Value::as_table).map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn of_many_changes_at_once_none_is_lost() {
    let gateway = Gateway::start("# mine\n");
    let admin = gateway.admin;
    let made: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|client| scope.spawn(move || add_until_it_dies(admin, client, 25))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(made.len(), 200);
    let made: BTreeSet<String> = made.into_iter().collect();
    assert_eq!(usernames(&gateway), made);
    assert_eq!(usernames_in(&gateway.config_text()), made);
    assert_eq!(gateway.version(), 201);
    assert_eq!(usernames(&gateway.restart()), made);
}

#[test]
fn what_was_answered_survives_a_kill_at_any_moment() {
    let mut gateway = Gateway::start("# mine\n");
    let mut answered = BTreeSet::new();
    for round in 0..5 {
        let admin = gateway.admin;
        let clients: Vec<_> = (0..4).map(|n| std::thread::spawn(move || add_until_it_dies(admin, round * 4 + n, 1000))).collect();
        let so_far = answered.len();
        eventually("some are in the file", || (usernames_in(&gateway.config_text()).len() > so_far + 3 * round).then_some(()));
        gateway = gateway.kill_and_restart();
        answered.extend(clients.into_iter().flat_map(|client| client.join().unwrap()));
        let kept = usernames(&gateway);
        assert_eq!(answered.difference(&kept).collect::<Vec<_>>(), Vec::<&String>::new(), "round {round}");
        assert_eq!(usernames_in(&gateway.config_text()), kept);
        assert!(gateway.config_text().starts_with("# mine\n") || gateway.config_text().contains("\n# mine\n"));
    }
}
