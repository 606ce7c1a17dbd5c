//! Upstreams of HTTP/2 and gRPC: streams and trailers go through, and a refusal is told in gRPC's words.

use crate::harness::{Gateway, Request, Streams, YEAR, ask, block_on, free_address, httpbin, raw, request, streaming};

const CALL: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];

fn config(upstream: &str, more: &str) -> String {
    format!("[services.up]\n{upstream}\n[routes.up]\nservice = \"up\"\npaths = [\"/\"]\nstrip_path = false\n{more}")
}

#[test]
fn a_call_streams_both_ways_at_once_and_ends_with_its_trailers() {
    let upstream = streaming();
    let gateway = Gateway::start(&config(&format!("url = \"grpc://{}\"", upstream.address), ""));
    let proxy = gateway.proxy;
    block_on(async {
        let client = Streams::connect(proxy).await;
        let (answer, mut body) = client.open(ask("POST", proxy, "/echo.Echo/Both", &CALL)).await;
        let answer = answer.await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"application/grpc".parse().unwrap()));
        assert_eq!(answer.headers()["via"], "1.1 sluice");
        let mut answer = answer.into_body();
        let first = answer.data().await.unwrap().unwrap();
        let first = String::from_utf8(first.to_vec()).unwrap();
        assert!(first.starts_with(&format!("POST http://{}/echo.Echo/Both HTTP/2.0 ", upstream.address)), "{first}");
        assert!(first.contains("te=trailers") && first.contains("x-real-ip=127.0.0.1"), "{first}");
        // The request goes on while the answer runs.
        for n in 0..50 {
            let piece = format!("piece {n}");
            body.send_data(piece.clone().into(), false).unwrap();
            assert_eq!(answer.data().await.unwrap().unwrap(), piece.as_bytes());
        }
        body.send_data(Default::default(), true).unwrap();
        assert!(answer.data().await.is_none());
        let trailers = answer.trailers().await.unwrap().unwrap();
        assert_eq!((&trailers["grpc-status"], &trailers["x-checksum"]), (&"0".parse().unwrap(), &"abc".parse().unwrap()));
        // A call that fails has only a head.
        let failed = client.get(ask("POST", proxy, "/echo.Echo/fail", &CALL)).await;
        assert!(failed.head_only && failed.status == 200, "{failed:?}");
        assert_eq!((failed.header("grpc-status"), failed.header("grpc-message")), (Some("13"), Some("on purpose")));
    });
}

#[test]
fn a_refusal_is_told_in_grpcs_words() {
    let (upstream, dead) = (streaming(), free_address());
    let limit = format!("[plugins.rate-limiting-advanced]\nlimit = [1]\nwindow_size = [{YEAR}]\nwindow_type = \"fixed\"\n");
    let more = format!(
        "[services.dead]\nurl = \"grpc://{dead}\"\n[routes.dead]\nservice = \"dead\"\npaths = [\"/dead.\"]\n\
         [routes.keyed]\nservice = \"up\"\npaths = [\"/keyed.\"]\n[routes.keyed.plugins.key-auth]\n\
         [services.slow]\nurl = \"grpc://{}\"\nread_timeout = 50\n[routes.slow]\nservice = \"slow\"\npaths = [\"/slow.\"]\nstrip_path = false\n\
         [routes.limited]\nservice = \"up\"\npaths = [\"/limited.\"]\n[routes.limited{}",
        upstream.address,
        limit.trim_start_matches('[').replacen("plugins", ".plugins", 1)
    );
    let gateway =
        Gateway::start(&config(&format!("url = \"grpc://{}\"", upstream.address), &more).replace("[\"/\"]", "[\"/echo.\"]"));
    let proxy = gateway.proxy;
    block_on(async {
        let client = Streams::connect(proxy).await;
        let check = async |path: &str, status: &str, message: &str| {
            let answer = client.get(ask("POST", proxy, path, &CALL)).await;
            assert_eq!((answer.status, answer.head_only), (200, true), "{path}: {answer:?}");
            assert_eq!((answer.header("grpc-status"), answer.header("grpc-message")), (Some(status), Some(message)), "{path}");
            assert_eq!(answer.header("content-type"), Some("application/grpc"));
            assert!(answer.header("x-request-id").is_some());
            answer
        };
        assert_eq!(client.get(ask("POST", proxy, "/limited.A/B", &CALL)).await.trailer("grpc-status"), Some("0"));
        let limited = check("/limited.A/B", "8", "API rate limit exceeded").await;
        assert!(limited.header("retry-after").is_some());
        assert_eq!(limited.header("ratelimit-remaining"), Some("0"));
        let keyless = check("/keyed.A/B", "16", "No API key found in request").await;
        assert_eq!(keyless.header("www-authenticate"), Some("Key"));
        check("/dead.A/B", "14", "The upstream server is currently unavailable").await;
        check("/slow.A/silent", "4", "The upstream server is timing out").await;
        check("/nowhere", "12", "no Route matched with those values").await;
        // Who does not call by gRPC gets what HTTP says.
        let plain = client.get(ask("POST", proxy, "/limited.A/B", &[("content-type", "application/grpc-web")])).await;
        assert_eq!((plain.status, plain.header("grpc-status")), (429, None));
    });
}

#[test]
fn a_service_is_asked_in_http_2_by_clients_of_http_1() {
    let upstream = streaming();
    let gateway = Gateway::start(&config(&format!("url = \"{}\"\nhttp2 = true", upstream.url("/base")), ""));
    let answer = gateway.get("/a?x=1", &[]);
    assert_eq!(answer.status, 200);
    let asked = format!("GET http://{}/base/a?x=1 HTTP/2.0 ", upstream.address);
    assert!(answer.body.starts_with(&asked) && answer.body.contains("via=1.1 sluice"), "{answer:?}");
    let posted = request(gateway.proxy, &Request { method: "POST", path: "/", headers: &[], body: "some body" });
    assert!(posted.body.starts_with("POST ") && posted.body.ends_with("\nsome body"), "{posted:?}");
    assert_eq!(request(gateway.proxy, &Request { method: "HEAD", path: "/", headers: &[], body: "" }).status, 200);
    // It cannot say that the client may go on, so that is said here.
    let head = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let mut client = std::net::TcpStream::connect(gateway.proxy).unwrap();
    std::io::Write::write_all(&mut client, head.as_bytes()).unwrap();
    assert_eq!(crate::harness::read_head(&mut client), "HTTP/1.1 100 Continue\r\n\r\n");
    std::io::Write::write_all(&mut client, b"body").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("expect=\n") && answer.contains("body"), "{answer}");
}

#[test]
fn an_upstream_of_another_protocol_is_a_bad_gateway() {
    let upstream = httpbin();
    let gateway = Gateway::start(&config(&format!("url = \"{}\"\nhttp2 = true", upstream.url("/")), ""));
    let answer = gateway.get("/", &[]);
    assert_eq!(
        (answer.status, answer.json()["message"].as_str()),
        (502, Some("An invalid response was received from the upstream server"))
    );
    let answer = raw(gateway.proxy, b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}
