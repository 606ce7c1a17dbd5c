//! Which certificate a client is shown: that of the host that it names, else the first.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A certificate as it is served.
#[derive(Clone)]
pub(crate) struct Served {
    pub key: Arc<CertifiedKey>,
    /// What it is served for.
    pub snis: Vec<String>,
    /// What it is for.
    pub names: Arc<[String]>,
}

impl PartialEq for Served {
    fn eq(&self, other: &Self) -> bool {
        // A certificate has one key.
        self.key.cert == other.key.cert && self.snis == other.snis
    }
}

/// The certificates of a listener.
pub(crate) struct Chooser {
    first: Served,
    by_host: HashMap<String, Served>,
    /// By what follows `*.`.
    by_domain: HashMap<String, Served>,
}

impl Chooser {
    /// Chooses among these; none if there are none.
    pub fn new(all: &[Served]) -> Option<Self> {
        let mut chooser = Self { first: all.first()?.clone(), by_host: HashMap::new(), by_domain: HashMap::new() };
        for served in all {
            for sni in &served.snis {
                match sni.strip_prefix("*.") {
                    Some(domain) => chooser.by_domain.insert(domain.to_owned(), served.clone()),
                    None => chooser.by_host.insert(sni.clone(), served.clone()),
                };
            }
        }
        Some(chooser)
    }

    /// That of a client that names this host, in lower case.
    pub fn choose(&self, sni: Option<&str>) -> &Served {
        let found = sni.and_then(|host| {
            let domain = || self.by_domain.get(host.split_once('.')?.1);
            self.by_host.get(host).or_else(domain)
        });
        found.unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let sni = hello.server_name();
        let served = match sni {
            Some(host) if host.bytes().any(|b| b.is_ascii_uppercase()) => self.choose(Some(&host.to_ascii_lowercase())),
            sni => self.choose(sni),
        };
        Some(served.key.clone())
    }
}

impl fmt::Debug for Chooser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chooser").finish_non_exhaustive()
    }
}
