//! Reads `[admin]`: where the Admin API listens, and who may come in.

use super::Reader;
use crate::diagnostics::Problem;
use crate::entities::{Admin, AdminToken, ListenAt, is_host_name};
use crate::file::{AdminTable, Places, TokenTable};
use crate::key_path::KeyPath;
use crate::tree::Table;

/// The name of the token that is written as `token`.
const ONLY: &str = "token";

impl Reader {
    /// The Admin API, and where it listens with the paths that say so.
    pub(super) fn admin(&mut self, root: &Table) -> (Admin, Vec<(KeyPath, ListenAt)>) {
        let table: AdminTable = self.section(root, "admin").unwrap_or_default();
        let path = KeyPath::of(["admin"]);
        let places = places(table.listen);
        if places.is_empty() {
            self.problems.push(Problem::at(path.key("listen"), "needs at least one place"));
        }
        let nobody_is_asked = table.token.is_empty() && table.tokens.is_empty();
        for (at, place) in &places {
            if nobody_is_asked && !place.is_local() && !self.is_stand_in(at) {
                let problem = Problem::at(at.clone(), "without a token the Admin API listens on loopback only");
                self.problems.push(problem.help("write a `token`, or listen on 127.0.0.1 or at \"unix:/run/sluice/admin.sock\""));
            }
        }
        let tokens = self.tokens(table.token, table.tokens, &path);
        let allowed_hosts = self.allowed_hosts(&table.allowed_hosts, &path.key("allowed_hosts"));
        let listen = places.iter().map(|(_, place)| place.clone()).collect();
        (Admin { listen, tokens, allowed_hosts, write_back: table.write_back }, places)
    }

    fn tokens(&mut self, only: String, more: Vec<TokenTable>, path: &KeyPath) -> Vec<AdminToken> {
        let mut all: Vec<AdminToken> = Vec::with_capacity(more.len() + 1);
        if !only.is_empty() {
            self.check_token(&only, path.key(ONLY));
            all.push(AdminToken { name: ONLY.into(), token: only, read_only: false });
        }
        for (index, TokenTable { name, token, read_only }) in more.into_iter().enumerate() {
            let path = path.key("tokens").index(index);
            if self.is_stand_in(&path) {
                continue;
            }
            if let Some(problem) = refuse_name(&name, &all) {
                self.problems.push(Problem { path: path.key("name"), ..problem });
            }
            let path = path.key("token");
            if token.is_empty() {
                let problem = Problem::at(path, "must not be empty");
                self.problems.push(problem.help("write a long one that is made by chance: openssl rand -hex 32"));
            } else if let Some(other) = all.iter().find(|other| other.token == token) {
                let problem = Problem::at(path, format!("is that of \"{}\" already", other.name));
                self.problems.push(problem.help("give each its own: the log tells by it who made a change"));
            } else {
                self.check_token(&token, path);
            }
            all.push(AdminToken { name, token, read_only });
        }
        all
    }

    /// A token is sent in a header.
    fn check_token(&mut self, token: &str, path: KeyPath) {
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = Problem::at(path, "has characters that no header carries as they are");
            self.problems.push(problem.help("write letters, digits and signs, without spaces and line ends"));
        }
    }

    fn allowed_hosts(&mut self, written: &[String], path: &KeyPath) -> Vec<String> {
        for (index, host) in written.iter().enumerate() {
            if !is_host_name(host) {
                let problem = Problem::at(path.index(index), format!("`{host}` is no name of a host"));
                self.problems.push(problem.help("write one without port and wildcards, such as \"admin.example.com\""));
            }
        }
        written.iter().map(|host| host.trim_end_matches('.').to_ascii_lowercase()).collect()
    }
}

/// Every place with the path that says it.
fn places(written: Places) -> Vec<(KeyPath, ListenAt)> {
    let path = KeyPath::of(["admin", "listen"]);
    match written {
        Places::One(place) => vec![(path, place.0)],
        Places::Several(all) => all.into_iter().enumerate().map(|(index, place)| (path.index(index), place.0)).collect(),
    }
}

/// What is wrong with the name of a token, if anything is.
fn refuse_name(name: &str, before: &[AdminToken]) -> Option<Problem> {
    let path = KeyPath::default();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte)) {
        let problem = Problem::at(path, "is no name that a log can tell");
        return Some(problem.help("write letters, digits, `-`, `_`, `.` or `@`"));
    }
    let taken = before.iter().any(|token| token.name == name);
    taken.then(|| Problem::at(path, "another token has that name").help("give each its own"))
}
