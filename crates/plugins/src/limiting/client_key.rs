//! Whom a request is counted for. What is missing falls back to the IP address, never to "unlimited".
//!
//! Every part of a key is two: its kind and its value. So no value can pose as one of another kind, and where several
//! parts make one key, no two different lists of them make the same.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HeaderName;
use sluice_events::Entity;
use sluice_limits::{Key, Keys, Kind, Net};
use smallvec::SmallVec;

use crate::cx::Cx;

/// The kind of addresses.
const IP: &str = "ip";

/// How many bytes of a client's own words are shown.
const SHOWN: usize = 64;

/// Makes the keys of requests.
pub(crate) struct ClientKey {
    keys: Keys,
    parts: Vec<Part>,
    ipv6_prefix: u8,
    /// The kind of the first part, which mostly is the only one.
    kind: Kind,
    /// That of addresses, in place of what is missing.
    ip: Kind,
}

/// What a part of a key is.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Ip,
    ConsumerId,
    ConsumerUsername,
    ConsumerCustomId,
    Credential,
    Service,
    Route,
    Header(HeaderName),
    Path(String),
}

impl Part {
    /// What its values are.
    fn kind(&self) -> &'static str {
        match self {
            Self::Ip => IP,
            Self::ConsumerId => "consumer",
            Self::ConsumerUsername => "username",
            Self::ConsumerCustomId => "custom_id",
            Self::Credential => "credential",
            Self::Service => "service",
            Self::Route => "route",
            Self::Header(_) => "header",
            Self::Path(_) => "path",
        }
    }

    /// Its value in a request, if that has one beside the address.
    fn of<'a>(&'a self, cx: &'a Cx<'_>) -> Option<Value<'a>> {
        let consumer = cx.memory.consumer.as_ref();
        match self {
            Self::Ip => None,
            Self::ConsumerId => consumer.map(|consumer| Value::Lent(consumer.id.as_bytes())),
            Self::ConsumerUsername => consumer.map(|consumer| Value::Lent(consumer.username.as_bytes())),
            Self::ConsumerCustomId => consumer.and_then(|c| c.custom_id.as_ref()).map(|id| Value::Lent(id.as_bytes())),
            Self::Credential => cx.memory.credential.as_ref().map(|id| Value::Lent(id.as_bytes())),
            Self::Service => cx.service.map(|service| Value::Id(service.id.to_be_bytes())),
            Self::Route => Some(Value::Id(cx.route.id.to_be_bytes())),
            Self::Header(name) => cx.request.headers.get(name).map(|value| Value::Lent(value.as_bytes())),
            Self::Path(path) => (path == cx.path).then_some(Value::Lent(path.as_bytes())),
        }
    }
}

/// The bytes of a part: lent by the request, or few enough to stand here.
enum Value<'a> {
    Lent(&'a [u8]),
    Id([u8; 16]),
    Address([u8; 4]),
}

impl Value<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Lent(bytes) => bytes,
            Self::Id(bytes) => bytes,
            Self::Address(bytes) => bytes,
        }
    }
}

impl ClientKey {
    /// Keys of these parts; `ipv6_prefix` bits of an IPv6 address are the client.
    pub fn new(keys: Keys, parts: Vec<Part>, ipv6_prefix: u8) -> Self {
        let ip = keys.kind(IP.as_bytes());
        let kind = parts.first().map_or_else(|| ip.clone(), |part| keys.kind(part.kind().as_bytes()));
        Self { keys, parts, ipv6_prefix, kind, ip }
    }

    /// The key of the client, and the network in which it is if there is no room for it.
    pub fn of(&self, cx: &Cx<'_>) -> Key {
        let key = if let [part] = &*self.parts {
            match part.of(cx) {
                Some(value) => self.kind.key(value.bytes()),
                None => self.ip.key(self.address(cx.client_ip).bytes()),
            }
        } else {
            let found: SmallVec<[_; 8]> = self.parts.iter().map(|part| self.find(part, cx)).collect();
            let parts: SmallVec<[&[u8]; 16]> = found.iter().flat_map(|(kind, value)| [kind.as_bytes(), value.bytes()]).collect();
            self.keys.key(&parts)
        };
        key.in_network(Net::of(cx.client_ip))
    }

