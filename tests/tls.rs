//! Clients that shake hands: which certificate they are shown, what they must show, and what holds while certificates change.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use rustls::version::{TLS12, TLS13};

use crate::harness::{
    Authority, Behaviour, DEADLINE, Gateway, Receiver, TlsClient, eventually, exchange, free_address, httpbin, run, shown,
};

const DAY: i64 = 86_400;

fn demo(upstream: SocketAddr) -> String {
    format!("[services.demo]\nurl = \"http://{upstream}/anything\"\n[routes.demo]\nservice = \"demo\"\npaths = [\"/\"]\n")
}

fn listener(address: SocketAddr, more: &str) -> String {
    format!("tls = [{{ listen = \"{address}\"{more} }}]\n")
}

/// What `sluice check` says of a configuration.
fn check(text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_sluice")).arg("check").arg(&file).env_remove("RUST_LOG").output();
    let out = out.unwrap();
    (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn the_host_that_a_client_names_chooses_the_certificate() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let [one, two, wild] =
        [&["one.example", "other.example"][..], &["two.example"], &["*.wild.example"]].map(|names| ca.issue(names));
    let tables = one.table("one", "") + &two.table("two", "") + &wild.table("wild", "");
    let gateway = Gateway::start_server(&(demo(upstream.address) + &tables), &listener(address, ""));
    let client = TlsClient::new(&ca);
    for host in ["one.example", "other.example", "two.example", "any.wild.example", "ONE.example"] {
        let answer = client.get(address, host, "/x").unwrap();
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
        let headers = &answer.json()["headers"];
        assert_eq!(
            (&headers["X-Forwarded-Proto"], &headers["X-Forwarded-Port"]),
            (&"https".into(), &address.port().to_string().into())
        );
        assert!(answer.header("Via").is_some());
    }
    // Nobody's name is shown the first, which a client that looks does not take.
    assert!(client.get(address, "nobody.example", "/").unwrap_err().contains("certificate"));
    let anybody = client.clone().trusting_anybody();
    let first = shown(&client.connect(address, "one.example").unwrap());
    for host in ["nobody.example", "a.b.wild.example", "127.0.0.1"] {
        assert_eq!(shown(&anybody.connect(address, host).unwrap()), first, "{host}");
    }
    // Other requests than plain ones go Pingora's way, over TLS as well.
    let post = "POST /y HTTP/1.1\r\nHost: two.example\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";
    let answer = client.ask(address, "two.example", post).unwrap();
    assert_eq!(
        (answer.json()["data"].as_str(), answer.json()["headers"]["X-Forwarded-Proto"].as_str()),
        (Some("body"), Some("https"))
    );
    let kept = "GET /1 HTTP/1.1\r\nHost: two.example\r\n\r\nPOST /2 HTTP/1.1\r\nHost: two.example\r\nContent-Length: 0\r\n\r\nGET /3 HTTP/1.1\r\nHost: two.example\r\nConnection: close\r\n\r\n";
    let mut stream = client.connect(address, "two.example").unwrap();
    stream.write_all(kept.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
    // Beside it the plain listener is what it was.
    assert_eq!(gateway.get("/", &[]).json()["headers"]["X-Forwarded-Proto"], "http");
    let failed = || gateway.admin("GET", "/status", "").json()["server"]["tls_handshakes_failed"].as_u64().unwrap();
    let before = failed();
    assert!(before >= 1);
    TcpStream::connect(address).unwrap().write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually("a failed handshake is counted", || (failed() > before).then_some(()));
}

#[test]
fn curl_comes_in() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &ca.pem).unwrap();
    let site = ca.issue(&["site.example"]).table("site", "");
    let _gateway = Gateway::start_server(&(demo(upstream.address) + &site), &listener(address, ", certificates = [\"site\"]"));
    let resolve = format!("site.example:{}:127.0.0.1", address.port());
    let url = format!("https://site.example:{}/bytes", address.port());
    for version in ["1.2", "1.3"] {
        let least = format!("--tlsv{version}");
        let body = run(
            "curl",
            &["-sS", "--fail", &least, "--tls-max", version, "--cacert", file.to_str().unwrap(), "--resolve", &resolve, &url],
        );
        assert!(body.contains("/anything/bytes"), "{body}");
    }
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for (host, status) in [("site.example", 200), ("other.example", 421)] {
            let (host, seen) = (format!("Host: {host}"), ["-w", "%{http_version} %{http_code}", "-o", "/dev/null"]);
            let asked = ["-sS", protocol, "-H", &host, "--cacert", file.to_str().unwrap(), "--resolve", &resolve, &url];
            assert_eq!(run("curl", &[&asked[..], &seen[..]].concat()), format!("{version} {status}"), "{protocol} {host}");
        }
    }
    let told = run("curl", &["-sS", "--http2", "--cacert", file.to_str().unwrap(), "--resolve", &resolve, &url]);
    assert!(told.contains("\"X-Forwarded-Proto\": \"https\"") && told.contains("\"X-Forwarded-Host\": \"site.example"), "{told}");
}

