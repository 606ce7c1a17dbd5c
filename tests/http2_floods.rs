//! Floods of HTTP/2: each of them ends, is told of by its reason, and costs nobody else an answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Instant;

use bytes::Bytes;

use crate::harness::{DEADLINE, Gateway, Streams, ask, block_on, eventually, httpbin, streaming};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// Of DATA and HEADERS; of SETTINGS and PING it is an ACK.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A request as HPACK: the method and the scheme by their index, the path and the host as they are.
fn block(post: bool, path: &str, more: &[u8]) -> Vec<u8> {
    let mut block = vec![if post { 0x83 } else { 0x82 }, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x01x");
    block.extend(more);
    block
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(false, "/up", b""))
}

/// A request whose body never comes.
fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(true, "/slow", b""))
}

fn update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

fn connect(proxy: SocketAddr, opening: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(proxy).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    client.write_all(opening).unwrap();
    client
}

/// A flood: what it opens with, and what it goes on with, told the number of a stream that is new each time.
struct Flood {
    name: &'static str,
    opening: Vec<u8>,
    piece: Box<dyn Fn(u32) -> Vec<u8> + Send>,
}

fn flood(name: &'static str, opening: &[u8], piece: impl Fn(u32) -> Vec<u8> + Send + 'static) -> Flood {
    Flood { name, opening: [&frame(SETTINGS, 0, 0, b""), opening].concat(), piece: Box::new(piece) }
}

