//! Reads `[upstreams.NAME]` and its targets.

use uuid::Uuid;

use super::{At, Reader};
use crate::diagnostics::Problem;
use crate::entities::{HashInput, HashOn, Stamps, Target, TargetPlace, Upstream, is_host_name};
use crate::file::{TargetText, UpstreamTable};
use crate::key_path::KeyPath;

/// How many slots there may be, as in Kong.
const SLOTS: std::ops::RangeInclusive<u32> = 10..=65_536;

impl Reader {
    /// An upstream, with its targets.
    pub(super) fn upstream(&mut self, at: &At<'_>) -> Option<(Upstream, Vec<Target>)> {
        let table: UpstreamTable = self.take(&at.path, &at.node)?;
        let id = self.id_of(table.id, ("upstreams", at.name), &at.path);
        self.check_upstream(at, &table);
        self.check_healthchecks(&at.path.key("healthchecks"), &table);
        let targets = self.targets((at.name, id), &at.path.key("targets"), &table);
        let [hash, fallback] = self.hashes(&at.path, &table);
        let upstream = Upstream {
            id,
            name: at.name.to_owned(),
            algorithm: table.algorithm,
            hash,
            fallback,
            hash_on_cookie_path: table.hash_on_cookie_path,
            slots: table.slots,
            healthchecks: table.healthchecks,
            host_header: table.host_header,
            tags: table.tags,
            stamps: Stamps::default(),
        };
        Some((upstream, targets))
    }

    fn check_upstream(&mut self, at: &At<'_>, table: &UpstreamTable) {
        if !is_host_name(at.name) || matches!(TargetPlace::of(at.name, 1), TargetPlace::Address(_)) {
            let problem = Problem::at_key(at.path.clone(), format!("`{}` cannot be the host of a service", at.name));
            self.problems.push(problem.help("name it like a host: letters, digits, `-`, `_` and dots, and no address"));
        }
        if !SLOTS.contains(&table.slots) {
            self.problems.push(Problem::at(at.path.key("slots"), "should be between 10 and 65536"));
        }
        let header = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if table.host_header.as_ref().is_some_and(|host| !header(host)) {
            self.problems.push(Problem::at(at.path.key("host_header"), "is no host name"));
        }
        if !table.hash_on_cookie_path.starts_with('/') || table.hash_on_cookie_path.contains(|c: char| c == ';' || c.is_control())
        {
            self.problems.push(Problem::at(at.path.key("hash_on_cookie_path"), "should start with: /"));
        }
    }

    /// What is hashed: whatever has a name has it, and the fallback is something else.
    fn hashes(&mut self, path: &KeyPath, table: &UpstreamTable) -> [HashInput; 2] {
        let names = [
            ("hash_on", table.hash_on, &table.hash_on_header, &table.hash_on_query_arg),
            ("hash_fallback", table.hash_fallback, &table.hash_fallback_header, &table.hash_fallback_query_arg),
        ];
        let inputs = names.map(|(key, on, header, query_arg)| {
            let (kind, name) = match on {
                HashOn::Header => (format!("{key}_header"), header),
                HashOn::Cookie => ("hash_on_cookie".to_owned(), &table.hash_on_cookie),
                HashOn::QueryArg => (format!("{key}_query_arg"), query_arg),
                HashOn::None | HashOn::Consumer | HashOn::Ip | HashOn::Path => return HashInput { on, name: None },
            };
            let token = |text: &String| {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b'=')
            };
            match name {
                None => self.problems.push(Problem::at(path.key(key), format!("needs `{kind}`"))),
                Some(text) if !token(text) => self.problems.push(Problem::at(path.key(&kind), "is no name of one")),
                Some(_) => {}
            }
            HashInput { on, name: name.clone() }
        });
        let [hash, fallback] = &inputs;
        let without_end = matches!(hash.on, HashOn::None | HashOn::Cookie) && fallback.on != HashOn::None;
        if without_end || (fallback.on != HashOn::None && hash == fallback) {
            let problem = Problem::at(path.key("hash_fallback"), "is never used");
            self.problems.push(problem.help(match hash.on {
                HashOn::None => "write `hash_on` first",
                HashOn::Cookie => "clients without the cookie are given one; take it out",
                _ => "write something else than `hash_on` has, or take it out",
            }));
        }
        inputs
    }

    fn check_healthchecks(&mut self, path: &KeyPath, table: &UpstreamTable) {
        let checks = &table.healthchecks;
        if !(0.0..=100.0).contains(&checks.threshold) {
            self.problems.push(Problem::at(path.key("threshold"), "should be between 0 and 100"));
        }
        let active = path.key("active");
        if checks.active.concurrency == 0 {
            self.problems.push(Problem::at(active.key("concurrency"), "must be at least 1"));
        }
        if checks.active.timeout.0 <= 0.0 {
            self.problems.push(Problem::at(active.key("timeout"), "must be more than 0"));
        }
        let path_is_good =
            checks.active.http_path.starts_with('/') && checks.active.http_path.bytes().all(|byte| byte.is_ascii_graphic());
        if !path_is_good {
            self.problems.push(Problem::at(active.key("http_path"), "should start with: /"));
        }
        let statuses = [
            (active.key("healthy"), &checks.active.healthy.http_statuses),
            (active.key("unhealthy"), &checks.active.unhealthy.http_statuses),
            (path.key("passive").key("healthy"), &checks.passive.healthy.http_statuses),
            (path.key("passive").key("unhealthy"), &checks.passive.unhealthy.http_statuses),
        ];
        for (path, statuses) in statuses {
            for (at, _) in statuses.iter().enumerate().filter(|(_, status)| !(100..=999).contains(*status)) {
                self.problems.push(Problem::at(path.key("http_statuses").index(at), "is no status; write one from 100 to 999"));
            }
        }
    }

    fn targets(&mut self, (name, id): (&str, Uuid), path: &KeyPath, table: &UpstreamTable) -> Vec<Target> {
        let mut all: Vec<Target> = Vec::with_capacity(table.targets.len());
        for (at, entry) in table.targets.iter().enumerate() {
            let Some(TargetText(place)) = &entry.target else {
                self.add_of_whole(Problem::at(path.index(at), "required field missing: target"));
                continue;
            };
            if all.iter().any(|target| target.place == *place) {
                // A broken one has another standing in for it, and was told of already.
                let problem = Problem::at(path.index(at), format!("{place} is a target already"));
                self.add_of_whole(problem.help("write each target once; `weight` says how much it gets"));
                continue;
            }
            all.push(Target {
                id: self.id_of(entry.id, ("targets", &format!("{name} {place}")), &path.index(at)),
                upstream: (name.to_owned(), id),
                place: place.clone(),
                weight: entry.weight,
                tags: entry.tags.clone(),
                stamps: Stamps::default(),
            });
        }
        all
    }
}