#[test]
fn a_host_that_the_certificate_is_not_for_is_misdirected() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let tables = ca.issue(&["one.example", "*.one.example"]).table("one", "") + &ca.issue(&["two.example"]).table("two", "");
    let _gateway = Gateway::start_server(&(demo(upstream.address) + &tables), &listener(address, ""));
    let client = TlsClient::new(&ca).trusting_anybody();
    let check = |sni: &str, host: &str, expected: u16| {
        for method in ["GET", "POST"] {
            let request = format!("{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let request = if method == "GET" { request.replace("Content-Length: 0\r\n", "") } else { request };
            let answer = client.ask(address, sni, &request).unwrap();
            assert_eq!(answer.status, expected, "{method} {sni} {host}: {answer:?}");
            if expected == 421 {
                assert_eq!(answer.json()["message"], "Misdirected request");
            }
        }
    };
    check("one.example", "one.example", 200);
    check("one.example", &format!("ONE.example:{}", address.port()), 200);
    check("one.example", "a.one.example", 200);
    check("one.example", "two.example", 421);
    check("two.example", "one.example", 421);
    check("nobody.example", "nobody.example", 421);
    // Who dials an address names no host, and asks for that address.
    check("127.0.0.1", "127.0.0.1", 200);
    check("127.0.0.1", "one.example", 200);
    check("127.0.0.1", "two.example", 421);
}

#[test]
fn versions_are_those_that_are_allowed() {
    let (upstream, both, new, ca) = (httpbin(), free_address(), free_address(), Authority::new("ca"));
    let tls = format!("tls = [{{ listen = \"{both}\" }}, {{ listen = \"{new}\", min_version = \"1.3\" }}]");
    let _gateway = Gateway::start_server(&(demo(upstream.address) + &ca.issue(&["a.example"]).table("a", "")), &tls);
    let client = TlsClient::new(&ca);
    for (address, version, good) in [(both, &TLS12, true), (both, &TLS13, true), (new, &TLS12, false), (new, &TLS13, true)] {
        let answer = client.clone().speaking(version).get(address, "a.example", "/");
        assert_eq!(answer.is_ok_and(|answer| answer.status == 200), good, "{address} {version:?}");
    }
}

#[test]
fn clients_show_what_they_must() {
    let (upstream, required, optional, ca) = (httpbin(), free_address(), free_address(), Authority::new("ca"));
    let (clients, strangers) = (Authority::new("clients"), Authority::new("strangers"));
    let tls = format!(
        "tls = [{{ listen = \"{required}\", client_ca = [\"clients\"] }}, {{ listen = \"{optional}\", client_ca = [\"clients\"], client_auth = \"optional\" }}]"
    );
    let authority = format!("[ca_certificates.clients]\ncert = \"\"\"\n{}\"\"\"\n", clients.pem);
    let config = demo(upstream.address) + &ca.issue(&["a.example"]).table("a", "") + &authority;
    let _gateway = Gateway::start_server(&config, &tls);
    let nobody = TlsClient::new(&ca);
    let friend = nobody.clone().showing(&clients.issue(&["friend"]));
    let stranger = nobody.clone().showing(&strangers.issue(&["stranger"]));
    let late = nobody.clone().showing(&clients.issue_for(&["late"], -DAY));
    for version in [&TLS12, &TLS13] {
        let check = |address, client: &TlsClient, good: bool| {
            let answer = client.clone().speaking(version).get(address, "a.example", "/");
            assert_eq!(answer.as_ref().is_ok_and(|answer| answer.status == 200), good, "{answer:?}");
        };
        check(required, &friend, true);
        check(required, &nobody, false);
        check(required, &stranger, false);
        check(required, &late, false);
        check(optional, &friend, true);
        check(optional, &nobody, true);
        check(optional, &stranger, false);
    }
}

