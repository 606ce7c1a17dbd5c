//! Certificates: who the gateway is to its clients and to upstreams, and whose certificates it trusts.

use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

/// `[certificates.NAME]`: a certificate with its key, for listeners of `server.tls` and for upstreams that ask for one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateTable {
    pub id: Option<Uuid>,
    /// The certificate, and behind it those that lead to its authority: a file, or the PEM text itself. A file that is
    /// replaced is picked up by itself.
    pub cert: String,
    /// Its private key: a file, or the PEM text itself.
    pub key: String,
    /// The names that it is served for, plain or as `*.example.com`; without them, all that the certificate is for.
    pub snis: Option<Vec<String>>,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// `[ca_certificates.NAME]`: an authority whose certificates are trusted where it is named.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaCertificateTable {
    pub id: Option<Uuid>,
    /// Its certificate: a file, or the PEM text itself.
    pub cert: String,
    #[serde(default)]
    pub tags: Vec<String>,
}
