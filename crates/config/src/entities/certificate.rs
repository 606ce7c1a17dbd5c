//! Certificates: who the gateway is to its clients and to upstreams, and whose certificates it trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use uuid::Uuid;

use super::Stamps;
use crate::x509;

/// A certificate with its key.
#[derive(Clone, PartialEq)]
pub struct Certificate {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its PEM text, with those that lead to its authority.
    pub cert: String,
    /// The same, the certificate itself first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: Arc<PrivateKeyDer<'static>>,
    /// The names that it is served for.
    pub snis: Vec<String>,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// From when on it is valid, in Unix seconds.
    pub not_before: i64,
    /// Until when it is valid, in Unix seconds.
    pub not_after: i64,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}

impl Certificate {
    /// What is wrong with its time at this one, in Unix seconds.
    pub fn untimely(&self, now: i64) -> Option<String> {
        match () {
            () if now > self.not_after => Some(format!("the certificate expired on {}", x509::date(self.not_after))),
            () if now < self.not_before => Some(format!("the certificate is not valid before {}", x509::date(self.not_before))),
            () => None,
        }
    }
}

/// A name that a certificate is served for.
#[derive(Clone, PartialEq)]
pub struct Sni {
    /// Its id.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// The id of its certificate.
    pub certificate: Uuid,
    /// When it came and changed.
    pub stamps: Stamps,
}

/// An authority whose certificates are trusted where it is named.
#[derive(Clone, PartialEq)]
pub struct CaCertificate {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its PEM text.
    pub cert: String,
    /// The same.
    pub der: CertificateDer<'static>,
    /// The SHA-256 of it, in hexadecimal.
    pub cert_digest: String,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// Tags.
    pub tags: Vec<String>,
    /// When it came and changed.
    pub stamps: Stamps,
}
