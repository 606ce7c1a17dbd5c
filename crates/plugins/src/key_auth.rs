//! Plugin `key-auth`: a key in a header or in the query tells who calls.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::{Block, Problem, options_schema};
use uuid::Uuid;

use crate::auth::{Door, Known, Refusal, challenge, credentials, tell};
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::later::explain;
use crate::plugin::{BuildCx, Configured, CredentialKind, Flow, Phases, Plugin};
use crate::secret::Secrets;

/// The plugin.
pub struct KeyAuth {
    door: Door,
    names: Vec<KeyName>,
    in_header: bool,
    in_query: bool,
    hide: bool,
    challenge: HeaderValue,
    keys: Arc<Keys>,
}

/// Who has which key.
struct Keys(Secrets<Known>);

struct KeyName {
    header: HeaderName,
    argument: String,
}

/// Options of `key-auth`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Names of the header or argument that holds the key.
    key_names: Vec<String>,
    /// Whether the key may stand in a header.
    key_in_header: bool,
    /// Whether the key may stand in the query.
    key_in_query: bool,
    /// Whether the key is taken out before the request goes to the upstream.
    hide_credentials: bool,
    /// The consumer, by name or id, that who has no key is taken for; whoever another plugin knows needs no key.
    anonymous: Option<String>,
    /// Whether OPTIONS requests need a key as well.
    run_on_preflight: bool,
    /// The realm of the challenge.
    realm: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            key_names: vec!["apikey".into()],
            key_in_header: true,
            key_in_query: true,
            hide_credentials: false,
            anonymous: None,
            run_on_preflight: true,
            realm: None,
        }
    }
}

/// A consumer's key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credential {
    /// The key.
    #[schemars(length(min = 1))]
    key: String,
    /// Its id, if it is not to follow from its place.
    #[serde(rename = "id")]
    _id: Option<Uuid>,
    /// Its tags.
    #[serde(rename = "tags", default)]
    _tags: Vec<String>,
}

static KEYS: CredentialKind = CredentialKind {
    list: KeyAuth::NAME,
    table: "keyauth_credentials",
    schema: options_schema::<Credential>,
    check: check_credential,
};

impl Configured for KeyAuth {
    const NAME: &'static str = "key-auth";
    const SUMMARY: &'static str = "Tells who calls by a key in a header or in the query, and refuses who has none";
    const PRIORITY: u32 = 1250;
    const PHASES: Phases = Phases { request: true, upstream_request: true, ..Phases::NONE };
    const CONSUMER_SCOPE: bool = false;
    const CREDENTIAL: Option<&'static CredentialKind> = Some(&KEYS);
    const NEVER: &'static [(&'static str, &'static str)] = &[
        ("key_in_body", "who calls is known before the body is read, so that a stranger's is not read at all"),
        ("identity_realms", "consumers are those of this file"),
    ];
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if options.key_names.is_empty() {
            problems.push(cx.block.problem_at("key_names", "needs at least one name"));
        }
        if !options.key_in_header && !options.key_in_query {
            problems.push(cx.block.problem("no key can be found: both key_in_header and key_in_query are off"));
        }
        let mut names = Vec::new();
        for name in options.key_names {
            match HeaderName::try_from(&name) {
                Ok(header) => names.push(KeyName { header, argument: name }),
                Err(_) => problems.push(cx.block.problem_at("key_names", format!("`{name}` is no header name"))),
            }
        }
        let plugin = Self {
            door: Door::new(Self::NAME, options.anonymous.as_deref(), cx, &mut problems).with_preflight(options.run_on_preflight),
            names,
            in_header: options.key_in_header,
            in_query: options.key_in_query,
            hide: options.hide_credentials,
            challenge: challenge("Key", options.realm.as_deref(), cx, &mut problems),
            keys: cx.consumers.shared(|| {
                Keys(credentials::<Credential>(&KEYS, cx).map(|(credential, _, known)| (credential.key, known)).collect())
            }),
        };
        if problems.is_empty() { Ok(plugin) } else { Err(problems) }
    }
}

fn check_credential(block: &Block) -> Result<String, Vec<Problem>> {
    let never = &[("ttl", "what stands in a file has no time at which it came; take it out when it is over")];
    let credential = block.read::<Credential>().map_err(|problems| explain(problems, block, &[], never))?;
    if credential.key.is_empty() { Err(vec![block.problem_at("key", "must not be empty")]) } else { Ok(credential.key) }
}

impl Plugin for KeyAuth {
    fn secret_arguments(&self) -> Vec<String> {
        self.names.iter().map(|name| name.argument.clone()).collect()
    }

    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if self.door.stands_open(cx) {
            return Flow::Continue;
        }
        let refuse = |reason: &'static str| Refusal::new(reason, &self.challenge);
        let known = match self.find(cx) {
            Found::One(key) => self.keys.0.get(key.as_bytes()).ok_or_else(|| refuse("Unauthorized")),
            Found::None => Err(refuse("No API key found in request")),
            Found::Several => Err(refuse("Duplicate API key found")),
        };
        self.door.decide(known, cx)
    }

    fn on_upstream_request(&self, memory: &Memory, request: &mut dyn UpstreamRequest) {
        tell(memory, request);
        if self.hide {
            for name in &self.names {
                request.remove_header(&name.header);
                request.remove_query(&name.argument);
            }
        }
    }
}

