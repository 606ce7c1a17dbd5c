//! What is known of a connection with TLS.

use std::net::IpAddr;
use std::sync::Arc;

use sluice_config::covers;

use super::Chooser;

/// What a handshake told.
#[derive(Debug)]
pub(crate) struct Secure {
    /// The host that the client named, in lower case.
    pub sni: Option<Box<str>>,
    /// What the certificate is for that the client was shown.
    names: Arc<[String]>,
}

impl Secure {
    /// What is known of a client that named this host.
    pub fn new(sni: Option<&str>, chooser: &Chooser) -> Self {
        let sni = sni.map(str::to_ascii_lowercase);
        let names = chooser.choose(sni.as_deref()).names.clone();
        Self { sni: sni.map(String::into_boxed_str), names }
    }

    /// Whether a request for this host, in lower case, may come on the connection. Who dialled an address and named no
    /// host asks for that address, which few certificates are for.
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| covers(name, host)) || (self.sni.is_none() && is_address(host))
    }
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_for_what_its_certificate_is_for() {
        let secure = |sni: Option<&str>| Secure {
            sni: sni.map(Into::into),
            names: ["a.example", "*.b.example", "192.0.2.1"].map(str::to_owned).into(),
        };
        let check = |sni, host: &str, expected: bool| assert_eq!(secure(sni).covers(host), expected, "{sni:?} {host}");
        check(Some("a.example"), "a.example", true);
        check(Some("a.example"), "x.b.example", true);
        check(Some("a.example"), "c.example", false);
        check(Some("c.example"), "c.example", false);
        check(Some("a.example"), "192.0.2.2", false);
        check(None, "192.0.2.2", true);
        check(None, "[2001:db8::1]", true);
        check(None, "c.example", false);
        check(Some("a.example"), "", false);
    }
}