#[test]
fn a_certificate_that_is_replaced_is_served_and_no_connection_is_dropped() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = ca.issue(&["a.example"]).write(folder.path(), "a");
    let table = format!("[certificates.a]\ncert = {cert:?}\nkey = {key:?}\n");
    let gateway = Gateway::start_server(&(demo(upstream.address) + &table), &listener(address, ""));
    let client = TlsClient::new(&ca);
    let mut kept = client.connect(address, "a.example").unwrap();
    let first = shown(&kept);
    let ask = |stream: &mut rustls::StreamOwned<rustls::ClientConnection, TcpStream>| {
        stream.write_all(b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
    };
    ask(&mut kept);
    // A key of another certificate is told of, and changes nothing.
    let problems = || gateway.admin("GET", "/config/status", "").json()["problems"].as_array().unwrap().clone();
    std::fs::write(&key, ca.issue(&["a.example"]).key).unwrap();
    let told = eventually("the broken pair is told of", || problems().first().map(ToString::to_string));
    assert!(told.contains("certificates.a.key") && told.contains("the key is not that of the certificate"), "{told}");
    assert_eq!(shown(&client.connect(address, "a.example").unwrap()), first);
    // The new pair is served, whoever was here stays.
    ca.issue(&["a.example"]).write(folder.path(), "a");
    let new = eventually("the new certificate is served", || {
        Some(shown(&client.connect(address, "a.example").unwrap())).filter(|shown| *shown != first)
    });
    eventually("nothing is wrong any more", || problems().is_empty().then_some(()));
    ask(&mut kept);
    // So is one that is put in the place of the other, as links are.
    let third = ca.issue(&["a.example"]);
    let (new_cert, new_key) = third.write(folder.path(), "new");
    std::fs::rename(new_key, &key).unwrap();
    std::fs::rename(new_cert, &cert).unwrap();
    eventually("the third is served", || (shown(&client.connect(address, "a.example").unwrap()) != new).then_some(()));
    // A slip in gateway.toml that waits to be mended holds no renewal up, and stays told of.
    gateway.edit_by_rename(|text| text.replace("paths = [\"/\"]", "pths = [\"/\"]"));
    gateway.wait_for_log("unknown key");
    let third = shown(&client.connect(address, "a.example").unwrap());
    ca.issue(&["a.example"]).write(folder.path(), "a");
    eventually("the fourth is served", || (shown(&client.connect(address, "a.example").unwrap()) != third).then_some(()));
    assert!(problems()[0].to_string().contains("pths"), "{:?}", problems());
    ask(&mut kept);
}

#[test]
fn a_listener_takes_other_certificates_by_an_edit() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let tables = ca.issue(&["a.example"]).table("a", "") + &ca.issue(&["b.example"]).table("b", "");
    let gateway = Gateway::start_server(&(demo(upstream.address) + &tables), &listener(address, ", certificates = [\"a\"]"));
    let client = TlsClient::new(&ca);
    assert_eq!(client.get(address, "a.example", "/").unwrap().status, 200);
    assert!(client.get(address, "b.example", "/").is_err());
    gateway.edit_by_rename(|text| text.replace("certificates = [\"a\"]", "certificates = [\"a\", \"b\"]"));
    eventually("the other is served", || client.get(address, "b.example", "/").ok());
    assert!(!gateway.log().iter().any(|line| line.contains("at the next start")), "certificates change at once");
}