enum Found<'a> {
    None,
    One(Cow<'a, str>),
    Several,
}

impl KeyAuth {
    /// The key of the first name that has one. More than one key under a name is refused, as in Kong.
    fn find<'a>(&self, cx: &Cx<'a>) -> Found<'a> {
        let request = cx.request;
        for name in &self.names {
            if self.in_header {
                let mut values = request.headers.get_all(&name.header).iter();
                match (values.next(), values.next()) {
                    // A key that is no text is known to nobody.
                    (Some(value), None) => return Found::One(String::from_utf8_lossy(value.as_bytes())),
                    (Some(_), Some(_)) => return Found::Several,
                    (None, _) => {}
                }
            }
            if self.in_query {
                let query = request.uri.query().unwrap_or_default();
                let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| *key == name.argument);
                match (values.next(), values.next()) {
                    (Some((_, value)), None) => return Found::One(value),
                    (Some(_), Some(_)) => return Found::Several,
                    (None, _) => {}
                }
            }
        }
        Found::None
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, built};
    use sluice_events::Bus;
    use sluice_limits::ManualClock;

    const JOE: &str = "[consumers.Joe]\nkey-auth = [{ key = \"joe\" }, { key = \"j o&e\" }]\n";

    fn check(options: &str, (target, headers): (&str, &[(&str, &str)]), expected: Result<&str, &str>) {
        let mut bench = Bench::new(&format!("{JOE}[plugins.key-auth]\n{options}"));
        let reply = bench.ask(target, headers, "192.0.2.1");
        let found = match &reply {
            None => Ok(bench.memory.consumer.as_ref().map_or("", |consumer| consumer.username.as_str())),
            Some(reply) => match &reply.body {
                crate::Body::Message(message) => Err(message.as_ref()),
                crate::Body::Json(_) | crate::Body::Typed { .. } | crate::Body::Nothing => Err("no message"),
            },
        };
        assert_eq!(found, expected, "{options} {target} {headers:?}");
    }

    #[test]
    fn a_key_is_found_where_the_options_say() {
        check("", ("/", &[("apikey", "joe")]), Ok("Joe"));
        check("", ("/?apikey=joe", &[]), Ok("Joe"));
        check("", ("/?apikey=j+o%26e", &[]), Ok("Joe"));
        check("key_in_query = false", ("/?apikey=joe", &[]), Err("No API key found in request"));
        check("key_in_header = false", ("/", &[("apikey", "joe")]), Err("No API key found in request"));
        check("key_names = [\"x-a\", \"x-b\"]", ("/", &[("X-B", "joe")]), Ok("Joe"));
        check("", ("/", &[("apikey", "ann")]), Err("Unauthorized"));
        check("", ("/", &[("apikey", "")]), Err("Unauthorized"));
        check("", ("/?apikey=joe&apikey=joe", &[]), Err("Duplicate API key found"));
    }

    #[test]
    fn a_refusal_is_an_event_without_the_key() {
        let mut bench = Bench::new(&format!("{JOE}[plugins.key-auth]\n"));
        let mut check = |headers: &[(&str, &str)], reasons: &[&str]| {
            bench.memory = crate::Memory::default();
            bench.ask("/", headers, "192.0.2.1");
            let events = bench.events();
            assert!(events.iter().all(|(kind, _)| kind == "key-auth/unauthorized"), "{events:?}");
            assert_eq!(events.iter().map(|(_, data)| data["reason"].as_str().unwrap_or_default()).collect::<Vec<_>>(), reasons);
            for (_, data) in events {
                assert_eq!((&data["consumer"], &data["ip"]), (&serde_json::json!({}), &"192.0.2.1".into()));
                assert!(!data.to_string().contains("ann-key"), "{data}");
            }
        };
        check(&[("apikey", "joe")], &[]);
        check(&[], &["No API key found in request"]);
        check(&[("apikey", "ann-key")], &["Unauthorized"]);
        check(&[("apikey", "joe"), ("apikey", "ann-key")], &["Duplicate API key found"]);
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &str| {
            let problems = built(text, &ManualClock::default(), &Bus::default().into()).err().unwrap_or_default();
            assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?} is not about {expected}");
        };
        check("[plugins.key-auth]\nkey_names = []", "key_names");
        check("[plugins.key-auth]\nkey_names = [\"a b\"]", "`a b` is no header name");
        check("[plugins.key-auth]\nkey_in_header = false\nkey_in_query = false", "no key can be found");
        check("[plugins.key-auth]\nanonymous = \"Joe\"", "there is no consumer \"Joe\"");
        check("[plugins.key-auth]\nkey_in_body = true", "without a meaning here: who calls is known before the body is read");
        check("[plugins.key-auth]\nrealm = \"a\\\"b\"", "between quotes");
        check("[plugins.key-auth]\n[consumers.A]\nkey-auth = [{ key = \"x\", ttl = 60 }]", "no time at which it came");
        check(
            "[plugins.key-auth]\n[consumers.A]\nkey-auth = [{ key = \"x\" }]\n[consumers.B]\nkey-auth = [{ key = \"x\" }]",
            "already",
        );
        check("[plugins.key-auth]\n[consumers.A]\nkey-auth = [{ key = \"\" }]", "must not be empty");
        check("[plugins.key-auth]\n[consumers.A]\nhmac-auth = [{ key = \"x\" }]", "hmac-auth");
    }
}
