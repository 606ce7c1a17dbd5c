//! Reads `[certificates.NAME]` and `[ca_certificates.NAME]`: PEM text, or the files that hold it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};

use super::{At, Reader};
use crate::diagnostics::Problem;
use crate::entities::{CaCertificate, Certificate, Sni, Stamps};
use crate::file::{CaCertificateTable, CertificateTable};
use crate::ids::entity_id;
use crate::interpolate::Environment;
use crate::key_path::KeyPath;
use crate::x509::{self, Said, covers};

/// What every PEM text has.
const BEGIN: &str = "-----BEGIN ";
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY";

/// What was written as PEM text, or as the file that holds it.
struct Pem {
    text: String,
    file: Option<PathBuf>,
}

impl Reader {
    pub(super) fn certificate(&mut self, at: &At<'_>, env: &dyn Environment) -> Option<Certificate> {
        let table: CertificateTable = self.take(&at.path, &at.node)?;
        let cert = self.pem(&table.cert, at.path.key("cert"), env);
        let key = self.pem(&table.key, at.path.key("key"), env);
        let private = key.as_ref().and_then(|key| self.private_key(key, at.path.key("key")));
        let chain = cert.as_ref().and_then(|cert| self.chain(cert, at.path.key("cert")));
        let (cert, (chain, said)) = (cert?, chain?);
        let snis = self.snis(table.snis, &said, &at.path.key("snis"));
        Some(Certificate {
            id: self.id_of(table.id, ("certificates", at.name), &at.path),
            name: at.name.to_owned(),
            cert: cert.text,
            chain,
            key: Arc::new(private?),
            snis,
            names: said.names,
            not_before: said.not_before,
            not_after: said.not_after,
            files: [cert.file, key.and_then(|key| key.file)].into_iter().flatten().collect(),
            tags: table.tags,
            stamps: Stamps::default(),
        })
    }

    pub(super) fn ca_certificate(&mut self, at: &At<'_>, env: &dyn Environment) -> Option<CaCertificate> {
        let table: CaCertificateTable = self.take(&at.path, &at.node)?;
        let path = at.path.key("cert");
        let pem = self.pem(&table.cert, path.clone(), env)?;
        let (mut chain, _) = self.chain(&pem, path.clone())?;
        if chain.len() > 1 {
            let problem = Problem::at(path, format!("there are {} certificates in it", chain.len()));
            self.problems.push(problem.help("write each authority as a table of its own, and name all of them where they count"));
            return None;
        }
        let der = chain.pop()?;
        Some(CaCertificate {
            id: self.id_of(table.id, ("ca_certificates", at.name), &at.path),
            name: at.name.to_owned(),
            cert_digest: Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect(),
            cert: pem.text,
            der,
            files: pem.file.into_iter().collect(),
            tags: table.tags,
            stamps: Stamps::default(),
        })
    }

    /// The text, or that of the file that is named.
    fn pem(&mut self, written: &str, path: KeyPath, env: &dyn Environment) -> Option<Pem> {
        if written.contains(BEGIN) {
            return Some(Pem { text: written.to_owned(), file: None });
        }
        let problem = match env.file(Path::new(written)) {
            Ok(text) => return Some(Pem { text, file: Some(written.into()) }),
            Err(_) if written.trim().is_empty() => Problem::at(path, "it is empty"),
            Err(error) => Problem::at(path, format!("cannot read the file `{written}`: {error}")),
        };
        self.problems.push(problem.help("write the path of a PEM file, or the PEM text itself between \"\"\" and \"\"\""));
        None
    }

    /// The certificates of a text, and what the first says.
    fn chain(&mut self, pem: &Pem, path: KeyPath) -> Option<(Vec<CertificateDer<'static>>, Said)> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.text.as_bytes()).collect();
        let problem = match chain {
            Ok(chain) => match chain.iter().map(|der| x509::read(der)).collect::<Result<Vec<Said>, _>>().map(Vec::into_iter) {
                Ok(mut said) => match said.next() {
                    Some(said) => return Some((chain, said)),
                    None => Problem::at(path, "there is no certificate in it").help("it begins with -----BEGIN CERTIFICATE-----"),
                },
                Err(message) => Problem::at(path, message),
            },
            Err(error) => Problem::at(path, format!("it is no PEM text: {error}")),
        };
        self.problems.push(problem);
        None
    }

    fn private_key(&mut self, pem: &Pem, path: KeyPath) -> Option<PrivateKeyDer<'static>> {
        let problem = match PrivateKeyDer::from_pem_slice(pem.text.as_bytes()) {
            Ok(key) => return Some(key),
            Err(_) if pem.text.contains(ENCRYPTED) => {
                Problem::at(path, "the key is encrypted").help("take its passphrase off: openssl pkey -in KEY -out PLAIN")
            }
            Err(_) => Problem::at(path, "there is no private key in it").help("it begins with -----BEGIN PRIVATE KEY-----"),
        };
        self.problems.push(problem);
        None
    }

    /// The names that a certificate is served for, in lower case. It must be one for them.
    fn snis(&mut self, written: Option<Vec<String>>, said: &Said, path: &KeyPath) -> Vec<String> {
        let Some(written) = written else {
            return said.names.iter().filter(|name| name.parse::<std::net::IpAddr>().is_err()).cloned().collect();
        };
        for (index, name) in written.iter().enumerate() {
            let sni = name.to_ascii_lowercase();
            let problem = if !x509::is_host(&sni) {
                let problem = Problem::at(path.index(index), format!("`{name}` is no name of a host"));
                problem.help("write one such as \"example.com\" or \"*.example.com\"")
            } else if !said.names.iter().any(|name| covers(name, &sni)) {
                let problem = Problem::at(path.index(index), format!("the certificate is not for `{name}`"));
                problem
                    .help(format!("it is for {}", if said.names.is_empty() { "no host".into() } else { said.names.join(", ") }))
            } else {
                continue;
            };
            self.problems.push(problem);
        }
        written.iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    /// The names of all certificates; each is one certificate's.
    pub(super) fn all_snis(&mut self, certificates: &[Certificate]) -> Vec<Sni> {
        let mut owners: HashMap<&str, &str> = HashMap::new();
        let mut all = Vec::new();
        for certificate in certificates {
            for name in &certificate.snis {
                match owners.insert(name, &certificate.name) {
                    Some(owner) if owner != certificate.name => {
                        let path = KeyPath::of(["certificates", &certificate.name, "snis"]);
                        let problem = Problem::at(path, format!("`{name}` is served by the certificate \"{owner}\" already"));
                        self.problems.push(problem.help("write `snis` with the names that this one is to be served for, or []"));
                    }
                    Some(_) => {}
                    None => all.push(Sni {
                        id: entity_id("snis", name),
                        name: name.clone(),
                        certificate: certificate.id,
                        stamps: Stamps::default(),
                    }),
                }
            }
        }
        all
    }
}
