//! Kong's everyday plugins in front of a real upstream, on both ways of a request: the short one (GET) and Pingora's (POST).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::{Answer, Behaviour, DEADLINE, Gateway, Receiver, Request, Server, httpbin, raw, read_head, request};

/// Both ways of a request.
const WAYS: [&str; 2] = ["GET", "POST"];

fn demo(upstream: &Server, more: &str) -> String {
    format!(
        "[services.demo]\nurl = \"{}\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/demo\"]\n{more}",
        upstream.url("/anything")
    )
}

fn ask(gateway: &Gateway, method: &str, headers: &[(&str, &str)]) -> Answer {
    let body = if method == "POST" { "body" } else { "" };
    request(gateway.proxy, &Request { method, path: "/demo?q=1", headers, body })
}

/// `name:password` as a client of `basic-auth` sends it; the base64 is made by hand, once.
const JOE: (&str, &str) = ("Authorization", "Basic am9lOnNlY3JldA==");

#[test]
fn one_of_several_ways_to_say_who_calls_is_enough_with_anonymous() {
    let upstream = httpbin();
    let config = "[consumers.Joe]\ncustom_id = \"j-1\"\nkey-auth = [{ key = \"joe-key\" }, { key = \"joe-other\" }]\nbasic-auth = [{ username = \"joe\", password = \"secret\" }]\n\
        [consumers.Anybody]\n[consumers.Anybody.plugins.request-termination]\ntrigger = \"x-stop\"\nstatus_code = 401\n\
        [services.demo.plugins.key-auth]\nanonymous = \"Anybody\"\n[services.demo.plugins.basic-auth]\nanonymous = \"Anybody\"\nhide_credentials = true\n";
    let gateway = Gateway::start(&demo(&upstream, config));
    let forged = [
        ("X-Anonymous-Consumer", "true"),
        ("X-Consumer-Username", "root"),
        ("X-Consumer-Groups", "root"),
        ("X-Authenticated-Groups", "root"),
    ];
    for method in WAYS {
        for (said, credential) in [(("apikey", "joe-key"), None), (("apikey", "joe-other"), None), (JOE, Some("joe"))] {
            let headers: Vec<_> = forged.into_iter().chain([said]).collect();
            let seen = ask(&gateway, method, &headers).json()["headers"].clone();
            assert_eq!(
                (&seen["X-Consumer-Username"], &seen["X-Consumer-Custom-Id"]),
                (&"Joe".into(), &"j-1".into()),
                "{method} {said:?}"
            );
            for absent in ["X-Anonymous-Consumer", "X-Consumer-Groups", "X-Authenticated-Groups", "Authorization"] {
                assert!(seen.get(absent).is_none(), "{method} {absent}: {seen}");
            }
            assert!(credential.is_none_or(|name| seen["X-Credential-Identifier"] == name));
        }
        for nobody in [&[][..], &[("apikey", "wrong")], &[("Authorization", "Basic am9lOndyb25n")]] {
            let seen = ask(&gateway, method, nobody).json()["headers"].clone();
            assert_eq!((&seen["X-Consumer-Username"], &seen["X-Anonymous-Consumer"]), (&"Anybody".into(), &"true".into()));
            assert!(seen.get("X-Credential-Identifier").is_none());
        }
        // What the anonymous consumer has of his own counts for nobody else.
        assert_eq!(ask(&gateway, method, &[("x-stop", "1")]).status, 401);
        assert_eq!(ask(&gateway, method, &[("x-stop", "1"), ("apikey", "joe-key")]).status, 200);
    }
}

#[test]
fn without_anonymous_every_plugin_insists_and_hooks_are_told() {
    let upstream = httpbin();
    let receiver = Receiver::start(Behaviour::Status(200));
    let hook = format!(
        "[event_hooks.h]\nsource = \"basic-auth\"\nevent = \"unauthorized\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
        receiver.url()
    );
    let config = "[consumers.Joe]\nkey-auth = [{ key = \"joe-key\" }]\nbasic-auth = [{ username = \"joe\", password = \"secret\" }]\n[plugins.key-auth]\n[plugins.basic-auth]\n";
    let gateway = Gateway::start(&demo(&upstream, &format!("{config}{hook}")));
    for method in WAYS {
        assert_eq!(ask(&gateway, method, &[JOE]).status, 401);
        let refused = ask(&gateway, method, &[("apikey", "joe-key")]);
        assert_eq!((refused.status, refused.header("WWW-Authenticate")), (401, Some("Basic realm=\"service\"")));
        assert_eq!(ask(&gateway, method, &[("apikey", "joe-key"), JOE]).status, 200);
    }
    let told = receiver.wait_for(1)[0].json();
    assert_eq!(
        (&told["event"], &told["reason"], &told["consumer"]["username"]),
        (&"unauthorized".into(), &"Unauthorized".into(), &"Joe".into())
    );
}

