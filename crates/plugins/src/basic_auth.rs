//! Plugin `basic-auth`: a name and a password tell who calls (RFC 7617).
//!
//! Passwords are compared by their SHA-256, which are of one length, in constant time; and one is compared though nobody
//! has the name.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sluice_config::{Block, Problem, options_schema};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::auth::{Door, Known, Refusal, challenge, credentials, tell};
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::plugin::{BuildCx, Configured, CredentialKind, Flow, Phases, Plugin};

/// The plugin.
pub struct BasicAuth {
    door: Door,
    hide: bool,
    challenge: HeaderValue,
    by_name: Arc<ByName>,
}

/// Who has which name, and the hash of his password.
struct ByName(HashMap<String, (Hash, Known)>);

type Hash = [u8; 32];

/// What nobody's password is hashed to.
const NOBODY: Hash = [0; 32];

/// Options of `basic-auth`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Whether name and password are taken out before the request goes to the upstream.
    hide_credentials: bool,
    /// The consumer, by name or id, that who has no password is taken for; whoever another plugin knows needs none.
    anonymous: Option<String>,
    /// The realm of the challenge.
    realm: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { hide_credentials: false, anonymous: None, realm: "service".into() }
    }
}

/// A consumer's name and password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credential {
    /// The name; it may be another than the consumer's.
    #[schemars(regex(pattern = "^[^:]+$"))]
    username: String,
    /// The password.
    #[schemars(length(min = 1))]
    password: String,
    /// Its id, if it is not to follow from its place.
    #[serde(rename = "id")]
    _id: Option<Uuid>,
    /// Its tags.
    #[serde(rename = "tags", default)]
    _tags: Vec<String>,
}

static PASSWORDS: CredentialKind = CredentialKind {
    list: BasicAuth::NAME,
    table: "basicauth_credentials",
    schema: options_schema::<Credential>,
    check: check_credential,
};

impl Configured for BasicAuth {
    const NAME: &'static str = "basic-auth";
    const SUMMARY: &'static str = "Tells who calls by a name and a password, and refuses who has none";
    const PRIORITY: u32 = 1100;
    const PHASES: Phases = Phases { request: true, upstream_request: true, ..Phases::NONE };
    const CONSUMER_SCOPE: bool = false;
    const CREDENTIAL: Option<&'static CredentialKind> = Some(&PASSWORDS);
    const LATER: &'static [&'static str] = &["brute_force_protection"];
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let by_name = || {
            let all = credentials::<Credential>(&PASSWORDS, cx).map(|(credential, _, known)| {
                let known = known.called(&credential.username);
                (credential.username, (hash(credential.password.as_bytes()), known))
            });
            ByName(all.collect())
        };
        let plugin = Self {
            door: Door::new(Self::NAME, options.anonymous.as_deref(), cx, &mut problems),
            hide: options.hide_credentials,
            challenge: challenge("Basic", Some(&options.realm), cx, &mut problems),
            by_name: cx.consumers.shared(by_name),
        };
        if problems.is_empty() { Ok(plugin) } else { Err(problems) }
    }
}

fn check_credential(block: &Block) -> Result<String, Vec<Problem>> {
    let credential = block.read::<Credential>()?;
    let mut problems = Vec::new();
    if credential.username.is_empty() || credential.username.contains(':') {
        problems.push(block.problem_at("username", "must be a name without a colon, which ends it"));
    }
    if credential.password.is_empty() {
        problems.push(block.problem_at("password", "must not be empty"));
    }
    if problems.is_empty() { Ok(credential.username) } else { Err(problems) }
}

fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

impl Plugin for BasicAuth {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if self.door.stands_open(cx) {
            return Flow::Continue;
        }
        let headers = &cx.request.headers;
        let known = [PROXY_AUTHORIZATION, AUTHORIZATION].iter().find_map(|name| self.known(&said(headers, name)?));
        let known = known.ok_or_else(|| Refusal::new("Unauthorized", &self.challenge));
        self.door.decide(known, cx)
    }

    fn on_upstream_request(&self, memory: &Memory, request: &mut dyn UpstreamRequest) {
        tell(memory, request);
        if self.hide {
            request.remove_header(&AUTHORIZATION);
            request.remove_header(&PROXY_AUTHORIZATION);
        }
    }
}

