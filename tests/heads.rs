//! Bytes that could be read in two ways are read in none: 400, the connection is closed, and no upstream hears of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::{DEADLINE, Gateway, httpbin, raw};

/// A gateway before an upstream that must hear nothing.
fn before_nobody() -> (TcpListener, Gateway) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let at = upstream.local_addr().unwrap();
    let config = format!(
        "[access_log]\nformat = \"json\"\n[services.s]\nurl = \"http://{at}\"\n[routes.r]\nservice = \"s\"\npaths = [\"/\"]\n"
    );
    (upstream, Gateway::start(&config))
}

#[test]
fn a_head_that_is_not_sound_is_refused_and_counted() {
    let (upstream, gateway) = before_nobody();
    let get = |lines: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    let bad = [
        // Lines.
        "GET / HTTP/1.1\nHost: x\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n".to_owned(),
        "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        // The first line.
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\tHTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/3.0\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        " GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GE\x01T / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET http://me@x/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        // Names and values.
        get("X : y\r\n"),
        get("X\t: y\r\n"),
        get("X\0: y\r\n"),
        get("X(: y\r\n"),
        get(": y\r\n"),
        get("X\r\n"),
        get(" X: y\r\n"),
        get("X: y\r\n z\r\n"),
        get("X: y\0\r\n"),
        get("X: y\x0b\r\n"),
        // Whose it is.
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        get("Host: x\r\n"),
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: \r\n\r\n".to_owned(),
        // Where it ends.
        get("Content-Length: 1\r\nContent-Length: 2\r\n"),
        get("Content-Length: 1, 1\r\n"),
        get("Content-Length: -1\r\n"),
        get("Content-Length: +1\r\n"),
        get("Content-Length: 0x1\r\n"),
        get("Content-Length: 1 1\r\n"),
        get("Content-Length: 18446744073709551617\r\n"),
        get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        get("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        get("Transfer-Encoding: identity\r\n"),
        get("Transfer-Encoding: xchunked\r\n"),
        get("Transfer-Encoding: chunked, gzip\r\n"),
        get("Transfer-Encoding: \x0bchunked\r\n"),
        "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        get("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n"),
    ];
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in &bad {
        let answer = raw(gateway.proxy, format!("{head}{smuggled}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer:?}");
        assert!(answer.contains("Connection: close"), "{head:?}: {answer:?}");
    }
    let connect = raw(gateway.proxy, b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n");
    assert!(connect.starts_with("HTTP/1.1 405 "), "{connect}");
    assert_eq!(upstream.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    // Each was logged as an access and counted; the log of the gateway says why, though not of each.
    let metrics = gateway.admin("GET", "/metrics", "").body;
    let counted = format!("sluice_clients_refused_total{{reason=\"bad_head\"}} {}\n", bad.len() + 1);
    assert!(metrics.contains(&counted), "{metrics}");
    let counted = format!("sluice_http_requests_total{{service=\"\",route=\"\",code=\"400\"}} {}\n", bad.len());
    assert!(metrics.contains(&counted), "{metrics}");
    let line = gateway.wait_for_log("a client is refused");
    assert!(line.contains("client=127.0.0.1") && line.contains("a line ends with LF alone"), "{line}");
    gateway.wait_for_log("\"status\":405");
}

#[test]
fn chunks_that_are_broken_are_no_body_and_what_follows_is_no_request() {
    let (upstream, gateway) = before_nobody();
    let bad = [
        "\r\n0\r\n\r\n",
        "zz\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "10000000000000000\r\nabc\r\n0\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\n\n",
    ];
    for body in bad {
        let mut client = TcpStream::connect(gateway.proxy).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        client.write_all(format!("{head}{body}{smuggled}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1 ").count() == 1, "{body:?}: {answer:?}");
        // Whatever of the request had gone ahead has no end, and nothing comes after it.
        while let Ok((mut heard, _)) = upstream.accept() {
            heard.set_nonblocking(false).unwrap();
            heard.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut text = String::new();
            heard.read_to_string(&mut text).unwrap();
            assert!(!text.ends_with("0\r\n\r\n") && !text.contains("smuggled"), "{body:?}: {text:?}");
        }
    }
}

#[test]
fn what_is_odd_and_sound_is_served() {
    let upstream = httpbin();
    let gateway =
        Gateway::start(&format!("[services.s]\nurl = \"{}\"\n[routes.r]\nservice = \"s\"\npaths = [\"/\"]\n", upstream.url("/")));
    for head in [
        "\r\nGET /get HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /get HTTP/1.0\r\n\r\n",
        "GET http://x/get HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /get?é HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
        "GET /get HTTP/1.1\r\nHost:x\r\nX:\r\nX: \t y \t\r\nx_y: é\r\nConnection: close\r\n\r\n",
        "POST /post HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: Chunked\r\n\r\n03;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "GET /get HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: close, Upgrade\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let answer = raw(gateway.proxy, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{head:?}: {answer}");
    }
}