#[test]
fn a_signed_token_tells_who_calls() {
    let fixtures: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string("crates/plugins/src/jwt/fixtures/pyjwt.json").unwrap()).unwrap();
    let upstream = httpbin();
    let config = format!(
        "[consumers.Joe]\njwt = [{{ key = \"joe\", algorithm = \"ES256\", rsa_public_key = {} }}]\n[services.demo.plugins.jwt]\n",
        fixtures["keys"]["p256"]
    );
    let gateway = Gateway::start(&demo(&upstream, &config));
    let bearer = |token: &serde_json::Value| format!("Bearer {}", token.as_str().unwrap());
    for method in WAYS {
        let seen = ask(&gateway, method, &[("Authorization", &bearer(&fixtures["tokens"]["ES256"]))]).json()["headers"].clone();
        assert_eq!((&seen["X-Consumer-Username"], &seen["X-Credential-Identifier"]), (&"Joe".into(), &"joe".into()));
        for token in [&fixtures["tokens"]["ES384"], &fixtures["none"], &fixtures["confused"]] {
            let refused = ask(&gateway, method, &[("Authorization", &bearer(token))]);
            assert_eq!((refused.status, refused.header("WWW-Authenticate")), (401, Some("Bearer")));
        }
    }
}

#[test]
fn groups_let_consumers_in_and_have_plugins_of_their_own() {
    let upstream = httpbin();
    let config = "[consumers.Joe]\ngroups = [\"gold\", \"silver\"]\nkey-auth = [{ key = \"joe\" }]\nacls = [{ group = \"a\" }, { group = \"b\" }]\n\
        [consumers.Ann]\ngroups = [\"silver\"]\nkey-auth = [{ key = \"ann\" }]\nacls = [{ group = \"b\" }]\n\
        [consumers.Eve]\nkey-auth = [{ key = \"eve\" }]\n\
        [consumer_groups.gold.plugins.rate-limiting-advanced]\nlimit = [300]\nwindow_size = [60]\n\
        [consumer_groups.silver.plugins.rate-limiting-advanced]\nlimit = [200]\nwindow_size = [60]\n\
        [consumers.Ann.plugins.ip-restriction]\ndeny = [\"192.0.2.1\"]\n\
        [services.demo.plugins.key-auth]\n[services.demo.plugins.acl]\nallow = [\"b\"]\n\
        [routes.demo.plugins.rate-limiting-advanced]\nlimit = [100]\nwindow_size = [60]\n";
    let gateway = Gateway::start(&demo(&upstream, config));
    for method in WAYS {
        let check = |key: &str, status: u16, limit: Option<&str>, groups: Option<&str>| {
            let answer = ask(&gateway, method, &[("apikey", key)]);
            assert_eq!((answer.status, answer.header("X-RateLimit-Limit-Minute")), (status, limit), "{method} {key}");
            if let Some(groups) = groups {
                assert_eq!(answer.json()["headers"]["X-Consumer-Groups"], groups);
            }
        };
        check("joe", 200, Some("300"), Some("a, b"));
        check("ann", 200, Some("200"), Some("b"));
        check("eve", 403, None, None);
        check("nobody", 401, None, None);
    }
}