impl BasicAuth {
    /// Whose name and password these are.
    fn known(&self, said: &[u8]) -> Option<&Known> {
        let (name, password) = split(said)?;
        let found = self.by_name.0.get(name);
        let expected = found.map_or(&NOBODY, |(hash, _)| hash);
        let right = bool::from(hash(password).ct_eq(expected));
        found.filter(|_| right).map(|(_, known)| known)
    }
}

/// What stands behind `Basic` in the one header of this name.
fn said(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = value.as_bytes().trim_ascii();
    let (scheme, said) = value.split_at_checked("Basic".len())?;
    let apart = said.first().is_some_and(u8::is_ascii_whitespace);
    if !apart || !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    BASE64_STANDARD.decode(said.trim_ascii()).ok()
}

/// The name and the password: the first colon is between them.
fn split(said: &[u8]) -> Option<(&str, &[u8])> {
    let colon = said.iter().position(|byte| *byte == b':')?;
    Some((std::str::from_utf8(&said[..colon]).ok()?, &said[colon + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, check_problems};
    use proptest::prelude::*;

    const JOE: &str = "[consumers.Joe]\nbasic-auth = [{ username = \"joe\", password = \"p:w\" }, { username = \"j2\", password = \"x\" }]\n[consumers.Nobody]\n";

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    fn check(options: &str, headers: &[(&str, &str)], expected: Option<&str>) {
        let mut bench = Bench::new(&format!("{JOE}[plugins.basic-auth]\n{options}"));
        let reply = bench.ask("/", headers, "192.0.2.1");
        let told = bench.memory.consumer.as_ref().map(|consumer| consumer.username.as_str());
        assert_eq!((reply.is_none(), told), (expected.is_some(), expected), "{options} {headers:?}");
        if let Some(reply) = reply {
            assert_eq!((reply.status.as_u16(), &*reply.headers[0].0), (401, &b"WWW-Authenticate"[..]));
        }
    }

    #[test]
    fn a_name_and_its_password_tell_who_calls() {
        check("", &[("authorization", &basic("joe:p:w"))], Some("Joe"));
        check("", &[("authorization", &basic("j2:x"))], Some("Joe"));
        check("", &[("authorization", &basic("joe:p:w").replace("Basic", "basic "))], Some("Joe"));
        check("", &[("proxy-authorization", &basic("joe:p:w")), ("authorization", "Bearer x")], Some("Joe"));
        check("", &[], None);
        for wrong in ["joe:p:", "joe:P:w", "Joe:p:w", "joe:", ":", "", "joe", "ann:p:w", ":p:w"] {
            check("", &[("authorization", &basic(wrong))], None);
        }
        check("", &[("authorization", "Basic ???")], None);
        check("", &[("authorization", &basic("joe:p:w").replace(' ', ""))], None);
        check("", &[("authorization", &basic("joe:p:w")), ("authorization", &basic("joe:p:w"))], None);
        check("anonymous = \"Nobody\"", &[("authorization", &basic("joe:no"))], Some("Nobody"));
    }

    #[test]
    fn upstreams_are_told_the_name_of_the_credential() {
        let mut bench = Bench::new(&format!("{JOE}[plugins.basic-auth]\n"));
        bench.ask("/", &[("authorization", &basic("j2:x"))], "192.0.2.1");
        assert_eq!(bench.memory.identifier.as_ref().map(HeaderValue::as_bytes), Some(&b"j2"[..]));
    }

    #[test]
    fn options_and_credentials_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.basic-auth]\n{text}"), expected);
        check("brute_force_protection = {}", &["not available yet"]);
        check("anonymous = \"x\"", &["there is no consumer \"x\""]);
        check("[consumers.A]\nbasic-auth = [{ username = \"a:b\", password = \"\" }]", &["without a colon", "must not be empty"]);
        check(
            "[consumers.A]\nbasic-auth = [{ username = \"a\", password = \"b\" }, { username = \"a\", password = \"c\" }]",
            &["already"],
        );
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(name in "[^:]{0,20}", password in "\\PC{0,20}") {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, basic(&format!("{name}:{password}")).parse().expect("base64 is a header value"));
            let said = said(&headers, &AUTHORIZATION).expect("it is there");
            prop_assert_eq!(split(&said), Some((name.as_str(), password.as_bytes())));
        }

        #[test]
        fn no_header_breaks_the_reader(value in proptest::collection::vec(0x20_u8..=0xff, 0..60)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(AUTHORIZATION, value);
            }
            if let Some(said) = said(&headers, &AUTHORIZATION) {
                split(&said);
            }
        }
    }
}
