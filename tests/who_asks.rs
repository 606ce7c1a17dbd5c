//! Who a client is cannot be forged, taken out, or put upon somebody else: not by any header, in any version of HTTP.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Answer, Gateway, Request, Streams, YEAR, ask, block_on, httpbin, parse, request};

/// A header that makes Pingora read the request; what has none goes the short way.
const LONG_WAY: (&str, &str) = ("Keep-Alive", "timeout=5");

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const LIMIT: usize = 10;
const REQUESTS: usize = 1000;

/// Every header in which somebody somewhere says who asks.
const KNOWN: [&str; 42] = [
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-Pseudo-IPv4",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "DO-Connecting-IP",
    "Incap-Client-IP",
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "Forwarded-For",
    "Forwarded-For-IP",
    "Z-Forwarded-For",
    "X-Original-Forwarded-For",
    "X-Vercel-Forwarded-For",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "Remote-Addr",
    "X-Host",
    "X-IP",
    "X-ProxyUser-IP",
    "Proxy-Client-IP",
    "WL-Proxy-Client-IP",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Envoy-External-Address",
    "X-Appengine-User-IP",
    "X-NF-Client-Connection-IP",
    "X-Sucuri-ClientIP",
    "Ali-CDN-Real-IP",
    "CDN-Src-IP",
    "From",
    "Via",
];