#[test]
fn mistakes_in_certificates_are_told_with_their_places() {
    let (ca, folder) = (Authority::new("ca"), tempfile::tempdir().unwrap());
    let (good, other, late) =
        (ca.issue(&["a.example", "*.b.example"]), ca.issue(&["c.example"]), ca.issue_for(&["d.example"], -DAY));
    let (cert, key) = good.write(folder.path(), "good");
    let good_key = good.key.lines().nth(1).unwrap();
    let told = |text: &str, expected: &[&str]| {
        let (good, said) = check(text);
        assert_eq!(good, expected.is_empty(), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{expected:?} in {said}");
        assert!(!said.contains(good_key) && !said.contains(other.key.lines().nth(1).unwrap()), "{said}");
    };
    let pair = |cert: &Path, key: &Path| format!("[certificates.a]\ncert = {cert:?}\nkey = {key:?}\n");
    told(&pair(&cert, &key), &[]);
    told(&(pair(&cert, &key) + "snis = [\"x.b.example\", \"*.b.example\", \"A.example\"]\n"), &[]);
    told(&format!("[certificates.a]\ncert = {cert:?}\n"), &["gateway.toml:1:", "certificates.a", "required field missing: key"]);
    told(
        &pair(&cert, Path::new("/no/such.key")),
        &[":3:7  certificates.a.key", "cannot read the file `/no/such.key`", "No such file"],
    );
    told(&pair(&key, &key), &[":2:8  certificates.a.cert", "there is no certificate in it"]);
    told(&pair(&cert, &cert), &[":3:7  certificates.a.key", "there is no private key in it"]);
    let (_, wrong) = other.write(folder.path(), "other");
    told(&pair(&cert, &wrong), &[":3:7  certificates.a.key", "the key is not that of the certificate"]);
    let (old, its_key) = late.write(folder.path(), "late");
    told(&pair(&old, &its_key), &[":2:8  certificates.a.cert", "the certificate expired on "]);
    told(
        &(pair(&cert, &key) + "snis = [\"c.example\", \"x.y.b.example\", \"no host\"]\n"),
        &[
            "snis[0]",
            "the certificate is not for `c.example`",
            "it is for a.example, *.b.example",
            "snis[1]",
            "snis[2]",
            "is no name of a host",
        ],
    );
    let twice = good.table("a", "") + &good.table("b", "");
    told(&twice, &["certificates.b", "`a.example` is served by the certificate \"a\" already", "write `snis`"]);
    told(&(good.table("a", "") + &good.table("b", "snis = []")), &[]);
    let encrypted = "[certificates.a]\ncert = \"c\"\nkey = \"\"\"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\"\"\"\n";
    told(encrypted, &["the key is encrypted", "openssl pkey"]);
    told(
        &format!("[ca_certificates.x]\ncert = \"\"\"{}{}\"\"\"\n", ca.pem, ca.pem),
        &["ca_certificates.x.cert", "there are 2 certificates"],
    );
}

#[test]
fn an_end_that_comes_near_is_told_once() {
    let (ca, receiver, address) = (Authority::new("ca"), Receiver::start(Behaviour::Status(200)), free_address());
    let hook = format!(
        "[event_hooks.h]\nsource = \"certificate\"\nevent = \"expiring\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n",
        receiver.url()
    );
    let tables = ca.issue_for(&["near.example"], 6 * DAY + 3600).table("near", "")
        + &ca.issue_for(&["far.example"], 60 * DAY).table("far", "");
    let gateway = Gateway::start_server(&(hook + &tables), &listener(address, ""));
    let told = receiver.wait_for(1);
    let data = told[0].json();
    assert_eq!((&data["certificate"]["name"], &data["days_left"]), (&"near".into(), &6.into()));
    assert_eq!(
        (&data["snis"], &data["event"], &data["source"]),
        (&serde_json::json!(["near.example"]), &"expiring".into(), &"certificate".into())
    );
    assert!(!told[0].json().to_string().contains("PRIVATE KEY"));
    assert!(gateway.wait_for_log("a certificate is about to expire").contains("near"));
    // An edit is no reason to tell it again: another certificate is told of, and this one is not.
    let more = ca.issue_for(&["nearer.example"], DAY + 3600).table("nearer", "");
    gateway.edit_by_rename(|text| text.to_owned() + &more);
    let names: Vec<String> = receiver.wait_for(2).iter().map(|one| one.json()["certificate"]["name"].to_string()).collect();
    assert_eq!(names, ["\"near\"", "\"nearer\""]);
}

#[test]
fn certificates_are_shown_without_their_keys() {
    let (ca, address) = (Authority::new("ca"), free_address());
    let authority = format!("[ca_certificates.ours]\ncert = \"\"\"\n{}\"\"\"\n", ca.pem);
    let site = ca.issue(&["a.example", "b.example"]);
    let gateway = Gateway::start_server(&(site.table("site", "tags = [\"t\"]") + &authority), &listener(address, ""));
    let shown = gateway.admin("GET", "/certificates/site", "");
    let site_json = shown.json();
    assert_eq!(
        (site_json["snis"].clone(), site_json["tags"].clone()),
        (serde_json::json!(["a.example", "b.example"]), serde_json::json!(["t"]))
    );
    assert!(site_json["cert"].as_str().unwrap().contains("BEGIN CERTIFICATE") && site_json["key"] == "***");
    for path in [
        "/certificates",
        "/certificates/site/snis",
        "/certificates/a.example/snis",
        "/snis",
        "/snis/a.example",
        "/ca_certificates",
        "/ca_certificates/ours",
    ] {
        let answer = gateway.admin("GET", path, "");
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.body.contains(site.key.lines().nth(1).unwrap()), "{path}");
    }
    assert_eq!(gateway.admin("GET", "/snis/a.example", "").json()["certificate"]["id"], site_json["id"]);
    assert_eq!(gateway.admin("GET", "/ca_certificates/ours", "").json()["cert_digest"].as_str().unwrap().len(), 64);
}

