//! Plugin `key-auth`: a key in a header or in the query tells who calls.
//!
//! Kong's `anonymous` and `key_in_body` are refused by name until they exist.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_config::{Block, Problem, options_schema};
use sluice_events::{Emitter, KeyAuthUnauthorized};

use crate::client::Consumer;
use crate::credentials::credential_id;
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::plugin::{BuildCx, Configured, CredentialKind, Flow, Phases, Plugin};
use crate::reply::Reply;

/// Kong's name of the table of keys.
pub const KEYAUTH_CREDENTIALS: &str = "keyauth_credentials";

/// The plugin.
pub struct KeyAuth {
    names: Vec<KeyName>,
    in_header: bool,
    in_query: bool,
    hide: bool,
    run_on_preflight: bool,
    challenge: HeaderValue,
    keys: HashMap<String, (Arc<Consumer>, Arc<str>)>,
    unauthorized: Emitter<KeyAuthUnauthorized>,
}

struct KeyName {
    header: HeaderName,
    argument: String,
}

/// Options of `key-auth`, as Kong's.
#[derive(Deserialize, JsonSchema)]
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
    key: String,
}

impl Configured for KeyAuth {
    const NAME: &'static str = "key-auth";
    const SUMMARY: &'static str = "Tells who calls by a key in a header or in the query, and refuses who has none";
    const PRIORITY: u16 = 1250;
    const PHASES: Phases = Phases { request: true, upstream_request: true };
    const CONSUMER_SCOPE: bool = false;
    const CREDENTIAL: Option<CredentialKind> =
        Some(CredentialKind { table: KEYAUTH_CREDENTIALS, schema: options_schema::<Credential>, check: check_credential });
    const LATER: &'static [&'static str] = &["anonymous", "key_in_body", "identity_realms"];
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
        let challenge = options.realm.map_or_else(|| "Key".to_owned(), |realm| format!("Key realm=\"{realm}\""));
        let challenge = HeaderValue::try_from(challenge).map_err(|_| vec![cx.block.problem_at("realm", "no header can hold it")]);
        match challenge {
            Ok(challenge) if problems.is_empty() => Ok(Self {
                names,
                in_header: options.key_in_header,
                in_query: options.key_in_query,
                hide: options.hide_credentials,
                run_on_preflight: options.run_on_preflight,
                challenge,
                keys: keys(cx),
                unauthorized: cx.bus.emitter(),
            }),
            Ok(_) => Err(problems),
            Err(more) => Err(problems.into_iter().chain(more).collect()),
        }
    }
}

/// The keys of all consumers. Broken ones are told of elsewhere.
fn keys(cx: &BuildCx<'_>) -> HashMap<String, (Arc<Consumer>, Arc<str>)> {
    let credentials = cx.consumers.credentials(KeyAuth::NAME);
    credentials
        .filter_map(|(block, consumer)| {
            let credential = block.read::<Credential>().ok()?;
            let id = credential_id(KEYAUTH_CREDENTIALS, block).to_string();
            Some((credential.key, (consumer.clone(), id.into())))
        })
        .collect()
}

fn check_credential(block: &Block) -> Result<String, Vec<Problem>> {
    let credential = block.read::<Credential>()?;
    if credential.key.is_empty() { Err(vec![block.problem_at("key", "must not be empty")]) } else { Ok(credential.key) }
}

impl Plugin for KeyAuth {
    fn secret_arguments(&self) -> Vec<String> {
        self.names.iter().map(|name| name.argument.clone()).collect()
    }

    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if !self.run_on_preflight && cx.request.method == Method::OPTIONS {
            return Flow::Continue;
        }
        let known = match self.find(cx) {
            Found::One(key) => self.keys.get(key.as_ref()).ok_or("Unauthorized"),
            Found::None => Err("No API key found in request"),
            Found::Several => Err("Duplicate API key found"),
        };
        match known {
            Ok((consumer, credential)) => {
                cx.memory.consumer = Some(consumer.clone());
                cx.memory.credential = Some(credential.clone());
                Flow::Continue
            }
            Err(message) => {
                self.unauthorized.emit(|| unauthorized(cx, message));
                let mut reply = Reply::error(StatusCode::UNAUTHORIZED, message);
                reply.headers.push((Bytes::from_static(b"WWW-Authenticate"), self.challenge.clone()));
                Flow::Respond(reply)
            }
        }
    }

    fn on_upstream_request(&self, memory: &Memory, request: &mut dyn UpstreamRequest) {
        let told = memory.consumer.as_ref().map(|consumer| &consumer.headers);
        let values = [
            (&X_CONSUMER_ID, told.and_then(|told| told.id.clone())),
            (&X_CONSUMER_USERNAME, told.and_then(|told| told.username.clone())),
            (&X_CONSUMER_CUSTOM_ID, told.and_then(|told| told.custom_id.clone())),
            (&X_CREDENTIAL_IDENTIFIER, memory.credential.as_deref().and_then(|id| HeaderValue::from_str(id).ok())),
        ];
        for (name, value) in values {
            // What the client sent under these names is never believed.
            match value {
                Some(value) => request.set_header(name, value),
                None => request.remove_header(name),
            }
        }
        if self.hide {
            for name in &self.names {
                request.remove_header(&name.header);
                request.remove_query(&name.argument);
            }
        }
    }
}

/// What is told of a refusal; not the key, which may be somebody's with a slip in it.
fn unauthorized(cx: &Cx<'_>, reason: &'static str) -> KeyAuthUnauthorized {
    KeyAuthUnauthorized {
        consumer: cx.memory.consumer.as_ref().map(|consumer| consumer.entity.clone()),
        ip: cx.client_ip,
        service: cx.service.cloned(),
        route: Some(cx.route.clone()),
        reason,
    }
}

static X_CONSUMER_ID: HeaderName = HeaderName::from_static("x-consumer-id");
static X_CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
static X_CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
static X_CREDENTIAL_IDENTIFIER: HeaderName = HeaderName::from_static("x-credential-identifier");

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
                crate::Body::Json(_) | crate::Body::Typed { .. } => Err("no message"),
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
        check("[plugins.key-auth]\nanonymous = \"Joe\"", "not available yet");
        check(
            "[plugins.key-auth]\n[consumers.A]\nkey-auth = [{ key = \"x\" }]\n[consumers.B]\nkey-auth = [{ key = \"x\" }]",
            "already",
        );
        check("[plugins.key-auth]\n[consumers.A]\nkey-auth = [{ key = \"\" }]", "must not be empty");
        check("[plugins.key-auth]\n[consumers.A]\nhmac-auth = [{ key = \"x\" }]", "hmac-auth");
    }
}