#[test]
fn browsers_are_told_from_where_scripts_may_call() {
    let upstream = httpbin();
    let config = "[consumers.Joe]\nkey-auth = [{ key = \"joe\" }]\n[services.demo.plugins.key-auth]\n\
        [routes.demo.plugins.cors]\norigins = [\"https://a.example\", 'https://.*\\.b\\.example']\ncredentials = true\nmax_age = 60\nmethods = [\"GET\", \"POST\"]\n";
    let gateway = Gateway::start(&demo(&upstream, config));
    for method in WAYS {
        let check = |origin: &str, key: &str, status: u16, allowed: Option<&str>| {
            let answer = ask(&gateway, method, &[("Origin", origin), ("apikey", key)]);
            assert_eq!((answer.status, answer.header("Access-Control-Allow-Origin")), (status, allowed), "{method} {origin}");
            assert_eq!(answer.header("Vary"), Some("Origin"));
        };
        check("https://a.example", "joe", 200, Some("https://a.example"));
        check("https://x.b.example", "joe", 200, Some("https://x.b.example"));
        check("https://c.example", "joe", 200, None);
        // Refusals as well, or no script could read them.
        check("https://a.example", "wrong", 401, Some("https://a.example"));
    }
    let asked = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")];
    let preflight = request(gateway.proxy, &Request { method: "OPTIONS", path: "/demo", headers: &asked, body: "" });
    assert_eq!((preflight.status, preflight.body.as_str()), (200, ""));
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), Some("GET,POST"));
    assert_eq!(preflight.header("Access-Control-Max-Age"), Some("60"));
    assert_eq!((preflight.header("Content-Type"), preflight.header("Content-Length")), (None, Some("0")));
}

#[test]
fn requests_are_refused_by_address_or_answered_in_the_upstreams_place() {
    let upstream = httpbin();
    let gateway = Gateway::start(&demo(
        &upstream,
        "[routes.closed]\nservice = \"demo\"\npaths = [\"/closed\"]\n[routes.closed.plugins.ip-restriction]\ndeny = [\"127.0.0.0/8\"]\n\
         [routes.demo.plugins.request-termination]\nstatus_code = 418\nbody = \"short\"\ncontent_type = \"text/plain\"\n\
         [routes.demo.plugins.correlation-id]\nheader_name = \"X-Id\"\necho_downstream = true\n",
    ));
    for method in WAYS {
        let closed = request(gateway.proxy, &Request { method, path: "/closed", headers: &[], body: "" });
        assert_eq!((closed.status, &closed.json()["message"]), (403, &"IP address not allowed: 127.0.0.1".into()));
        let ended = ask(&gateway, method, &[("X-Id", "mine")]);
        assert_eq!((ended.status, ended.body.as_str(), ended.header("Content-Type")), (418, "short", Some("text/plain")));
        assert_eq!(ended.header("X-Id"), Some("mine"));
    }
}

#[test]
fn an_id_goes_to_the_upstream_and_back() {
    let upstream = httpbin();
    let gateway = Gateway::start(&demo(&upstream, "[plugins.correlation-id]\nheader_name = \"X-Id\"\necho_downstream = true\n"));
    for method in WAYS {
        let answer = ask(&gateway, method, &[]);
        let id = answer.header("X-Id").unwrap();
        assert!(id.len() > 37 && answer.json()["headers"]["X-Id"] == id, "{answer:?}");
        let kept = ask(&gateway, method, &[("x-id", "mine")]);
        assert_eq!((kept.header("X-Id"), &kept.json()["headers"]["X-Id"]), (Some("mine"), &"mine".into()));
    }
}

#[test]
fn a_body_that_is_too_long_does_not_reach_the_upstream_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = format!(
        "[services.demo]\nurl = \"http://{address}\"\nretries = 0\n[routes.demo]\nservice = \"demo\"\npaths = [\"/\"]\n\
         [plugins.request-size-limiting]\nallowed_payload_size = 1\nsize_unit = \"kilobytes\"\n"
    );
    let gateway = Gateway::start(&config);
    let declared = |length: usize, more: &str| {
        let body = "x".repeat(length);
        raw(
            gateway.proxy,
            format!("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}Content-Length: {length}\r\n\r\n{body}").as_bytes(),
        )
    };
    let refused = declared(1025, "");
    assert!(refused.starts_with("HTTP/1.1 413 ") && refused.contains("Request size limit exceeded"), "{refused}");
    assert!(declared(1025, "Expect: 100-continue\r\n").starts_with("HTTP/1.1 417 "));
    // Nobody has come so far: the next one is the one that does not say how long it is.
    let mut client = TcpStream::connect(gateway.proxy).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"POST /cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n").unwrap();
    client.write_all(format!("{}\r\n", "x".repeat(512)).as_bytes()).unwrap();
    let (mut upstream, _) = listener.accept().unwrap();
    assert!(read_head(&mut upstream).starts_with("POST /cut "));
    client.write_all(format!("300\r\n{}\r\n", "x".repeat(768)).as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("Request size limit exceeded"), "{answer}");
    let mut reached = String::new();
    let _ = upstream.read_to_string(&mut reached);
    assert!(!reached.contains("0\r\n\r\n") && reached.len() < 1025, "{reached}");
    // And what is not too long passes.
    let passed = std::thread::spawn(move || {
        let (mut upstream, _) = listener.accept().unwrap();
        read_head(&mut upstream);
        let mut body = [0; 1024];
        upstream.read_exact(&mut body).unwrap();
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
    });
    assert!(declared(1024, "").starts_with("HTTP/1.1 200 "));
    passed.join().unwrap();
}

