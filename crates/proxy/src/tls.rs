//! TLS: which certificate clients are shown, what they must show, and what came of it; and how upstreams are spoken to.

mod chooser;
mod material;
mod secure;
mod upstream;

use std::sync::Arc;

use pingora_core::Result;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::Ssl;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::tls::TlsStream;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use sluice_config::{ClientAuth, TlsListener, TlsVersion};

pub(crate) use chooser::{Chooser, Served};
pub(crate) use material::Material;
pub(crate) use secure::Secure;
pub(crate) use upstream::UpstreamTls;

/// What is spoken behind it, the most wanted first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS of one listener.
pub(crate) struct Tls {
    acceptor: Acceptor,
    chooser: Arc<Chooser>,
    basis: Basis,
}

/// What it was made of. As long as that is the same it stays, so that sessions are taken up again after a reload.
#[derive(PartialEq)]
struct Basis {
    listener: TlsListener,
    served: Vec<Served>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// That of a listener: the `known` one if it is the same. None without a certificate.
    pub fn new(listener: &TlsListener, material: &Material, known: Option<Arc<Self>>) -> Option<Arc<Self>> {
        let served: Vec<Served> = listener.certificates.iter().filter_map(|name| material.served(name)).collect();
        let authorities = material.authorities(&listener.client_ca);
        let basis = Basis { listener: listener.clone(), served, authorities };
        if let Some(known) = known.filter(|known| known.basis == basis) {
            return Some(known);
        }
        let chooser = Arc::new(Chooser::new(&basis.served)?);
        let acceptor = Acceptor::from_server_config(Arc::new(server_config(&basis, chooser.clone())?));
        Some(Arc::new(Self { acceptor, chooser, basis }))
    }

    /// Shakes hands with a client.
    pub async fn shake_hands(&self, stream: Stream) -> Result<(TlsStream<Stream>, Secure)> {
        let stream = self.acceptor.tls_handshake(stream).await?;
        let sni = stream.get_ssl().and_then(|tls| tls.server_name());
        let secure = Secure::new(sni, &self.chooser);
        Ok((stream, secure))
    }
}

fn server_config(basis: &Basis, chooser: Arc<Chooser>) -> Option<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let versions = match basis.listener.min_version {
        TlsVersion::V12 => &[&TLS12, &TLS13][..],
        TlsVersion::V13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_protocol_versions(versions).expect("the provider has suites of both versions");
    let builder = match material::store(&basis.authorities) {
        None if basis.listener.client_ca.is_empty() => builder.with_no_client_auth(),
        // Nobody whom to ask is no reason to ask nobody.
        None => return None,
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match basis.listener.client_auth {
                ClientAuth::Required => verifier,
                ClientAuth::Optional => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build().ok()?)
        }
    };
    let mut config = builder.with_cert_resolver(chooser);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    // Its keys are its own: no session of another listener, or of other authorities, is taken up here.
    config.ticketer = ring::Ticketer::new().ok()?;
    Some(config)
}
