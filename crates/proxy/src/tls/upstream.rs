//! TLS with upstreams: whose certificates they may have, and what they are shown.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pingora_core::protocols::tls::CaType;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use sluice_config::{Config, Service};

/// What all peers of a service have in common.
pub(crate) struct UpstreamTls {
    verify: bool,
    authorities: Option<Arc<CaType>>,
    certificate: Option<Arc<CertKey>>,
    /// What tells its connections from those that somebody else opened to the same address.
    group: u64,
}

impl UpstreamTls {
    /// That of a service; none if it is spoken to without.
    pub fn new(service: &Service, config: &Config) -> Option<Self> {
        if !service.protocol.is_tls() {
            return None;
        }
        let said = &service.tls;
        let authorities: Vec<&[u8]> = said
            .ca_certificates
            .iter()
            .filter_map(|(name, _)| config.ca_certificates.iter().find(|one| one.name == *name))
            .map(|authority| &*authority.der)
            .collect();
        let own = said.client_certificate.as_ref();
        let own = own.and_then(|(name, _)| config.certificates.iter().find(|certificate| certificate.name == *name));
        let chain: Vec<Vec<u8>> = own.into_iter().flat_map(|one| &one.chain).map(|der| der.to_vec()).collect();
        // Pingora tells connections apart by neither the authorities nor the whole certificate.
        let mut group = DefaultHasher::new();
        (said.verify, &authorities, &chain).hash(&mut group);
        let parsed = authorities.iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509));
        Some(Self {
            verify: said.verify.unwrap_or(true),
            authorities: (!authorities.is_empty()).then(|| parsed.collect()),
            certificate: own.map(|own| Arc::new(CertKey::new(chain, own.key.secret_der().to_vec()))),
            group: group.finish(),
        })
    }

    /// Makes a peer one of these.
    pub fn apply(&self, peer: &mut HttpPeer) {
        peer.options.verify_cert = self.verify;
        peer.options.verify_hostname = self.verify;
        peer.options.ca.clone_from(&self.authorities);
        peer.client_cert_key.clone_from(&self.certificate);
        peer.group_key = self.group;
    }
}