/// A request with this before it, over TCP or TLS: what the upstream is told of the client, or nothing.
fn introduced(address: SocketAddr, said: &[u8], tls: Option<&TlsClient>) -> Option<(String, String)> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.write_all(said).unwrap();
    let request = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    let answer = match tls {
        Some(client) => exchange(client.shake_hands(socket, "a.example").ok()?, request).ok()?,
        None => {
            let mut answer = Vec::new();
            // Whoever is not believed is cut off.
            let _ = socket.write_all(request.as_bytes());
            let _ = socket.read_to_end(&mut answer);
            if answer.is_empty() {
                return None;
            }
            crate::harness::parse(&String::from_utf8_lossy(&answer))
        }
    };
    let seen = answer.json();
    let text = |name: &str| seen["headers"][name].as_str().unwrap().to_owned();
    Some((text("X-Real-Ip"), text("X-Forwarded-Port")))
}

#[test]
fn what_stands_before_says_for_whom_it_connects() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let config = demo(upstream.address) + &ca.issue(&["a.example"]).table("a", "");
    let server = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1\"]\n".to_owned() + &listener(address, "");
    let gateway = Gateway::start_server(&config, &server);
    let client = TlsClient::new(&ca);
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13".to_vec();
    binary.extend([192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]);
    // Something else that it tells is skipped.
    binary.extend([0x02, 0x00, 0x04, b'a', b'b', b'c', b'd']);
    let told = Some(("192.0.2.7".to_owned(), "443".to_owned()));
    for tls in [None, Some(&client)] {
        let at = if tls.is_some() { address } else { gateway.proxy };
        assert_eq!(introduced(at, b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", tls), told);
        assert_eq!(introduced(at, &binary, tls), told);
        let six = introduced(at, b"PROXY TCP6 2001:db8::7 2001:db8::1 1 8443\r\n", tls);
        assert_eq!(six, Some(("2001:db8::7".to_owned(), "8443".to_owned())));
        // It speaks for itself.
        for said in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"] {
            assert_eq!(introduced(at, said, tls), Some(("127.0.0.1".to_owned(), at.port().to_string())));
        }
        // Who does not say it well, or says nothing, is not served.
        for said in [&b""[..], b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n", b"PROXY TCP4 192.0.2.7\r\n"] {
            assert_eq!(introduced(at, said, tls), None, "{}", String::from_utf8_lossy(said));
        }
    }
}

#[test]
fn strangers_say_for_whom_they_connect_in_vain() {
    let (upstream, address, ca) = (httpbin(), free_address(), Authority::new("ca"));
    let config = demo(upstream.address) + &ca.issue(&["a.example"]).table("a", "");
    let server = "trusted_proxies = [\"192.0.2.1\"]\n".to_owned() + &listener(address, ", proxy_protocol = true");
    let gateway = Gateway::start_server(&config, &server);
    let said = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
    assert_eq!(introduced(address, said, Some(&TlsClient::new(&ca))), None);
    assert_eq!(introduced(address, b"", Some(&TlsClient::new(&ca))), None);
    // The plain listener does not know it: to it that is a bad request.
    let answer = crate::harness::raw(gateway.proxy, said);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let (good, told) = check("[server]\nproxy_protocol = true\n");
    assert!(!good && told.contains(":2:18  server.proxy_protocol") && told.contains("trusted_proxies"), "{told}");
}