fn gateway(upstream: SocketAddr, server: &str) -> Gateway {
    let limit = format!("limit = [{LIMIT}]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\n");
    let service =
        format!("[services.up]\nurl = \"http://{upstream}/anything\"\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\n");
    Gateway::start_server(&format!("{service}[plugins.rate-limiting-advanced]\n{limit}"), server)
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// What somebody says who claims to be another with each request, and to be `victim` with every second one.
fn forged(n: usize, victim: Ipv4Addr) -> Vec<(&'static str, String)> {
    let claimed = if n.is_multiple_of(2) { victim } else { Ipv4Addr::from(0xCB00_7100 + n as u32) };
    let say = |(at, name): (usize, &'static str)| {
        let value = match name {
            "Forwarded" if n.is_multiple_of(3) => format!("for=\"{claimed}"),
            "Forwarded" => format!("for={claimed};proto=https, for=\"[2001:db8::{n:x}]:80\""),
            "Via" => format!("1.1 {claimed}"),
            _ if (n + at).is_multiple_of(5) => format!("{claimed}:80, ::ffff:{claimed}"),
            _ => claimed.to_string(),
        };
        (name, value)
    };
    KNOWN.into_iter().enumerate().map(say).collect()
}

/// Adds what a proxy says of its client, behind what the client said himself, in the same line or in one of its own.
fn add(headers: &mut Vec<(&'static str, String)>, (name, value): (&'static str, String), own_line: bool) {
    match headers.iter_mut().find(|(known, _)| *known == name) {
        Some((_, said)) if !own_line => *said += &format!(", {value}"),
        _ => headers.push((name, value)),
    }
}

/// Sends the n-th request, each in another way.
async fn send(n: usize, from: Ipv4Addr, to: SocketAddr, streams: &Streams, headers: &[(&'static str, String)]) -> (u16, String) {
    if n % 10 > 1 {
        let lower: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let lower: Vec<_> = lower.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = streams.get(ask("GET", to, "/", &lower)).await;
        return (answer.status, answer.body);
    }
    let mut head = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n".to_owned();
    let long_way = (n % 10 == 1).then_some(LONG_WAY);
    for (name, value) in headers.iter().map(|(name, value)| (*name, value.as_str())).chain(long_way) {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = connect(from, to).await;
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let answer = parse(&answer);
    (answer.status, answer.body)
}

/// Attacks from an address, with what a proxy there adds of its client; the upstream is to see `client`. Then the victim,
/// whom the attacker named, comes the same way.
fn attack(gateway: &Gateway, from: Ipv4Addr, added: Option<&dyn Fn(Ipv4Addr) -> (&'static str, String)>) {
    let [attacker, victim] = match added {
        Some(_) => [Ipv4Addr::new(198, 51, 100, 7), Ipv4Addr::new(198, 51, 100, 8)],
        None => [from, Ipv4Addr::new(127, 0, 0, 9)],
    };
    block_on(async {
        let streams = Streams::over(connect(from, gateway.proxy).await).await;
        let mut admitted = 0;
        for n in 0..REQUESTS {
            let mut headers = forged(n, victim);
            if let Some(added) = added {
                add(&mut headers, added(attacker), n % 4 < 2);
            }
            let (status, body) = send(n, from, gateway.proxy, &streams, &headers).await;
            if status == 200 {
                let seen: serde_json::Value = serde_json::from_str(&body).unwrap();
                assert_eq!(seen["headers"]["X-Real-Ip"], attacker.to_string());
                admitted += 1;
            } else {
                assert_eq!(status, 429, "{body}");
            }
        }
        assert_eq!(admitted, LIMIT, "the limit was got around");
        let from = if added.is_some() { from } else { victim };
        let streams = Streams::over(connect(from, gateway.proxy).await).await;
        for n in 0..LIMIT {
            let headers: Vec<_> = added.map(|added| added(victim)).into_iter().collect();
            let (status, body) = send(n, from, gateway.proxy, &streams, &headers).await;
            assert_eq!(status, 200, "somebody else was locked out: {body}");
        }
    });
}

#[test]
fn without_trusted_proxies_no_header_makes_anybody_another() {
    let upstream = httpbin();
    attack(&gateway(upstream.address, ""), PROXY, None);
}

#[test]
fn behind_a_trusted_proxy_only_what_it_adds_to_x_forwarded_for_counts() {
    let upstream = httpbin();
    let gateway = gateway(upstream.address, "trusted_proxies = [\"127.0.0.1\"]");
    attack(&gateway, PROXY, Some(&|client| ("X-Forwarded-For", client.to_string())));
    attack(&gateway, STRANGER, None);
}

#[test]
fn behind_a_trusted_proxy_only_what_it_adds_to_forwarded_counts_if_that_is_said() {
    let upstream = httpbin();
    let gateway = gateway(upstream.address, "trusted_proxies = [\"127.0.0.1\"]\nclient_ip_header = \"forwarded\"");
    attack(&gateway, PROXY, Some(&|client| ("Forwarded", format!("for={client};proto=http;host=\"a\\\", for=\\\"b\""))));
    attack(&gateway, STRANGER, None);
}

/// What the upstream sees of a request, the same on both ways.
#[track_caller]
fn seen(gateway: &Gateway, headers: &[(&str, &str)]) -> serde_json::Value {
    let [short, long] = [None, Some(LONG_WAY)].map(|more| {
        let headers: Vec<_> = headers.iter().copied().chain(more).collect();
        let mut seen = gateway.get("/", &headers).json()["headers"].take();
        seen.as_object_mut().unwrap().remove("X-Request-Id");
        seen
    });
    assert_eq!(short, long);
    short
}

#[test]
fn of_the_two_headers_the_upstream_gets_the_one_that_is_read() {
    let upstream = httpbin();
    let said = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "wss"),
        ("Forwarded", "for=7.7.7.7, for=1.2.3.4;host=\"front.test:81\";proto=https"),
    ];
    let stranger = gateway(upstream.address, "");
    let headers = seen(&stranger, &said);
    assert_eq!((&headers["X-Forwarded-For"], &headers["Forwarded"]), (&"127.0.0.1".into(), &serde_json::Value::Null));
    let by_lines = gateway(upstream.address, "trusted_proxies = [\"127.0.0.1\"]");
    let headers = seen(&by_lines, &said);
    assert_eq!((&headers["X-Forwarded-For"], &headers["Forwarded"]), (&"6.6.6.6, 127.0.0.1".into(), &serde_json::Value::Null));
    assert_eq!(headers["X-Forwarded-Proto"], "wss");
    let by_element = gateway(upstream.address, "trusted_proxies = [\"127.0.0.1\"]\nclient_ip_header = \"forwarded\"");
    let own = format!("for=127.0.0.1;proto=http;host=\"{}\"", by_element.proxy);
    let headers = seen(&by_element, &said);
    assert_eq!(headers["Forwarded"], format!("{}, {own}", said[2].1));
    assert_eq!((&headers["X-Forwarded-For"], &headers["X-Real-Ip"]), (&"1.2.3.4, 127.0.0.1".into(), &"1.2.3.4".into()));
    assert_eq!((&headers["X-Forwarded-Proto"], &headers["X-Forwarded-Host"]), (&"https".into(), &"front.test:81".into()));
    let headers = seen(&by_element, &said[..2]);
    assert_eq!((&headers["Forwarded"], &headers["X-Forwarded-For"]), (&own.as_str().into(), &"127.0.0.1".into()));
    assert_eq!(headers["X-Forwarded-Proto"], "http");
    let unread = gateway(upstream.address, "client_ip_header = \"forwarded\"");
    let headers = seen(&unread, &[said[2], ("Host", "a;for=b")]);
    assert_eq!(headers["Forwarded"], "for=127.0.0.1;proto=http");
}

#[test]
fn connection_takes_out_nothing_that_counts() {
    let upstream = httpbin();
    let gateway = Gateway::start_server(
        &format!(
            "[services.up]\nurl = \"{}\"\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\n[plugins.key-auth]\n\
             [plugins.rate-limiting-advanced]\nlimit = [9]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n\
             [consumers.Joe]\nkey-auth = [{{ key = \"joe-key\" }}]\n",
            upstream.url("/anything")
        ),
        "trusted_proxies = [\"127.0.0.1\"]",
    );
    let named = |named: &str| -> Answer {
        let said = [("apikey", "joe-key"), ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Port", "81"), ("Connection", named)];
        request(gateway.proxy, &Request { method: "POST", path: "/", headers: &said, body: "whole" })
    };
    for name in ["Host", "X-Forwarded-For", "x-forwarded-PORT", "close, x-forwarded-proto", "Forwarded", "X-Real-IP", "a,,Host "]
    {
        assert_eq!(named(name).status, 400, "{name}");
    }
    let harmless = [
        "apikey",
        "Authorization, X-Consumer-ID",
        "x-consumer-username",
        "X-Credential-Identifier",
        "X-Request-Id",
        "Via",
        "Content-Length",
        "Transfer-Encoding",
        "RateLimit-Limit",
    ];
    for name in harmless {
        let answer = named(name);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let seen = answer.json();
        let headers = &seen["headers"];
        assert_eq!((&headers["X-Consumer-Username"], &seen["data"]), (&"Joe".into(), &"whole".into()), "{name}");
        assert_eq!((&headers["X-Real-Ip"], &headers["X-Forwarded-Port"]), (&"1.2.3.4".into(), &"81".into()), "{name}");
        for told in ["X-Consumer-Id", "X-Credential-Identifier", "X-Request-Id", "Via"] {
            assert!(headers[told].is_string(), "{name}: {told}");
        }
    }
    assert_eq!(named("apikey").status, 429, "all of them counted");
}
