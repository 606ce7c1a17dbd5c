//! Reads what a service says of TLS with its upstream, and finds the certificates that it names.

use uuid::Uuid;

use super::Reader;
use crate::diagnostics::Problem;
use crate::entities::{Protocol, UpstreamTls};
use crate::file::ServiceTable;
use crate::key_path::KeyPath;
use crate::tree::Table;

impl Reader {
    pub(super) fn upstream_tls(
        &mut self,
        table: &ServiceTable,
        root: &Table,
        (path, protocol): (&KeyPath, Protocol),
    ) -> UpstreamTls {
        let written = [
            ("tls_verify", table.tls_verify.is_some()),
            ("ca_certificates", table.ca_certificates.is_some()),
            ("client_certificate", table.client_certificate.is_some()),
        ];
        for (key, _) in written.iter().filter(|(_, written)| *written && !protocol.is_tls()) {
            let problem = Problem::at_key(
                path.key(key),
                format!("`{key}` is for https and grpcs, and this service is spoken to without TLS"),
            );
            self.problems.push(problem.help("write such a scheme in the `url`, or take it out"));
        }
        let names = table.ca_certificates.as_deref().unwrap_or_default();
        if table.tls_verify == Some(false) && !names.is_empty() {
            let problem = Problem::at(path.key("tls_verify"), "nothing is verified, so `ca_certificates` count for nothing");
            self.problems.push(problem.help("take one of the two out"));
        }
        let mut ca_certificates: Vec<(String, Uuid)> = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let id = self.reference(root, "ca_certificates", name, path.key("ca_certificates").index(index));
            ca_certificates.extend(id.map(|id| (name.clone(), id)));
        }
        let client_certificate = table.client_certificate.as_ref().and_then(|name| {
            let id = self.reference(root, "certificates", name, path.key("client_certificate"))?;
            Some((name.clone(), id))
        });
        UpstreamTls { verify: table.tls_verify, ca_certificates, client_certificate }
    }
}
