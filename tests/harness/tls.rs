//! Certificates that are made for a test, and clients that shake hands.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    StreamOwned, version,
};

use super::{Answer, DEADLINE, client};

/// An authority that issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, as PEM.
pub struct Issued {
    pub cert: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_for(names, 3650 * 86_400)
    }

    /// One that ends so many seconds from now; it has been valid for years.
    pub fn issue_for(&self, names: &[&str], seconds: i64) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let end = Duration::from_secs(u64::try_from(now + seconds).unwrap());
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + end;
        let key = KeyPair::generate().unwrap();
        Issued { cert: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// Writes both as files; the certificate and the key.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, &self.cert).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (cert, key)
    }

    /// The table `[certificates.NAME]` with the texts themselves.
    pub fn table(&self, name: &str, more: &str) -> String {
        format!("[certificates.{name}]\ncert = \"\"\"\n{}\"\"\"\nkey = \"\"\"\n{}\"\"\"\n{more}\n", self.cert, self.key)
    }
}

/// An upstream that shakes hands as this configuration says, and answers each request with what it was shown.
pub fn secure_upstream(config: ServerConfig) -> SocketAddr {
    secure_target(config, |_| 200)
}

/// The same, with the status that is due to who names this host.
pub fn secure_target(config: ServerConfig, status: impl Fn(Option<&str>) -> u16 + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (config, status) = (Arc::new(config), Arc::new(status));
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, config, status) = (socket.unwrap(), config.clone(), status.clone());
            std::thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
                // Whoever does not like us hangs up.
                let mut said = BufReader::new(&mut stream).lines();
                while let Some(Ok(line)) = said.next() {
                    if line.is_empty() {
                        break;
                    }
                }
                let (sni, shown) = (stream.conn.server_name(), stream.conn.peer_certificates().is_some());
                let (status, sni) = (status(sni), sni.unwrap_or("nobody"));
                let body = format!("{{\"sni\":\"{sni}\",\"shown\":{shown}}}");
                let head = format!("HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            });
        }
    });
    address
}

impl Issued {
    /// A server with it; clients must show one of this authority, if there is one.
    pub fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()];
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()).unwrap()
    }
}

/// A client of TLS, and what it is ready for.
#[derive(Clone)]
pub struct TlsClient {
    trusted: Arc<RootCertStore>,
    identity: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    versions: Vec<&'static rustls::SupportedProtocolVersion>,
    trusts_anybody: bool,
}

impl TlsClient {
    /// One that trusts this authority.
    pub fn new(authority: &Authority) -> Self {
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let versions = vec![&version::TLS12, &version::TLS13];
        Self { trusted: Arc::new(trusted), identity: None, versions, trusts_anybody: false }
    }

    /// It shows this certificate if it is asked for one.
    pub fn showing(self, identity: &Issued) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        Self { identity: Some((chain, Arc::new(key))), ..self }
    }

    /// It speaks this version alone.
    pub fn speaking(self, version: &'static rustls::SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    /// It takes any certificate for any host.
    pub fn trusting_anybody(self) -> Self {
        Self { trusts_anybody: true, ..self }
    }

    fn config(&self) -> ClientConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&self.versions).unwrap();
        let builder = if self.trusts_anybody {
            let verifier = WebPkiServerVerifier::builder_with_provider(self.trusted.clone(), provider).build().unwrap();
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(verifier)))
        } else {
            builder.with_root_certificates(self.trusted.clone())
        };
        match &self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        }
    }

    /// Shakes hands, naming this host.
    pub fn connect(&self, address: SocketAddr, sni: &str) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        self.shake_hands(TcpStream::connect(address).unwrap(), sni)
    }

    /// Shakes hands on a connection that is there.
    pub fn shake_hands(&self, mut socket: TcpStream, sni: &str) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::new(self.config()), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(|error| error.to_string())?;
        }
        Ok(StreamOwned::new(connection, socket))
    }

    /// Sends a GET on a connection of its own.
    pub fn get(&self, address: SocketAddr, sni: &str, path: &str) -> Result<Answer, String> {
        self.ask(address, sni, &format!("GET {path} HTTP/1.1\r\nHost: {sni}\r\nConnection: close\r\n\r\n"))
    }

    /// Sends these bytes, and reads until the other end closes.
    pub fn ask(&self, address: SocketAddr, sni: &str, request: &str) -> Result<Answer, String> {
        exchange(self.connect(address, sni)?, request)
    }
}

/// Sends these bytes on a connection, and reads until the other end closes.
pub fn exchange(mut stream: StreamOwned<ClientConnection, TcpStream>, request: &str) -> Result<Answer, String> {
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error.to_string()),
        _ if answer.is_empty() => Err("nothing".into()),
        _ => Ok(client::parse(&String::from_utf8_lossy(&answer))),
    }
}

/// The serial number of what the other end showed tells certificates apart: their bytes do as well.
pub fn shown(stream: &StreamOwned<ClientConnection, TcpStream>) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[derive(Debug)]
struct Anybody(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
