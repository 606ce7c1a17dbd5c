//! Reads `[server]`: where is listened, and with which certificates.

use super::Reader;
use crate::diagnostics::Problem;
use crate::entities::{ListenAt, Server, TlsListener};
use crate::file::{ServerTable, TlsTable};
use crate::key_path::KeyPath;
use crate::tree::Table;

impl Reader {
    pub(super) fn server(&mut self, root: &Table) -> Server {
        let table: ServerTable = self.section(root, "server").unwrap_or_default();
        let path = KeyPath::of(["server"]);
        if table.listen.is_empty() && table.tls.is_empty() {
            self.problems.push(Problem::at(path.key("listen"), "needs at least one address"));
        }
        let proxied = table.proxy_protocol;
        if proxied && table.trusted_proxies.is_empty() {
            self.nobody_is_trusted(path.key("proxy_protocol"));
        }
        let mut tls = Vec::with_capacity(table.tls.len());
        for (index, one) in table.tls.into_iter().enumerate() {
            let path = path.key("tls").index(index);
            if one.proxy_protocol == Some(true) && table.trusted_proxies.is_empty() {
                self.nobody_is_trusted(path.key("proxy_protocol"));
            }
            tls.push(self.tls_listener(root, one, proxied, &path));
        }
        Server {
            listen: table.listen.into_iter().map(|address| address.0).collect(),
            tls,
            proxy_protocol: proxied,
            threads: table.threads,
            dns_resolver: table.dns_resolver.into_iter().map(|server| server.0).collect(),
            trusted_proxies: table.trusted_proxies.into_iter().map(|proxy| proxy.0).collect(),
            client_ip_header: table.client_ip_header,
            state_dir: table.state_dir,
            shutdown_timeout: table.shutdown_timeout.duration(),
            shutdown_delay: table.shutdown_delay.duration(),
            clients: self.clients(table.clients),
        }
    }

    fn tls_listener(&mut self, root: &Table, table: TlsTable, proxied: bool, path: &KeyPath) -> TlsListener {
        let certificates = table.certificates.as_ref().map(|names| (names, "certificates"));
        for (names, key) in certificates.into_iter().chain([(&table.client_ca, "client_ca")]) {
            let section = if key == "client_ca" { "ca_certificates" } else { key };
            for (index, name) in names.iter().enumerate() {
                self.reference(root, section, name, path.key(key).index(index));
            }
        }
        let all = || root.get("certificates").and_then(|node| node.table()).into_iter().flat_map(Table::names);
        let certificates = table.certificates.unwrap_or_else(|| all().map(str::to_owned).collect());
        if certificates.is_empty() && !self.partial {
            let problem = Problem::at(path.clone(), "there is no certificate to listen with");
            self.problems.push(problem.help("write [certificates.NAME] with `cert` and `key`"));
        }
        if table.client_auth.is_some() && table.client_ca.is_empty() {
            let problem = Problem::at(path.key("client_auth"), "no client could show a certificate that is trusted");
            self.problems.push(problem.help("write client_ca = [\"NAME\"] and [ca_certificates.NAME], or take it out"));
        }
        TlsListener {
            listen: table.listen.0,
            certificates,
            client_ca: table.client_ca,
            client_auth: table.client_auth.unwrap_or_default(),
            min_version: table.min_version,
            proxy_protocol: table.proxy_protocol.unwrap_or(proxied),
        }
    }

    fn nobody_is_trusted(&mut self, path: KeyPath) {
        let problem = Problem::at(path, "without `trusted_proxies` nobody is believed, and so nobody is served");
        self.problems.push(problem.help("write trusted_proxies = [\"10.0.0.0/8\"] with the addresses of what stands before"));
    }

    /// Two listeners at one place: one of them would wait for ever.
    pub(super) fn check_addresses(&mut self, server: &Server, admin: Vec<(KeyPath, ListenAt)>) {
        let path = KeyPath::of(["server"]);
        let plain = server.listen.iter().enumerate().map(|(at, address)| (path.key("listen").index(at), *address));
        let tls = server.tls.iter().enumerate().map(|(at, tls)| (path.key("tls").index(at).key("listen"), tls.listen));
        let proxy = plain.chain(tls).map(|(path, address)| (path, ListenAt::Address(address)));
        let all: Vec<(KeyPath, ListenAt)> = proxy.chain(admin).collect();
        for (at, (path, place)) in all.iter().enumerate() {
            let overlapping = all[..at].iter().find(|(_, other)| overlap(other, place));
            if let Some((other, _)) = overlapping.filter(|_| !self.is_stand_in(path)) {
                let own = if matches!(place, ListenAt::Unix(_)) { "path" } else { "port" };
                let message = format!("{place} overlaps with {other}");
                self.problems.push(Problem::at(path.clone(), message).help(format!("give each its own {own}")));
            }
        }
    }
}

/// Whether one socket would take what is meant for the other.
fn overlap(one: &ListenAt, other: &ListenAt) -> bool {
    let (ListenAt::Address(one), ListenAt::Address(other)) = (one, other) else { return one == other };
    one.port() == other.port()
        && one.port() != 0
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}
