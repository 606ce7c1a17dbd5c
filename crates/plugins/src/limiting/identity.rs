//! The options that say what makes two requests those of one client, and what must hold between them.

use http::header::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::{PathPrefix, Problem};

use super::client_key::{ClientKey, Part};
use crate::plugin::BuildCx;

/// How many bits of an IPv6 address are one client, if nothing is said.
const IPV6_PREFIX: u64 = 64;

/// What makes two requests those of one client. Where it is missing, the IP address counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Identifier {
    /// The client's address; of IPv6 its prefix.
    Ip,
    /// The consumer.
    #[default]
    Consumer,
    /// The credential: each of a consumer's keys by itself.
    Credential,
    /// The service: all its clients together.
    Service,
    /// The route: all its clients together.
    Route,
    /// The value of a header.
    Header,
    /// One path: all its clients together.
    Path,
}

impl Identifier {
    fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Consumer => "consumer",
            Self::Credential => "credential",
            Self::Service => "service",
            Self::Route => "route",
            Self::Header => "header",
            Self::Path => "path",
        }
    }
}

/// By what of a consumer requests are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum CounterKey {
    /// The id.
    #[default]
    #[serde(rename = "consumer.id")]
    Id,
    /// The name.
    #[serde(rename = "consumer.username")]
    Username,
    /// The id that the user's own systems know; who has none is counted by address.
    #[serde(rename = "consumer.custom_id")]
    CustomId,
}

/// The options of one plugin that say who a client is.
pub(crate) struct Identity<'a> {
    /// The option that holds the identifiers.
    pub option: &'static str,
    pub identifiers: &'a [Identifier],
    pub counter_key: Option<CounterKey>,
    pub header_name: Option<&'a str>,
    pub path: Option<&'a str>,
    pub ipv6_prefix: Option<u64>,
}

impl<'a> Identity<'a> {
    /// By one identifier, or by several in its place.
    pub fn by(one: &'a Identifier, several: Option<&'a [Identifier]>) -> Self {
        let (option, identifiers) = match several {
            Some(several) => ("compound_identifier", several),
            None => ("identifier", std::slice::from_ref(one)),
        };
        Self { option, identifiers, counter_key: None, header_name: None, path: None, ipv6_prefix: None }
    }

    /// What makes the keys, if all is right.
    pub fn check(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<ClientKey> {
        let before = problems.len();
        self.check_list(cx, problems);
        let header = self.header(cx, problems);
        self.check_path(cx, problems);
        if self.counter_key.is_some() && !self.has(Identifier::Consumer) {
            problems.push(self.unused(cx, "counter_key", Identifier::Consumer));
        }
        let ipv6_prefix = self.ipv6_prefix.unwrap_or(IPV6_PREFIX);
        let prefix = u8::try_from(ipv6_prefix).ok().filter(|prefix| (1..=128).contains(prefix));
        if prefix.is_none() {
            let message = format!("must be between 1 and 128, not {ipv6_prefix}");
            problems.push(cx.block.problem_at("ipv6_prefix", message).help("64 is what one client gets; 128 is one address"));
        }
        let part = |identifier: &Identifier| {
            Some(match identifier {
                Identifier::Ip => Part::Ip,
                Identifier::Consumer => match self.counter_key.unwrap_or_default() {
                    CounterKey::Id => Part::ConsumerId,
                    CounterKey::Username => Part::ConsumerUsername,
                    CounterKey::CustomId => Part::ConsumerCustomId,
                },
                Identifier::Credential => Part::Credential,
                Identifier::Service => Part::Service,
                Identifier::Route => Part::Route,
                Identifier::Header => Part::Header(header.clone()?),
                Identifier::Path => Part::Path(self.path?.to_owned()),
            })
        };
        // In whatever order they are written, they make the same key.
        let mut identifiers = self.identifiers.to_vec();
        identifiers.sort_unstable();
        let parts: Option<Vec<Part>> = identifiers.iter().map(part).collect();
        let (parts, prefix) = (parts?, prefix?);
        (problems.len() == before).then(|| ClientKey::new(cx.limiters.keys().clone(), parts, prefix))
    }

    fn has(&self, identifier: Identifier) -> bool {
        self.identifiers.contains(&identifier)
    }

    fn check_list(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) {
        if self.identifiers.is_empty() {
            problems.push(
                cx.block.problem_at(self.option, "needs at least one identifier").help("such as [\"consumer\", \"route\"]"),
            );
        }
        for (index, identifier) in self.identifiers.iter().enumerate() {
            if self.identifiers[..index].contains(identifier) {
                let path = cx.block.path().key(self.option).index(index);
                problems
                    .push(Problem::at(path, format!("\"{}\" stands in the list already", identifier.name())).help("take it out"));
            }
        }
    }

    fn header(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Option<HeaderName> {
        match (self.header_name, self.has(Identifier::Header)) {
            (Some(name), true) => {
                let parsed = HeaderName::try_from(name).ok();
                if parsed.is_none() {
                    problems.push(cx.block.problem_at("header_name", format!("`{name}` is no header name")));
                }
                return parsed;
            }
            (Some(_), false) => problems.push(self.unused(cx, "header_name", Identifier::Header)),
            (None, true) => {
                let help = format!("`{} = \"header\"` counts by one header", self.option);
                problems.push(cx.block.problem("required field missing: header_name").help(help));
            }
            (None, false) => {}
        }
        None
    }

    fn check_path(&self, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) {
        match (self.path, self.has(Identifier::Path)) {
            (Some(path), true) => {
                if let Err(message) = PathPrefix::try_from(path.to_owned()) {
                    problems.push(cx.block.problem_at("path", message));
                }
            }
            (Some(_), false) => problems.push(self.unused(cx, "path", Identifier::Path)),
            (None, true) => {
                let help = format!("`{} = \"path\"` counts one path", self.option);
                problems.push(cx.block.problem("required field missing: path").help(help));
            }
            (None, false) => {}
        }
    }

    fn unused(&self, cx: &BuildCx<'_>, key: &str, identifier: Identifier) -> Problem {
        let name = identifier.name();
        Problem::at_key(cx.block.path().key(key), format!("`{key}` has no effect: nothing is counted by {name}"))
            .help(format!("write \"{name}\" into `{}`, or take `{key}` out", self.option))
    }
}
