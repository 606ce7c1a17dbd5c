//! The HTTP clients that all hooks share: kept-alive connections outlive a delivery and a reload.

use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::{Certificate, Client, redirect};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sluice_config::{Hooks, KeyPath, Problem};
use url::Url;

use crate::egress::{Checked, Egress, Lookup, System};

/// How long a connection is kept for the next delivery.
const IDLE: Duration = Duration::from_secs(30);
/// How many connections to one receiver are kept.
const IDLE_CONNECTIONS: usize = 16;

/// What `[hooks]` says of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Where webhooks may call.
    pub egress: Arc<Egress>,
    /// The files of `ca_certificates`.
    authorities: Vec<Vec<u8>>,
}

impl Network {
    /// What `[hooks]` says, and what is wrong with it. The files are read.
    pub fn new(hooks: &Hooks) -> (Self, Vec<Problem>) {
        let (egress, mut problems) = Egress::new(hooks);
        let mut authorities = Vec::new();
        for (index, file) in hooks.ca_certificates.iter().enumerate() {
            let read = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()));
            match read.and_then(|pem| check(&pem).map(|()| pem)) {
                Ok(pem) => authorities.push(pem),
                Err(message) => {
                    let path = KeyPath::of(["hooks", "ca_certificates"]).index(index);
                    problems.push(Problem::at(path, message).help("name a PEM file with at least one certificate"));
                }
            }
        }
        (Self { egress: Arc::new(egress), authorities }, problems)
    }
}

/// Whether the file holds certificates, and all of them can be trusted.
fn check(pem: &[u8]) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("the file cannot be read as PEM: {error}"))?;
        store.add(certificate).map_err(|error| format!("a certificate of the file cannot be trusted: {error}"))?;
    }
    if store.is_empty() { Err("the file has no certificate".into()) } else { Ok(()) }
}

/// The clients in force.
pub struct Clients {
    now: ArcSwap<Set>,
    lookup: Arc<dyn Lookup>,
}

/// Clients for one network. Each is made when it is needed first.
#[derive(Default)]
struct Set {
    network: Network,
    /// Checks certificates.
    checking: OnceLock<Client>,
    /// Checks none: for hooks that say so, and for plain http. It needs no certificates on the machine.
    trusting: OnceLock<Client>,
}

impl Default for Clients {
    fn default() -> Self {
        Self::by(Arc::new(System))
    }
}

impl Clients {
    /// Clients that find addresses this way.
    pub(crate) fn by(lookup: Arc<dyn Lookup>) -> Self {
        Self { now: ArcSwap::default(), lookup }
    }

    /// What `[hooks]` says of connections, from now on. Those that are kept stay, if nothing changed.
    pub fn apply(&self, network: Network) {
        if self.now.load().network != network {
            self.now.store(Arc::new(Set { network, ..Set::default() }));
        }
    }

    /// The client for this url, if it may be called; `verify` says whether certificates are checked.
    pub(crate) fn client(&self, url: &Url, verify: bool) -> Result<Client, String> {
        let set = self.now.load();
        set.network.egress.judge_url(url).map_err(|refused| refused.to_string())?;
        let verify = verify && url.scheme() == "https";
        let place = if verify { &set.checking } else { &set.trusting };
        if let Some(client) = place.get() {
            return Ok(client.clone());
        }
        let client = self.make(&set.network, verify).map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(place.get_or_init(|| client).clone())
    }

    /// No redirect is followed, and no proxy is taken from the environment: a hook calls what its url says, nothing else.
    fn make(&self, network: &Network, verify: bool) -> Result<Client, reqwest::Error> {
        let resolver = Checked { egress: network.egress.clone(), lookup: self.lookup.clone() };
        let builder = Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .dns_resolver(Arc::new(resolver))
            // A receiver may not fill memory: what it says is kept up to 16 KiB.
            .http2_initial_stream_window_size(64 * 1024)
            .http2_initial_connection_window_size(256 * 1024)
            .http2_max_header_list_size(64 * 1024)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        if !verify {
            return builder.tls_danger_accept_invalid_certs(true).build();
        }
        let authorities: Vec<Certificate> =
            network.authorities.iter().flat_map(|pem| Certificate::from_pem_bundle(pem).unwrap_or_default()).collect();
        if authorities.is_empty() { builder.build() } else { builder.tls_certs_merge(authorities).build() }
    }
}
