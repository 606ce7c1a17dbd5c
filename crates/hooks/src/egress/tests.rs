//! Every notation of every address that must not be called, and a resolver that lies.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;
use crate::clients::{Clients, Network};
use crate::exchange::{self, Request};
use crate::handler::Cx;
use crate::signing::Signer;

fn hooks(rule: Rule, allow: &[&str]) -> Hooks {
    Hooks { egress: rule, egress_allow: allow.iter().map(|text| (*text).to_owned()).collect(), ..Hooks::default() }
}

fn egress(rule: Rule, allow: &[&str]) -> Egress {
    let (egress, problems) = Egress::new(&hooks(rule, allow));
    assert_eq!(problems, []);
    egress
}

/// Hosts of urls: never, not under `public`, always.
const NEVER_CALLED: &[&str] = &[
    "169.254.169.254",
    "169.254.0.1",
    "169.254.169.254.",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.43518",
    "%31%36%39.254.169.254",
    "１６９.254.169.254",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[64:ff9b:1:a9fe:a9:fe00::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:470::5efe:a9fe:a9fe]",
    "[fe80::1]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "168.63.129.16",
    "[::ffff:168.63.129.16]",
    "192.0.0.192",
];

const NOT_UNDER_PUBLIC: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "0.0.0.0",
    "0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:10.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a00:1]",
    "[64:ff9b:1::a00:1]",
    "[64:ff9b:1:7f00:0:100:101:101]",
    "[64:ff9b:1::1.1.1.1]",
    "[fd00::5efe:101:101]",
    "[fec0::5efe:101:101]",
    "[ff02::5efe:101:101]",
    "[2001:db8::5efe:101:101]",
    "[2002:7f00:1::]",
    "[2002:a00:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:470::5efe:10.0.0.1]",
    "[100::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fdff::1]",
    "[fec0::1]",
    "[ff02::1]",
];

const ALWAYS_CALLED: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "[2606:4700::1111]",
    "[::ffff:1.1.1.1]",
    "[64:ff9b::1.1.1.1]",
    "[2002:101:101::1]",
];

fn allowed(egress: &Egress, host: &str) -> bool {
    let url = Url::parse(&format!("http://{host}/")).unwrap_or_else(|error| panic!("{host}: {error}"));
    assert!(!matches!(url.host(), Some(Host::Domain(_))), "{host} is an address");
    egress.judge_url(&url).is_ok()
}

#[test]
fn every_notation_of_every_kind_of_address_is_judged() {
    let (any, public) = (egress(Rule::Any, &[]), egress(Rule::Public, &[]));
    let open = egress(Rule::Public, &["0.0.0.0/0", "::/0"]);
    for host in NEVER_CALLED {
        assert!(!allowed(&any, host) && !allowed(&public, host) && !allowed(&open, host), "{host} is never called");
    }
    for host in NOT_UNDER_PUBLIC {
        assert!(allowed(&any, host) && !allowed(&public, host) && allowed(&open, host), "{host} is not public");
    }
    for host in ALWAYS_CALLED {
        assert!(allowed(&any, host) && allowed(&public, host), "{host} is public");
    }
    assert!(NEVER_CALLED.len() + NOT_UNDER_PUBLIC.len() + ALWAYS_CALLED.len() >= 60);
}

#[test]
fn exceptions_are_networks_addresses_and_names() {
    let egress = egress(Rule::Public, &["10.1.0.0/16", "::1", "Hooks.Internal.", "::ffff:10.3.0.0/112"]);
    assert!(allowed(&egress, "10.1.2.3") && allowed(&egress, "[::1]") && allowed(&egress, "[::ffff:10.1.2.3]"));
    assert!(!allowed(&egress, "10.2.0.1") && allowed(&egress, "10.3.0.1"));
    let (inside, metadata) = ("10.9.9.9".parse().unwrap(), "169.254.169.254".parse().unwrap());
    assert!(egress.judge(Some("hooks.internal"), inside).is_ok() && egress.judge(Some("other.internal"), inside).is_err());
    assert!(egress.judge(Some("hooks.internal"), metadata).is_err(), "no name opens it");
    let (_, problems) = Egress::new(&hooks(Rule::Public, &["10.0.0.0/33", "a b", "ok.example"]));
    let paths: Vec<String> = problems.iter().map(|problem| problem.path.to_string()).collect();
    assert_eq!(paths, ["hooks.egress_allow[0]", "hooks.egress_allow[1]"]);
}

