//! TLS with upstreams: whom they are trusted by, and what they are shown.

use std::net::SocketAddr;

use crate::harness::{Authority, Behaviour, Gateway, Receiver, secure_upstream};

fn service(name: &str, upstream: SocketAddr, more: &str) -> String {
    format!(
        "[services.{name}]\nurl = \"https://localhost:{}\"\nretries = 0\n{more}\n[routes.{name}]\nservice = \"{name}\"\npaths = [\"/{name}\"]\n",
        upstream.port()
    )
}

fn authority(name: &str, authority: &Authority) -> String {
    format!("[ca_certificates.{name}]\ncert = \"\"\"\n{}\"\"\"\n", authority.pem)
}

#[test]
fn an_upstream_is_verified_unless_that_is_switched_off() {
    let (ca, others, receiver) = (Authority::new("ca"), Authority::new("others"), Receiver::start(Behaviour::Status(200)));
    let upstream = secure_upstream(ca.issue(&["localhost"]).server(None));
    let misnamed = secure_upstream(ca.issue(&["other.example"]).server(None));
    let late = secure_upstream(ca.issue_for(&["localhost"], -86_400).server(None));
    let config = [
        service("system", upstream, ""),
        service("ours", upstream, "ca_certificates = [\"ca\"]"),
        service("both", upstream, "ca_certificates = [\"others\", \"ca\"]"),
        service("others", upstream, "ca_certificates = [\"others\"]"),
        service("blind", upstream, "tls_verify = false"),
        service("misnamed", misnamed, "ca_certificates = [\"ca\"]"),
        service("late", late, "ca_certificates = [\"ca\"]"),
        authority("ca", &ca),
        authority("others", &others),
        format!("[event_hooks.h]\nsource = \"proxy\"\nhandler = \"webhook\"\nconfig.url = \"{}\"\n", receiver.url()),
    ];
    let gateway = Gateway::start(&config.concat());
    for path in ["/ours", "/both", "/blind", "/ours"] {
        let answer = gateway.get(path, &[]);
        assert_eq!((answer.status, answer.json()["sni"].as_str()), (200, Some("localhost")), "{path}: {answer:?}");
    }
    for (nth, path) in ["/system", "/others", "/misnamed", "/late"].into_iter().enumerate() {
        let answer = gateway.get(path, &[]);
        assert_eq!(answer.status, 502, "{path}: {answer:?}");
        assert_eq!(answer.json()["message"], "An invalid response was received from the upstream server");
        let line = gateway.wait_for_log(&format!("service=\"{}\"", &path[1..]));
        assert!(line.contains("a request failed") && line.contains("ertificate"), "{line}");
        assert_eq!(receiver.wait_for(nth + 1)[nth].json()["error"], "tls-failed");
    }
}

#[test]
fn an_upstream_that_asks_is_shown_a_certificate() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let upstream = secure_upstream(ca.issue(&["localhost"]).server(Some(&clients)));
    let trusting = "ca_certificates = [\"ca\"]\n";
    let config = [
        service("friend", upstream, &(trusting.to_owned() + "client_certificate = \"friend\"")),
        service("nobody", upstream, trusting),
        service("stranger", upstream, &(trusting.to_owned() + "client_certificate = \"stranger\"")),
        authority("ca", &ca),
        clients.issue(&["friend"]).table("friend", ""),
        ca.issue(&["stranger"]).table("stranger", ""),
    ];
    let gateway = Gateway::start(&config.concat());
    for (path, status) in [("/friend", 200), ("/nobody", 502), ("/stranger", 502), ("/friend", 200)] {
        let answer = gateway.get(path, &[]);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(status != 200 || answer.json()["shown"] == true, "{answer:?}");
    }
    let shown = gateway.admin("GET", "/services/friend", "").json();
    assert_eq!(shown["client_certificate"]["id"], gateway.admin("GET", "/certificates/friend", "").json()["id"]);
    assert_eq!(shown["ca_certificates"][0], gateway.admin("GET", "/ca_certificates/ca", "").json()["id"]);
}
