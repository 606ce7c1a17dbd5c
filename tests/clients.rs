//! Clients that others wrote, at their own tests and ours: requests, curl, h2load, grpcio, websockets. `.ci/setup` installs
//! them beside the build.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::harness::{Gateway, YEAR, eventually, free_address, httpbin, run, streaming};

/// Where `.ci/setup` has put what is of Python.
pub fn folder() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_sluice")).ancestors().nth(2).unwrap();
    let folder = target.join("clients");
    assert!(folder.join("requirements.txt").exists(), "{} is missing; .ci/setup installs it", folder.display());
    folder
}

/// Runs a script of tests/clients to its end.
fn script(name: &str, args: &[String]) -> String {
    let python = folder().join("bin/python").display().to_string();
    let path = format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"));
    let args = args.iter().map(String::as_str);
    run("timeout", &["120", &python, &path].into_iter().chain(args).collect::<Vec<_>>())
}

/// The real httpbin.
struct Httpbin {
    child: Child,
    address: SocketAddr,
}

impl Httpbin {
    fn start() -> Self {
        let address = free_address();
        let bind = format!("--bind={address}");
        let child = Command::new(folder().join("bin/python"))
            .args(["-m", "gunicorn", "httpbin:app", &bind, "--workers=2", "--worker-class=gthread", "--threads=8"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("httpbin listens", || TcpStream::connect(address).ok());
        Self { child, address }
    }
}

impl Drop for Httpbin {
    fn drop(&mut self) {
        // Asked to end, it ends its workers.
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// What became of each test of requests, against the httpbin at this address.
fn outcomes_of_requests(address: SocketAddr) -> BTreeMap<String, String> {
    let source = folder().join("source");
    let written = tempfile::NamedTempFile::new().unwrap();
    // They connect to where no machine of ours is.
    let elsewhere = [
        "TestTimeout::test_connect_timeout",
        "TestTimeout::test_total_timeout_connect",
        "TestPreparingURLs::test_different_connection_pool",
    ];
    let deselected = elsewhere.map(|test| format!("--deselect=tests/test_requests.py::{test}"));
    let out = Command::new("timeout")
        .args(["180", &folder().join("bin/python").display().to_string(), "-m", "pytest", "tests/test_requests.py", "-q"])
        .args(["-p", "no:cacheprovider", "--no-header", "--color=no"])
        .arg(format!("--confcutdir={}", source.display()))
        .args(deselected)
        .env("HTTPBIN", format!("http://{address}"))
        .env("OUTCOMES", written.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(&source)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    let outcomes = std::fs::read_to_string(written.path()).unwrap();
    outcomes.lines().filter_map(|line| line.split_once('\t')).map(|(test, became)| (test.to_owned(), became.to_owned())).collect()
}

#[test]
fn the_tests_of_requests_see_no_difference() {
    let httpbin = Httpbin::start();
    std::fs::copy(format!("{}/tests/clients/conftest.py", env!("CARGO_MANIFEST_DIR")), folder().join("source/conftest.py"))
        .unwrap();
    let gateway = Gateway::start(&format!(
        "[services.httpbin]\nurl = \"http://{}\"\n[routes.all]\nservice = \"httpbin\"\npaths = [\"/\"]\nstrip_path = false\n",
        httpbin.address
    ));
    let address = httpbin.address;
    let directly = thread::spawn(move || outcomes_of_requests(address));
    let through = outcomes_of_requests(gateway.proxy);
    assert_eq!(through, directly.join().unwrap());
    let passed = through.values().filter(|outcome| *outcome == "passed").count();
    assert!(passed >= 319, "{passed} passed of {}", through.len());
    assert!(gateway.admin("GET", "/status", "").json()["server"]["total_requests"].as_u64().unwrap() > 100);
}

/// Servers that others wrote see what Sluice sent them and nothing else, whatever its clients say. nginx and HAProxy stand
/// behind it when the script is run by itself.
#[test]
fn nothing_is_smuggled_to_servers_of_others() {
    let args = [env!("CARGO_BIN_EXE_sluice"), "--origins", "h11,httptools,gunicorn,waitress", "--mutations", "100"];
    let said = script("smuggling.py", &args.map(str::to_owned));
    assert_eq!(said.matches("smuggled 0, mixed up 0, panics 0").count(), 4, "{said}");
}

#[test]
fn curl_speaks_every_version() {
    let upstream = httpbin();
    let gateway = Gateway::start(&format!(
        "[services.up]\nurl = \"{}\"\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\nstrip_path = false\n",
        upstream.url("/")
    ));
    let body = "x".repeat(100_000);
    let url = format!("http://{}/anything", gateway.proxy);
    let told = "\n%{http_version} %{response_code} %{num_connects}";
    for (version, spoken) in [("--http1.0", "1.1"), ("--http1.1", "1.1"), ("--http2", "1.1"), ("--http2-prior-knowledge", "2")] {
        let curl = |more: &[&str]| {
            let out = run("curl", &[&["-sS", "--max-time", "20", "-w", told, version], more].concat());
            let (body, told) = out.rsplit_once('\n').map(|(body, told)| (body.to_owned(), told.to_owned())).unwrap();
            assert_eq!(told, format!("{spoken} 200 1"), "{version} {more:?}: {body}");
            body
        };
        assert!(curl(&[&url]).contains("\"method\": \"GET\""));
        assert!(curl(&["-I", &url]).contains("X-Request-Id: ") || curl(&["-I", &url]).contains("x-request-id: "));
        // curl waits to be told to go on if a body is large.
        let posted = curl(&["-H", "Content-Type: text/plain", "-H", "Expect: 100-continue", "--data-binary", &body, &url]);
        assert!(posted.contains(&body), "{version}");
        if version != "--http1.0" {
            let chunked =
                curl(&["-H", "Content-Type: text/plain", "-H", "Transfer-Encoding: chunked", "--data-binary", "abc", &url]);
            assert!(chunked.contains("\"data\": \"abc\""), "{version}: {chunked}");
        }
    }
}

#[test]
fn h2load_loses_no_request() {
    let (plain, streams) = (httpbin(), streaming());
    let gateway = Gateway::start(&format!(
        "[services.plain]\nurl = \"{}\"\n[routes.plain]\nservice = \"plain\"\npaths = [\"/plain\"]\n\
         [services.h2]\nurl = \"{}\"\nhttp2 = true\n[routes.h2]\nservice = \"h2\"\npaths = [\"/h2\"]\n",
        plain.url("/bytes/1000"),
        streams.url("/")
    ));
    for (path, more) in [("plain", &[][..]), ("plain", &["--h1"]), ("h2", &[]), ("h2", &["--h1"])] {
        let url = format!("http://{}/{path}", gateway.proxy);
        let said = run("h2load", &[&["-n", "2000", "-c", "4", "-m", "25", &url], more].concat());
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{path} {more:?}: {said}");
        assert!(said.contains("status codes: 2000 2xx"), "{path} {more:?}: {said}");
    }
}

/// Plugins that stop whoever has no key, and whoever calls too often.
const KEYED: &str = "[consumers.Joe]\nkey-auth = [{ key = \"joe-key\" }]\n[routes.keyed.plugins.key-auth]\n";

#[test]
fn grpcio_calls_and_understands_a_refusal() {
    let server = free_address();
    let gateway = Gateway::start(&format!(
        "[services.calls]\nurl = \"grpc://{server}\"\n\
         [routes.echo]\nservice = \"calls\"\npaths = [\"/echo.Echo/\"]\nstrip_path = false\n\
         [routes.keyed]\nservice = \"calls\"\npaths = [\"/keyed.Echo/\"]\nstrip_path = false\n\
         [routes.limited]\nservice = \"calls\"\npaths = [\"/limited.Echo/\"]\nstrip_path = false\n\
         [routes.limited.plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n{KEYED}"
    ));
    assert!(script("grpc_calls.py", &[server.to_string(), gateway.proxy.to_string()]).contains("all calls went as they should"));
}

#[test]
fn websockets_chats_through_its_limits_and_its_key() {
    let server = free_address();
    let gateway = Gateway::start(&format!(
        "[services.chat]\nurl = \"http://{server}\"\n[routes.keyed]\nservice = \"chat\"\npaths = [\"/\"]\n\
         [routes.keyed.plugins.rate-limiting-advanced]\nlimit = [2]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n\
         [routes.keyed.plugins.concurrency-limiting]\nlimit = 5\n{KEYED}"
    ));
    assert!(script("websocket_chat.py", &[server.to_string(), gateway.proxy.to_string()]).contains("the chat went as it should"));
}