fn floods() -> Vec<Flood> {
    let one = |frame: Vec<u8>| move |_| frame.clone();
    let unfinished = frame(HEADERS, 0, 1, &block(false, "/up", b""));
    // A large answer, and no window for it.
    let shut = [frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"), frame(HEADERS, 5, 1, &block(false, "/large", b""))].concat();
    // An entry of the dynamic table, that is named by one byte.
    let entry = [&block(true, "/slow", b"\x40\x01a\x7f\xa1\x1e")[..], &[b'b'; 4000]].concat();
    let bomb = |stream| frame(HEADERS, END_HEADERS, stream + 2, &block(true, "/slow", &[0xbe; 16_000]));
    let given_up = |stream| [get(stream), frame(RST_STREAM, 0, stream, b"\0\0\0\x08")].concat();
    let made_to_be_reset = |stream| [post(stream), update(stream, u32::MAX >> 1)].concat();
    vec![
        flood("PING", b"", one(frame(PING, 0, 0, b"12345678"))),
        flood("PING that answers nothing", b"", one(frame(PING, END_STREAM, 0, b"12345678"))),
        flood("SETTINGS", b"", one(frame(SETTINGS, 0, 0, b""))),
        flood("SETTINGS of many", b"", one(frame(SETTINGS, 0, 0, &b"\0\x03\0\0\0\x64".repeat(2700)))),
        flood("PRIORITY", b"", |stream| frame(PRIORITY, 0, stream, b"\0\0\0\0\x10")),
        flood("WINDOW_UPDATE", b"", one(update(0, 1))),
        flood("a window opened by a crack", &shut, one(update(1, 1))),
        flood("frames of no known kind", b"", one(frame(200, 0, 0, b"whatever"))),
        flood("streams given up", b"", given_up),
        flood("streams made to be reset", b"", made_to_be_reset),
        flood("more streams than may be", b"", post),
        flood("CONTINUATION", &unfinished, one(frame(CONTINUATION, 0, 1, b""))),
        flood("empty DATA", &post(1), one(frame(DATA, 0, 1, b""))),
        flood("DATA of padding", &post(1), one(frame(DATA, PADDED, 1, b"\x07\0\0\0\0\0\0\0"))),
        flood("an HPACK bomb", &frame(HEADERS, END_HEADERS, 1, &entry), bomb),
    ]
}

/// Goes on until it is cut off.
fn run(flood: &Flood, proxy: SocketAddr) {
    let mut client = connect(proxy, &flood.opening);
    let mut ears = client.try_clone().unwrap();
    let hears = thread::spawn(move || ears.read_to_end(&mut Vec::new()).err().map(|error| error.kind()));
    let until = Instant::now() + DEADLINE;
    for stream in (1..).step_by(2) {
        // Many at once, as a flood comes.
        if client.write_all(&(flood.piece)(stream)).is_err() {
            break;
        }
        assert!(Instant::now() < until, "{} goes on", flood.name);
    }
    let end = hears.join().unwrap();
    assert!(!matches!(end, Some(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)), "{}: {end:?}", flood.name);
}

fn refused(gateway: &Gateway, reason: &str) -> u64 {
    let metrics = gateway.admin("GET", "/metrics", "").body;
    let name = format!("sluice_clients_refused_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

fn gateway(upstream: &str) -> Gateway {
    let route = |name: &str, path: &str| {
        format!("[services.{name}]\nurl = \"{upstream}{path}\"\n[routes.{name}]\nservice = \"{name}\"\npaths = [\"/{name}\"]\n")
    };
    let routes = [("up", "/anything"), ("slow", "/delay/10"), ("large", "/bytes/100000")];
    Gateway::start(&routes.map(|(name, path)| route(name, path)).concat())
}

#[test]
fn every_flood_is_cut_off_and_told_of_and_somebody_else_is_answered_all_the_while() {
    let upstream = httpbin();
    for flood in floods() {
        // Nobody has flooded this one before, and may say less for it.
        let gateway = gateway(&upstream.url(""));
        let (proxy, name) = (gateway.proxy, flood.name);
        let running = thread::spawn(move || run(&flood, proxy));
        block_on(async {
            let client = Streams::connect(proxy).await;
            while !running.is_finished() {
                assert_eq!(client.get(ask("GET", proxy, "/up", &[])).await.status, 200, "beside {name}");
            }
        });
        running.join().unwrap();
        eventually(name, || (refused(&gateway, "flood") == 1).then_some(()));
        let line = gateway.wait_for_log("a client is refused");
        assert!(line.contains("client=127.0.0.1") && line.contains("reason=\"flood\""), "{line}");
        assert!(name != "PING" || line.contains("detail=PING frames"), "{line}");
        assert_eq!(gateway.get("/up", &[]).status, 200, "after {name}");
        assert!(!gateway.log().iter().any(|line| line.contains("panicked")), "{:?}", gateway.log());
    }
}

/// How many streams a client may have at once, as he is told when he comes.
fn most_streams(proxy: SocketAddr) -> u32 {
    let mut client = connect(proxy, &frame(SETTINGS, 0, 0, b""));
    let mut head = [0; 9];
    client.read_exact(&mut head).unwrap();
    assert_eq!(head[3], SETTINGS);
    let mut settings = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    client.read_exact(&mut settings).unwrap();
    let most = settings.chunks_exact(6).find(|one| one[1] == 3).expect("it is said");
    u32::from_be_bytes(most[2..].try_into().unwrap())
}

#[test]
fn who_has_flooded_may_have_fewer_streams_at_once() {
    let upstream = httpbin();
    let gateway = gateway(&upstream.url(""));
    assert_eq!(most_streams(gateway.proxy), 100);
    run(&floods()[0], gateway.proxy);
    eventually("fewer streams", || (most_streams(gateway.proxy) == 10).then_some(()));
    assert_eq!(gateway.get("/up", &[]).status, 200);
}

#[test]
fn whoever_gets_answers_may_measure_and_open_windows_and_give_up_for_as_long_as_he_likes() {
    let upstream = httpbin();
    let gateway = gateway(&upstream.url(""));
    let mut client = connect(gateway.proxy, &frame(SETTINGS, 0, 0, b""));
    let reset = |stream| frame(RST_STREAM, 0, stream, b"\0\0\0\x08");
    // Three times what may be said without an answer.
    for stream in (1..2000).step_by(2) {
        let more = [update(0, 20_000), frame(PING, 0, 0, b"12345678"), reset(stream)].concat();
        client.write_all(&get(stream)).unwrap();
        until_answered(&mut client, stream);
        client.write_all(&more).unwrap();
    }
    assert_eq!(refused(&gateway, "flood"), 0);
}

#[test]
fn a_stream_whose_body_never_comes_ends_with_the_time_of_its_upstream_and_then_its_idle_connection() {
    let upstream = httpbin();
    let slow = format!(
        "[services.slow]\nurl = \"{}/anything\"\nread_timeout = 200\n[routes.slow]\nservice = \"slow\"\npaths = [\"/slow\"]\n",
        upstream.url("")
    );
    let gateway = Gateway::start_server(&slow, "[server.clients]\nkeepalive_timeout = \"200ms\"");
    let mut client = connect(gateway.proxy, &frame(SETTINGS, 0, 0, b""));
    client.write_all(&post(1)).unwrap();
    until_answered(&mut client, 1);
    client.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn whoever_takes_nothing_of_his_answers_stops_nobody_who_shares_an_upstream_with_him() {
    let upstream = streaming();
    let config = "[services.up]\nurl = \"URL\"\nhttp2 = true\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\n";
    let gateway = Gateway::start(&config.replace("URL", &upstream.url("")));
    let proxy = gateway.proxy;
    block_on(async {
        let stream = tokio::net::TcpStream::connect(proxy).await.unwrap();
        let (greedy, connection) = h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let mut held = Vec::new();
        // More than a window of its usual size would hold.
        for _ in 0..38 {
            let (answer, _) = greedy.clone().ready().await.unwrap().send_request(ask("GET", proxy, "/large", &[]), true).unwrap();
            held.push(answer.await.unwrap());
        }
        let client = Streams::connect(proxy).await;
        for _ in 0..200 {
            assert_eq!(client.get(ask("GET", proxy, "/", &[])).await.status, 200);
        }
        drop(held);
    });
}

/// Reads frames until a stream has ended.
fn until_answered(client: &mut TcpStream, stream: u32) {
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).unwrap();
        let [_, a, b, c, kind, flags, ..] = [&[0][..], &head].concat()[..] else { unreachable!("nine bytes") };
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        client.read_exact(&mut payload).unwrap();
        if [DATA, HEADERS].contains(&kind) && flags & END_STREAM != 0 && head[5..] == stream.to_be_bytes() {
            return;
        }
    }
}
