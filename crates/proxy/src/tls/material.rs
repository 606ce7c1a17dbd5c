//! The certificates and authorities of a configuration, checked: each has its key, and its time is now.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use sluice_config::{Certificate, Config, KeyPath, Problem};

use super::Served;

/// What listeners are made of.
pub(crate) struct Material {
    served: HashMap<String, Served>,
    authorities: HashMap<String, CertificateDer<'static>>,
}

impl Material {
    /// That of a configuration, and what is wrong with it at this time. A certificate that is in force already may have
    /// expired since: it is told of, and no reason to refuse what else changes.
    pub fn new(config: &Config, before: Option<&Config>, now: i64) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut served = HashMap::new();
        for certificate in &config.certificates {
            let known = before.is_some_and(|before| before.certificates.iter().any(|old| old.chain == certificate.chain));
            match check(certificate, (!known).then_some(now)) {
                Ok(one) => drop(served.insert(certificate.name.clone(), one)),
                Err(problem) => problems.push(problem),
            }
        }
        let mut authorities = HashMap::new();
        for authority in &config.ca_certificates {
            match RootCertStore::empty().add(authority.der.clone()) {
                Ok(()) => drop(authorities.insert(authority.name.clone(), authority.der.clone())),
                Err(error) => {
                    let path = KeyPath::of(["ca_certificates", &authority.name, "cert"]);
                    problems.push(Problem::at(path, format!("the certificate is none of an authority: {error}")));
                }
            }
        }
        (Self { served, authorities }, problems)
    }

    /// The certificate of this name.
    pub fn served(&self, name: &str) -> Option<Served> {
        self.served.get(name).cloned()
    }

    /// The authorities of these names.
    pub fn authorities(&self, names: &[String]) -> Vec<CertificateDer<'static>> {
        names.iter().filter_map(|name| self.authorities.get(name)).cloned().collect()
    }
}

/// Those who are trusted; none if there is nobody.
pub(crate) fn store(authorities: &[CertificateDer<'static>]) -> Option<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(authorities.iter().cloned());
    (!store.is_empty()).then_some(store)
}

/// A certificate with its key, if they belong together, and it is valid at this time.
fn check(certificate: &Certificate, now: Option<i64>) -> Result<Served, Problem> {
    let at = |key: &str, message: String| Problem::at(KeyPath::of(["certificates", &certificate.name, key]), message);
    let key = any_supported_type(&certificate.key).map_err(|error| {
        at("key", format!("the key cannot be used: {error}"))
            .help("keys are RSA (2048 bits and more), ECDSA (P-256, P-384) or Ed25519")
    })?;
    let certified = CertifiedKey::new(certificate.chain.clone(), key);
    if certified.keys_match().is_err() {
        let problem = at("key", "the key is not that of the certificate".into());
        return Err(
            problem.help("write the key that the certificate was made for; in `cert`, the certificate itself comes first")
        );
    }
    if let Some(message) = now.and_then(|now| certificate.untimely(now)) {
        return Err(at("cert", message).help("renew it"));
    }
    let names = certificate.names.clone().into();
    Ok(Served { key: Arc::new(certified), snis: certificate.snis.clone(), names })
}