    /// What the key stands for, for people: `consumer Joe`, `ip 192.0.2.1, route demo`.
    pub fn name(&self, cx: &Cx<'_>) -> String {
        let name = |part: &Part| {
            let (kind, value) = self.find(part, cx);
            let of = |entity: &Entity| entity.json()["name"].as_str().map(str::to_owned);
            let shown = match (kind, &cx.memory.consumer) {
                ("consumer", Some(consumer)) => Some(consumer.username.clone()),
                ("service", _) => cx.service.and_then(|service| of(service)),
                ("route", _) => of(cx.route),
                (IP, _) => Some(match cx.client_ip.to_canonical() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("{}/{}", self.network(ip), self.ipv6_prefix),
                }),
                _ => Some(String::from_utf8_lossy(&value.bytes()[..value.bytes().len().min(SHOWN)]).into_owned()),
            };
            format!("{kind} {}", shown.unwrap_or_default())
        };
        self.parts.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// The kind and the value of a part; the address where it is missing.
    fn find<'a>(&'a self, part: &'a Part, cx: &'a Cx<'_>) -> (&'static str, Value<'a>) {
        part.of(cx).map_or_else(|| (IP, self.address(cx.client_ip)), |value| (part.kind(), value))
    }

    /// The address; of IPv6 the prefix, since one client has many addresses to choose from.
    fn address(&self, ip: IpAddr) -> Value<'static> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Value::Address(ip.octets()),
            IpAddr::V6(ip) => Value::Id(self.network(ip).octets()),
        }
    }

    fn network(&self, ip: Ipv6Addr) -> Ipv6Addr {
        Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - self.ipv6_prefix)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use sluice_config::{Environment, Source, read};

    use super::*;
    use crate::{Consumers, Memory};

    /// What can be seen of a request; few values, so that collisions would be seen too.
    #[derive(Clone, Debug)]
    struct Seen {
        ip: u8,
        consumer: Option<bool>,
        credential: Option<String>,
        service: Option<u8>,
        header: Option<String>,
        on_path: bool,
    }

    struct NoEnvironment;
    impl Environment for NoEnvironment {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }
        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn seen() -> impl Strategy<Value = Seen> {
        let text = || proptest::option::of("(ip|a|b|consumer)?[ab]?");
        (0..2u8, any::<Option<bool>>(), text(), proptest::option::of(0..2u8), text(), any::<bool>()).prop_map(
            |(ip, consumer, credential, service, header, on_path)| Seen { ip, consumer, credential, service, header, on_path },
        )
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let header = Part::Header(HeaderName::from_static("x-tenant"));
        let all = [Part::Ip, Part::ConsumerId, Part::Credential, Part::Service, header, Part::Path("/one".into())];
        proptest::sample::subsequence(all.to_vec(), 1..=6)
    }

    /// What the parts mean, in words.
    fn meaning(parts: &[Part], seen: &Seen) -> Vec<String> {
        let ip = format!("ip {}", seen.ip);
        let of = |part: &Part| match part {
            Part::ConsumerId => seen.consumer.map(|c| format!("consumer {c}")),
            Part::Credential => seen.credential.as_ref().map(|c| format!("credential {c}")),
            Part::Service => seen.service.map(|s| format!("service {s}")),
            Part::Header(_) => seen.header.as_ref().map(|h| format!("header {h}")),
            Part::Path(_) => seen.on_path.then(|| "path".to_owned()),
            _ => None,
        };
        parts.iter().map(|part| of(part).unwrap_or_else(|| ip.clone())).collect()
    }

    fn key(parts: &[Part], seen: &Seen) -> Key {
        let draft = read(Source::new("t", "[consumers.A]\n[consumers.B]"), &NoEnvironment);
        let consumers = Consumers::new(&draft.config);
        let by_name: BTreeMap<_, _> = consumers.iter().map(|consumer| (consumer.username.clone(), consumer.clone())).collect();
        let mut memory = Memory {
            consumer: seen.consumer.map(|second| by_name[if second { "B" } else { "A" }].clone()),
            credential: seen.credential.as_deref().map(Arc::from),
            ..Memory::default()
        };
        let mut request = http::Request::builder().uri("/");
        if let Some(header) = &seen.header {
            request = request.header("X-Tenant", header);
        }
        let request = request.body(()).expect("a request").into_parts().0;
        let entity = |id| Arc::new(Entity::new(id, serde_json::json!({})));
        let (route, service) = (entity(9), seen.service.map(|id| entity(id.into())));
        let cx = Cx {
            request: &request,
            path: if seen.on_path { "/one" } else { "/two" },
            client_ip: IpAddr::from([192, 0, 2, seen.ip]),
            route: &route,
            service: service.as_ref(),
            memory: &mut memory,
        };
        ClientKey::new(Keys::fixed(1), parts.to_vec(), 64).of(&cx)
    }

    proptest! {
        #[test]
        fn two_requests_have_one_key_exactly_if_all_parts_mean_the_same(parts in parts(), a in seen(), b in seen()) {
            prop_assert_eq!(key(&parts, &a) == key(&parts, &b), meaning(&parts, &a) == meaning(&parts, &b));
        }
    }
}