/// Gives the addresses in turn, and the last of them from then on.
struct Liar(Vec<IpAddr>, AtomicUsize);

impl Lookup for Liar {
    fn lookup(&self, _: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> {
        let n = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let address = SocketAddr::new(self.0[n], 0);
        Box::pin(async move { Ok(vec![address]) })
    }
}

/// Calls this host of the canary's port; why it failed, if it did.
async fn call(clients: &Clients, host: &str, port: u16) -> Result<(), String> {
    // It fails only if another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
    let request = Request { method: Method::POST, url, headers: HeaderMap::new(), body: "{}".into(), verify: true };
    let cx =
        Cx { clients, deadline: Instant::now() + std::time::Duration::from_secs(2), answer: &crate::answer::Said::default() };
    exchange::send(request, "msg_1", &Signer::new(&[], None), &cx).await.map_err(|failure| failure.to_string())
}

/// A connection would be waiting here.
fn nobody_called(canary: TcpListener) {
    let waiting = canary.into_std().unwrap().accept();
    assert_eq!(waiting.map_err(|error| error.kind()).unwrap_err(), io::ErrorKind::WouldBlock, "somebody called the canary");
}

#[tokio::test]
async fn nothing_reaches_a_canary_on_loopback() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let loopback = "127.0.0.1".parse().unwrap();
    // A name that was public when somebody looked, and is not when it is dialled.
    let clients = Clients::by(Arc::new(Liar(vec![loopback], AtomicUsize::new(0))));
    clients.apply(Network::new(&hooks(Rule::Public, &[])).0);
    let mut hosts = vec!["rebinding.example", "localhost", "LOCALHOST.", "a.b.c.localhost"];
    hosts.extend(NOT_UNDER_PUBLIC.iter().filter(|host| host.contains("127") || host.contains("7f")));
    for host in hosts {
        let failed = call(&clients, host, port).await.unwrap_err();
        assert!(failed.contains("may not call"), "{host}: {failed}");
    }
    // The system's own resolver, for the name that every system knows.
    let honest = Clients::default();
    honest.apply(Network::new(&hooks(Rule::Public, &[])).0);
    assert!(call(&honest, "localhost", port).await.unwrap_err().contains("may not call"));
    nobody_called(canary);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_each_time_it_is_dialled() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    // One that is allowed, and where nobody listens; then the name turns to the canary.
    let liar = Liar(vec!["127.0.0.2".parse().unwrap(), "127.0.0.1".parse().unwrap()], AtomicUsize::new(0));
    let clients = Clients::by(Arc::new(liar));
    clients.apply(Network::new(&hooks(Rule::Public, &["127.0.0.2"])).0);
    let first = call(&clients, "rebinding.example", port).await.unwrap_err();
    assert!(!first.contains("may not call"), "{first}");
    for _ in 0..3 {
        assert!(call(&clients, "rebinding.example", port).await.unwrap_err().contains("may not call"));
    }
    let visit = std::future::poll_fn(|cx| std::task::Poll::Ready(canary.poll_accept(cx).is_ready())).await;
    assert!(!visit, "somebody called the canary");
    // The same canary is called where that is allowed.
    clients.apply(Network::new(&hooks(Rule::Any, &[])).0);
    let called = tokio::spawn(async move { call(&clients, "rebinding.example", port).await });
    canary.accept().await.unwrap();
    called.abort();
}

#[tokio::test]
async fn no_redirect_leads_to_a_canary() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = canary.local_addr().unwrap();
    let sender = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = sender.local_addr().unwrap().port();
    let sent = tokio::spawn(async move {
        for status in [301, 302, 303, 307, 308] {
            let (mut stream, _) = sender.accept().await.unwrap();
            let _ = stream.read(&mut [0; 8192]).await.unwrap();
            let answer = format!(
                "HTTP/1.1 {status} Over There\r\nlocation: http://{to}/\r\nrefresh: 0; url=http://{to}/\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    // Where everything may be called, nothing else keeps a hook from the canary.
    let clients = Clients::default();
    clients.apply(Network::new(&hooks(Rule::Any, &[])).0);
    for status in [301, 302, 303, 307, 308] {
        let failed = call(&clients, "127.0.0.1", port).await.unwrap_err();
        assert!(failed.contains(&format!("answered {status}")), "{failed}");
    }
    sent.await.unwrap();
    nobody_called(canary);
}