#[test]
fn the_admin_api_shows_groups_and_credentials_without_their_secrets() {
    let config = "[consumers.Joe]\ngroups = [\"gold\"]\nkey-auth = [{ key = \"hush-1\" }, { key = \"hush-2\" }]\nbasic-auth = [{ username = \"joe\", password = \"hush-3\" }]\n\
        jwt = [{ key = \"joe\", secret = \"hush-4\" }]\nacls = [{ group = \"a\" }]\n[consumers.Ann]\nacls = [{ group = \"a\" }]\n[consumer_groups.gold.plugins.request-termination]\n";
    let gateway = Gateway::start(config);
    let get = |path: &str| {
        let answer = gateway.admin("GET", path, "");
        assert!(answer.status == 200 && !answer.body.contains("hush"), "{path}: {answer:?}");
        answer.json()
    };
    let joe = get("/consumers/Joe")["id"].clone();
    for (list, all, own) in
        [("key-auth", "key-auths", 2), ("basic-auth", "basic-auths", 1), ("jwt", "jwts", 1), ("acls", "acls", 1)]
    {
        let of_joe = get(&format!("/consumers/Joe/{list}"))["data"].as_array().unwrap().clone();
        assert_eq!(of_joe.len(), own, "{list}");
        assert!(of_joe.iter().all(|one| one["consumer"]["id"] == joe));
        let id = of_joe[0]["id"].as_str().unwrap();
        assert_eq!(get(&format!("/{all}/{id}")), of_joe[0]);
        assert_eq!(get(&format!("/consumers/Joe/{list}/{id}")), of_joe[0]);
        assert_eq!(gateway.admin("GET", &format!("/consumers/Ann/{list}/{id}"), "").status, 404);
    }
    assert_eq!(get("/acls")["data"].as_array().unwrap().len(), 2);
    assert_eq!(get("/consumers/Joe/consumer_groups")["data"][0]["name"], "gold");
    assert_eq!(get("/consumer_groups/gold/consumers")["data"][0]["username"], "Joe");
    let group = get("/consumer_groups/gold");
    assert_eq!(get("/consumer_groups/gold/plugins")["data"][0]["consumer_group"]["id"], group["id"]);
    assert_eq!(gateway.admin("POST", "/acls", "{}").status, 400);
}

