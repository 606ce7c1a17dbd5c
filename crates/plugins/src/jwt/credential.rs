//! By what a consumer's tokens are checked.

use std::collections::HashMap;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;
use ring::signature::UnparsedPublicKey;
use schemars::JsonSchema;
use serde::Deserialize;
use sluice_config::{Block, Problem, options_schema};
use uuid::Uuid;

use super::algorithm::{Algorithm, Way};
use super::public_key;
use super::token::Token;
use crate::auth::{Known, credentials};
use crate::plugin::{BuildCx, CredentialKind};

/// The tokens of a consumer: who signs them, and how.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    /// What tokens name it by: their claim `iss`, or what `key_claim_name` says.
    #[schemars(length(min = 1))]
    key: String,
    /// The secret of an algorithm that begins with HS.
    #[schemars(length(min = 1))]
    secret: Option<String>,
    /// How tokens are signed.
    #[serde(default)]
    algorithm: Algorithm,
    /// The public key of any other algorithm, as PEM.
    rsa_public_key: Option<String>,
    /// Its id, if it is not to follow from its place.
    #[serde(rename = "id")]
    _id: Option<Uuid>,
    /// Its tags.
    #[serde(rename = "tags", default)]
    _tags: Vec<String>,
}

pub(super) static SECRETS: CredentialKind =
    CredentialKind { list: "jwt", table: "jwt_secrets", schema: options_schema::<Credential>, check: check_credential };

/// Who signs.
pub(super) struct Signer {
    pub algorithm: Algorithm,
    check: Check,
}

enum Check {
    Secret(hmac::Key),
    PublicKey(UnparsedPublicKey<Vec<u8>>),
}

impl Signer {
    /// Whether the signature of the token is his. It is compared in constant time.
    pub fn has_signed(&self, token: &Token<'_>) -> bool {
        let signed = token.signed.as_bytes();
        match &self.check {
            Check::Secret(key) => hmac::verify(key, signed, &token.signature).is_ok(),
            Check::PublicKey(key) => key.verify(signed, &token.signature).is_ok(),
        }
    }
}

/// All who sign, by what tokens name them.
pub(super) fn signers(base64: bool, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> HashMap<String, (Signer, Known)> {
    let mut all = HashMap::new();
    for (credential, block, known) in credentials::<Credential>(&SECRETS, cx) {
        match credential.signer(base64, block) {
            Ok(signer) => drop(all.insert(credential.key.clone(), (signer, known.called(&credential.key)))),
            // What is wrong in any case is told elsewhere.
            Err(problem) if credential.signer(false, block).is_ok() => problems.push(problem),
            Err(_) => {}
        }
    }
    all
}

fn check_credential(block: &Block) -> Result<String, Vec<Problem>> {
    let credential = block.read::<Credential>()?;
    if credential.key.is_empty() {
        return Err(vec![block.problem_at("key", "must not be empty")]);
    }
    credential.signer(false, block).map_err(|problem| vec![problem])?;
    Ok(credential.key)
}

impl Credential {
    fn signer(&self, base64: bool, block: &Block) -> Result<Signer, Problem> {
        let algorithm = self.algorithm;
        let way = algorithm.way().ok_or_else(|| {
            block.problem_at("algorithm", "ES512 cannot be checked here: its curve P-521 is not available").help("use ES384")
        })?;
        let check = match (way, &self.secret, &self.rsa_public_key) {
            (Way::Secret(_), None, _) => return Err(missing(block, "secret", algorithm)),
            (Way::Secret(_), Some(secret), _) if secret.is_empty() => {
                return Err(block.problem_at("secret", "must not be empty"));
            }
            (Way::Secret(way), Some(secret), _) if base64 => {
                let secret =
                    decode(secret).ok_or_else(|| block.problem_at("secret", "is no base64, as `secret_is_base64` says"))?;
                Check::Secret(hmac::Key::new(way, &secret))
            }
            (Way::Secret(way), Some(secret), _) => Check::Secret(hmac::Key::new(way, secret.as_bytes())),
            (Way::PublicKey(..), _, None) => return Err(missing(block, "rsa_public_key", algorithm)),
            (Way::PublicKey(family, way), _, Some(pem)) => {
                let key = public_key::read(pem, family).map_err(|why| block.problem_at("rsa_public_key", why))?;
                Check::PublicKey(UnparsedPublicKey::new(way, key))
            }
        };
        Ok(Signer { algorithm, check })
    }
}

fn missing(block: &Block, key: &str, algorithm: Algorithm) -> Problem {
    block.problem(format!("required field missing: {key}")).help(format!("{} is checked by it", algorithm.name()))
}

/// Secrets are written in either alphabet.
fn decode(secret: &str) -> Option<Vec<u8>> {
    let lax = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let read = |alphabet| GeneralPurpose::new(alphabet, lax).decode(secret).ok();
    read(&STANDARD).or_else(|| read(&URL_SAFE)).filter(|secret| !secret.is_empty())
}
