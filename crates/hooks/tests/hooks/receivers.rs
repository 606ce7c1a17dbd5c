//! Receivers that mean no good, or that only an authority of the house vouches for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, Issuer, KeyPair};
use sluice_config::Hooks;
use sluice_hooks::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{Running, in_time, webhook};

/// A receiver that says the beginning once, and then the rest again and again, with pauses, to everybody who asks.
async fn says(beginning: &'static [u8], rest: Vec<u8>, pause: Duration) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let rest = rest.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 8192]).await;
                let mut going = stream.write_all(beginning).await.is_ok();
                while going && !rest.is_empty() {
                    going = stream.write_all(&rest).await.is_ok();
                    tokio::time::sleep(pause).await;
                }
                // An answer that ends says so by a silence.
                std::future::pending::<()>().await;
            });
        }
    });
    addr
}

/// Has a hook with a deadline of 400 ms tell such a receiver, and says whether it worked and what was recorded.
async fn told(beginning: &'static [u8], rest: &[u8], pause: u64) -> (bool, serde_json::Value) {
    let dir = tempfile::tempdir().unwrap();
    let addr = says(beginning, rest.to_vec(), Duration::from_millis(pause)).await;
    let running = Running::start(dir.path(), &webhook("hook", addr, "timeout = \"400ms\"\nretry = { schedule = [] }"));
    let start = Instant::now();
    running.emit(1);
    let stats = running.until("hook", |stats| stats.delivered + stats.failed == 1).await;
    assert!(start.elapsed() < Duration::from_secs(5), "the deadline, and what a busy machine adds");
    let record = running.records(if stats.delivered == 1 { "delivered" } else { "dead" }).await.remove(0);
    running.stop().await;
    (stats.delivered == 1, serde_json::to_value(record).unwrap())
}

#[tokio::test]
async fn a_body_that_never_ends_changes_nothing_of_a_2xx_and_16_kib_of_it_are_read() {
    let (worked, record) = told(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", &[b'x'; 4096], 0).await;
    assert!(worked && record["response"]["body"].as_str().unwrap().len() <= 4096, "{record}");
    let (worked, record) = told(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n", b"x", 20).await;
    assert!(
        worked && record["tries"][0]["latency"].as_u64() >= Some(390),
        "a byte now and then lasts until the deadline: {record}"
    );
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let line: Vec<u8> = b"x-line: 0123456789\r\n".repeat(10_000);
    for (beginning, rest, pause) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], line.clone(), 0),
        (b"HTTP/1.1 200 OK\r\nx-long: ", vec![b'x'; 1 << 20], 0),
        (b"HTTP/1.1 200 ", vec![b'x'; 4096], 0),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n".to_vec(), 50),
        (b"", b"H".to_vec(), 50),
        (b"", Vec::new(), 0),
    ] {
        let (worked, record) = told(beginning, &rest, pause).await;
        assert!(!worked && record["response"].is_null() && record["tries"][0]["error"].is_string(), "{record}");
    }
}

/// A receiver with a certificate of an authority of the house; where it is, and the file that vouches for it.
async fn with_tls(dir: &std::path::Path) -> (u16, std::path::PathBuf) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let file = dir.join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    // It fails only if another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 8192]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        }
    });
    (port, file)
}

#[tokio::test]
async fn an_authority_of_the_house_is_trusted_once_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (port, file) = with_tls(dir.path()).await;
    let hook = |beside: &str| {
        format!(
            "[event_hooks.h]\nsource = \"rate-limiting-advanced\"\nhandler = \"webhook\"\nretry = {{ schedule = [] }}\n\
             config.url = \"https://localhost:{port}/\"\n{beside}"
        )
    };
    let running = Running::start(dir.path(), &hook(""));
    running.emit(1);
    running.until("h", |stats| stats.failed == 1).await;
    let error = running.records("dead").await[0].tries[0]["error"].to_string();
    assert!(error.contains("ertificate"), "{error}");

    let (network, problems) = Network::new(&Hooks { ca_certificates: vec![file.clone()], ..Hooks::default() });
    assert_eq!(problems, []);
    running.engine.apply(&Hooks::default(), network);
    running.emit(2);
    in_time("the delivery", running.until("h", |stats| stats.delivered == 1)).await;
    running.engine.apply(&Hooks::default(), Network::default());
    running.reload(&hook("config.ssl_verify = false"));
    running.emit(3);
    running.until("h", |stats| stats.delivered == 2).await;
    running.stop().await;
}

#[test]
fn a_file_of_authorities_that_is_none_is_told_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let files = vec![dir.path().join("absent.pem"), file("empty.pem", ""), file("broken.pem", broken)];
    let (_, problems) = Network::new(&Hooks { ca_certificates: files, ..Hooks::default() });
    let told: Vec<(String, bool)> = problems.iter().map(|problem| (problem.path.to_string(), problem.help.is_some())).collect();
    assert_eq!(told, [0, 1, 2].map(|at| (format!("hooks.ca_certificates[{at}]"), true)));
}
