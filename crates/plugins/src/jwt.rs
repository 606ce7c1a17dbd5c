//! Plugin `jwt`: a signed token tells who calls (RFC 7519).
//!
//! What a token is checked by is its credential's alone: the algorithm that the token names must be that one, and nothing in
//! it is believed before its signature is found right but the name of the credential.

mod algorithm;
mod claims;
mod credential;
mod public_key;
mod source;
mod token;

use std::borrow::Cow;
use std::collections::HashMap;

use governor::clock::Clock;
use http::header::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::Problem;
use sluice_limits::SharedClock;

use crate::auth::{Door, Known, Refusal, challenge, tell};
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::plugin::{BuildCx, Configured, CredentialKind, Flow, Phases, Plugin};
use claims::{Claim, Claims};
use credential::{SECRETS, Signer};
use source::{Found, Source};
use token::Token;

/// The plugin.
pub struct Jwt {
    door: Door,
    source: Source,
    key_claim_name: String,
    claims: Claims,
    challenge: HeaderValue,
    by_key: HashMap<String, (Signer, Known)>,
    clock: SharedClock,
}

/// Options of `jwt`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Arguments that may hold the token.
    uri_param_names: Vec<String>,
    /// Cookies that may hold it.
    cookie_names: Vec<String>,
    /// Headers that may hold it, behind `Bearer`.
    header_names: Vec<String>,
    /// The claim, or the field of the token's head, that names the credential.
    key_claim_name: String,
    /// Whether the secrets of credentials are written in base64.
    secret_is_base64: bool,
    /// Times that must be in the token, and right: `exp`, until which it counts, and `nbf`, from when.
    claims_to_verify: Vec<Claim>,
    /// How many seconds from now a token may count at most; 0: as long as it says. Needs `exp` among `claims_to_verify`.
    #[schemars(range(max = 31_536_000))]
    maximum_expiration: u32,
    /// The consumer, by name or id, that who has no token is taken for; whoever another plugin knows needs no token.
    anonymous: Option<String>,
    /// Whether OPTIONS requests need a token as well.
    run_on_preflight: bool,
    /// The realm of the challenge.
    realm: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            uri_param_names: vec!["jwt".into()],
            cookie_names: Vec::new(),
            header_names: vec!["authorization".into()],
            key_claim_name: "iss".into(),
            secret_is_base64: false,
            claims_to_verify: Vec::new(),
            maximum_expiration: 0,
            anonymous: None,
            run_on_preflight: true,
            realm: None,
        }
    }
}

impl Configured for Jwt {
    const NAME: &'static str = "jwt";
    const SUMMARY: &'static str = "Tells who calls by a signed token, and refuses who has none";
    const PRIORITY: u32 = 1450;
    const PHASES: Phases = Phases { request: true, upstream_request: true, ..Phases::NONE };
    const CONSUMER_SCOPE: bool = false;
    const CREDENTIAL: Option<&'static CredentialKind> = Some(&SECRETS);
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let must_expire = options.claims_to_verify.contains(&Claim::Exp);
        if options.maximum_expiration > 0 && !must_expire {
            problems.push(cx.block.problem_at("maximum_expiration", "has a meaning only with \"exp\" in `claims_to_verify`"));
        }
        if options.maximum_expiration > 31_536_000 {
            problems.push(cx.block.problem_at("maximum_expiration", "must be between 0 and 31536000, a year"));
        }
        let plugin = Self {
            door: Door::new(Self::NAME, options.anonymous.as_deref(), cx, &mut problems).with_preflight(options.run_on_preflight),
            source: Source::read(&options, cx, &mut problems),
            key_claim_name: options.key_claim_name,
            claims: Claims { wanted: options.claims_to_verify, most: options.maximum_expiration },
            challenge: challenge("Bearer", options.realm.as_deref(), cx, &mut problems),
            by_key: credential::signers(options.secret_is_base64, cx, &mut problems),
            clock: cx.limiters.clock().clone(),
        };
        if problems.is_empty() { Ok(plugin) } else { Err(problems) }
    }
}

impl Plugin for Jwt {
    fn secret_arguments(&self) -> Vec<String> {
        self.source.arguments.clone()
    }

    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        if self.door.stands_open(cx) {
            return Flow::Continue;
        }
        let known = self.known(cx);
        self.door.decide(known, cx)
    }

    fn on_upstream_request(&self, memory: &Memory, request: &mut dyn UpstreamRequest) {
        tell(memory, request);
    }
}

impl Jwt {
    /// Whose token the request has.
    fn known(&self, cx: &Cx<'_>) -> Result<&Known, Refusal> {
        match self.source.find(cx.request) {
            Found::Nothing => Err(self.refuse("Unauthorized")),
            Found::Several => Err(self.refuse("Multiple tokens provided")),
            Found::One(token) => self.check(&token),
        }
    }

    fn check(&self, text: &str) -> Result<&Known, Refusal> {
        let token = Token::read(text).map_err(|why| self.refuse(format!("Bad token; {why}")))?;
        let name = &self.key_claim_name;
        let key = token.claims.get(name).or_else(|| token.head.get(name));
        let key = key.and_then(serde_json::Value::as_str);
        let key = key.ok_or_else(|| self.refuse(format!("No mandatory '{name}' in claims")))?;
        let found = self.by_key.get(key);
        let (signer, known) = found.ok_or_else(|| self.refuse(format!("No credentials found for given '{name}'")))?;
        if token.algorithm() != Some(signer.algorithm.name()) {
            return Err(self.refuse("Invalid algorithm"));
        }
        if !signer.has_signed(&token) {
            return Err(self.refuse("Invalid signature"));
        }
        let now = self.clock.now().as_u64() / 1_000_000_000;
        match self.claims.check(&token.claims, now) {
            Ok(()) => Ok(known),
            Err(errors) => {
                let reason = errors.values().next().copied().unwrap_or("Unauthorized");
                Err(self.refuse(reason).saying(serde_json::to_vec(&errors).unwrap_or_default()))
            }
        }
    }

    fn refuse(&self, reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal::new(reason, &self.challenge)
    }
}

#[cfg(test)]
mod tests;