#[test]
fn requests_are_changed_before_the_upstream_gets_them() {
    let upstream = httpbin();
    let config = "[consumers.Joe]\nkey-auth = [{ key = \"joe\" }]\n[services.demo.plugins.key-auth]\n\
        [routes.demo.plugins.request-transformer]\nremove = { headers = [\"x-gone\"], querystring = [\"apikey\"], body = [\"admin\"] }\n\
        add = { headers = [\"x-who:$(headers.x_consumer_username)\"], querystring = [\"who:$(headers.x_consumer_username)\"], body = [\"q:$(query_params.q)\"] }\n\
        replace = { uri = \"/anything/new/$(query_params.q)\" }\n";
    let gateway = Gateway::start(&demo(&upstream, config));
    for method in WAYS {
        let headers = [("x-gone", "1"), ("x-consumer-username", "root"), ("Content-Type", "application/json")];
        let body = if method == "POST" { r#"{"admin":true,"a":1}"# } else { "" };
        let seen = request(gateway.proxy, &Request { method, path: "/demo?q=7&apikey=joe", headers: &headers, body }).json();
        assert_eq!(seen["url"], format!("http://{}/anything/new/7?q=7&who=Joe", upstream.address), "{method}");
        assert_eq!((&seen["headers"]["X-Who"], seen["headers"].get("X-Gone")), (&"Joe".into(), None));
        if method == "POST" {
            assert_eq!(seen["json"], serde_json::json!({ "a": 1, "q": "7" }), "{seen}");
        }
    }
    let by_path = "[routes.users]\nservice = \"demo\"\npaths = ['~/users/(?<id>\\d+)/(\\w+)']\n[routes.users.plugins.request-transformer]\nreplace.uri = \"/anything/$(uri_captures[2])/$(uri_captures.id)\"\n";
    gateway.edit_by_rename(|text| format!("{text}{by_path}"));
    let seen = crate::harness::eventually("the new route", || {
        let answer = gateway.get("/users/42/posts/x?apikey=joe", &[]);
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(seen["url"], format!("http://{}/anything/posts/42?apikey=joe", upstream.address));
    let large = format!("{{\"admin\":true,\"text\":\"{}\"}}", "x".repeat(300_000));
    let headers = [("apikey", "joe"), ("Content-Type", "application/json")];
    let seen = request(gateway.proxy, &Request { method: "PUT", path: "/demo?q=7", headers: &headers, body: &large }).json();
    assert!(seen["json"].get("admin").is_none() && seen["json"]["text"].as_str().unwrap().len() == 300_000);
    let headers = [("apikey", "joe"), ("Content-Type", "multipart/form-data; boundary=x")];
    let refused = request(gateway.proxy, &Request { method: "POST", path: "/demo", headers: &headers, body: "--x--" });
    assert_eq!(refused.status, 415);
}

#[test]
fn answers_are_changed_before_the_client_gets_them() {
    let upstream = httpbin();
    let config = "[routes.json]\nservice = \"demo\"\npaths = [\"/json\"]\n\
        [routes.demo.plugins.response-transformer]\nremove.headers = [\"Content-Type\"]\nadd.headers = [\"X-New:1\"]\n\
        [routes.json.plugins.response-transformer]\nremove.json = [\"headers\"]\nadd.json = [\"n:5\", \"t:x\"]\nadd.json_types = [\"number\"]\nappend.headers = [\"X-New:2\"]\n\
        [routes.json.plugins.rate-limiting-advanced]\nlimit = [2]\nwindow_size = [31536000]\n";
    let gateway = Gateway::start(&demo(&upstream, config));
    for method in WAYS {
        let answer = ask(&gateway, method, &[]);
        assert_eq!((answer.header("Content-Type"), answer.header("X-New")), (None, Some("1")), "{method}");
        assert_eq!(answer.json()["method"], method);
        let body = if method == "POST" { "body" } else { "" };
        let headers = [("Accept-Encoding", "gzip")];
        let answer = request(gateway.proxy, &Request { method, path: "/json", headers: &headers, body });
        assert_eq!((answer.status, answer.header("X-New")), (200, Some("2")), "{method}");
        let json = answer.json();
        assert_eq!((&json["n"], &json["t"], json.get("headers")), (&5.into(), &"x".into(), None));
    }
    // What the gateway says itself as well, as in Kong.
    let refused = request(gateway.proxy, &Request { method: "GET", path: "/json", headers: &[], body: "" });
    assert_eq!((refused.status, refused.header("X-New"), &refused.json()["n"]), (429, Some("2"), &5.into()));
    let head = request(gateway.proxy, &Request { method: "HEAD", path: "/demo", headers: &[], body: "" });
    assert_eq!((head.status, head.header("X-New")), (200, Some("1")));
}

#[test]
fn a_client_of_http2_is_under_the_same_plugins() {
    let upstream = httpbin();
    let config = "[consumers.Joe]\nbasic-auth = [{ username = \"joe\", password = \"secret\" }]\n[services.demo.plugins.basic-auth]\n\
        [plugins.cors]\n[plugins.response-transformer]\nadd.json = [\"n:5\"]\n[plugins.request-size-limiting]\nallowed_payload_size = 10\nsize_unit = \"bytes\"\n";
    let gateway = Gateway::start(&demo(&upstream, config));
    let url = format!("http://{}/demo", gateway.proxy);
    let curl = |args: &[&str]| {
        let all = [&["-sS", "--http2-prior-knowledge", "-i", &url], args].concat();
        crate::harness::run("curl", &all).to_ascii_lowercase()
    };
    let refused = curl(&[]);
    assert!(refused.starts_with("http/2 401") && refused.contains("access-control-allow-origin: *"), "{refused}");
    let passed = curl(&["-u", "joe:secret", "-d", "0123456789"]);
    assert!(
        passed.starts_with("http/2 200") && passed.contains("\"n\":\"5\"") && passed.contains("x-consumer-username"),
        "{passed}"
    );
    let long = curl(&["-u", "joe:secret", "-d", "01234567890"]);
    assert!(long.starts_with("http/2 413"), "{long}");
}
