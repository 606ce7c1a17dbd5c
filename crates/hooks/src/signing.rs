//! Signatures: Standard Webhooks 1.0 for every key (`v1`, HMAC-SHA256, for a `whsec_`; `v1a`, Ed25519, for a `whsk_`), and
//! Kong's own for `config.secret`.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;
use sluice_config::{EventHook, Problem};

/// What a key of Standard Webhooks begins with that both sides have.
const SHARED: &str = "whsec_";
/// What one begins with that only the sender has.
const PRIVATE: &str = "whsk_";
/// What the other half of such a key begins with, for receivers.
const PUBLIC: &str = "whpk_";
/// How many bytes a key has.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const KONG_SIGNATURE: HeaderName = HeaderName::from_static("x-kong-signature");

/// The headers that are set here and nowhere else.
pub(crate) static HEADERS: [HeaderName; 4] = [ID, TIMESTAMP, SIGNATURE, KONG_SIGNATURE];

/// A key that signs. It is never shown.
#[derive(Clone)]
pub struct Key(Secret);

#[derive(Clone)]
enum Secret {
    Shared(Vec<u8>),
    Pair(Arc<Ed25519KeyPair>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    /// A key of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and that of an Ed25519 seed, with
    /// or without the public key behind it.
    fn standard(text: &str) -> Result<Self, &'static str> {
        if let Some(encoded) = text.strip_prefix(PRIVATE) {
            let bytes = STANDARD.decode(encoded).map_err(|_| "what follows `whsk_` is no base64")?;
            let pair = match bytes.split_at_checked(32) {
                Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
                Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => return Err("an Ed25519 key has 32 bytes, or 64 with the public key behind it"),
            };
            let pair = pair.map_err(|_| "an Ed25519 key has 32 bytes, or 64 with its own public key behind it")?;
            return Ok(Self(Secret::Pair(Arc::new(pair))));
        }
        let encoded = text.strip_prefix(SHARED).ok_or("a key begins with `whsec_`, or with `whsk_` for Ed25519")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` is no base64")?;
        if LENGTH.contains(&bytes.len()) { Ok(Self::shared(bytes)) } else { Err("a key has 24 to 64 bytes") }
    }

    fn shared(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Secret::Shared(bytes.into()))
    }

    /// Kong's `secret`: a key of Standard Webhooks, or else any text.
    fn of_secret(text: &str) -> Self {
        Self::standard(text).unwrap_or_else(|_| Self::shared(text.as_bytes()))
    }

    /// A signature with its version.
    fn signature(&self, parts: &[&[u8]]) -> String {
        match &self.0 {
            Secret::Shared(key) => format!("v1,{}", STANDARD.encode(hmac(key, parts))),
            Secret::Pair(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(&parts.concat()))),
        }
    }

    /// What receivers check its signatures with, if it is no secret that both have.
    pub(crate) fn public(&self) -> Option<String> {
        use ring::signature::KeyPair as _;
        let Secret::Pair(pair) = &self.0 else { return None };
        Some(format!("{PUBLIC}{}", STANDARD.encode(pair.public_key())))
    }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The keys of the hook's `secrets`.
pub(crate) fn keys(hook: &EventHook) -> (Vec<Key>, Vec<Problem>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (index, secret) in hook.secrets.iter().enumerate() {
        match Key::standard(secret) {
            Ok(key) => keys.push(key),
            Err(message) => {
                let problem = Problem::at(hook.path.key("secrets").index(index), message);
                problems.push(
                    problem.help(format!("make one with: echo {SHARED}$(openssl rand -base64 32); for Ed25519: echo {PRIVATE}$(openssl rand -base64 32)")),
                );
            }
        }
    }
    (keys, problems)
}

/// Signs what one hook sends.
pub(crate) struct Signer {
    keys: Vec<Key>,
    /// `config.secret` as it stands there.
    kong: Option<Vec<u8>>,
}

impl Signer {
    /// Signs with the keys, and with Kong's `secret`.
    pub fn new(keys: &[Key], secret: Option<&str>) -> Self {
        let keys = keys.iter().cloned().chain(secret.map(Key::of_secret)).collect();
        Self { keys, kong: secret.map(|secret| secret.as_bytes().to_vec()) }
    }

    /// Adds id, time and signatures of a request with this body.
    pub fn sign(&self, headers: &mut HeaderMap, id: &str, timestamp: u64, body: &[u8]) {
        headers.insert(ID, ascii(id));
        headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
        let signatures = self.signatures(id, timestamp, body);
        if !signatures.is_empty() {
            headers.insert(SIGNATURE, ascii(&signatures));
        }
        if let Some(key) = &self.kong {
            headers.insert(KONG_SIGNATURE, ascii(&format!("sha256={}", hex::encode(hmac(key, &[body])))));
        }
    }

    /// One signature for each key, so that a key can be replaced without a gap.
    fn signatures(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signed = format!("{id}.{timestamp}.");
        let each = self.keys.iter().map(|key| key.signature(&[signed.as_bytes(), body]));
        each.collect::<Vec<_>>().join(" ")
    }
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids, base64 and hex are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn signed(signer: &Signer) -> HeaderMap {
        let mut headers = HeaderMap::new();
        signer.sign(&mut headers, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY);
        headers
    }

    #[test]
    fn the_published_example_of_standard_webhooks() {
        let key = Key::standard(SECRET).expect("a good key");
        let headers = signed(&Signer::new(&[key], None));
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(!headers.contains_key("x-kong-signature"));
    }

    #[test]
    fn every_key_signs_and_kongs_secret_twice() {
        let key = Key::standard(SECRET).expect("a good key");
        let headers = signed(&Signer::new(&[key], Some("key")));
        let signatures: Vec<&str> = headers["webhook-signature"].to_str().expect("ASCII").split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert_eq!(signatures[0], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(signatures[0], signatures[1]);
        let with_whsec = signed(&Signer::new(&[], Some(SECRET)));
        assert_eq!(with_whsec["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_private_key_signs_with_ed25519_and_its_public_half_verifies() {
        // Test 1 of RFC 8032, section 7.1.
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").expect("hex");
        let public = hex::decode("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").expect("hex");
        for bytes in [seed.clone(), [seed.clone(), public.clone()].concat()] {
            let key = Key::standard(&format!("whsk_{}", STANDARD.encode(&bytes))).expect("a good key");
            assert_eq!(key.public(), Some(format!("whpk_{}", STANDARD.encode(&public))));
            let headers = signed(&Signer::new(&[key, Key::standard(SECRET).expect("a good key")], None));
            let all = headers["webhook-signature"].to_str().expect("ASCII");
            let (first, second) = all.split_once(' ').expect("two signatures");
            assert_eq!(second, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
            let signature = STANDARD.decode(first.strip_prefix("v1a,").expect("the version")).expect("base64");
            let message = [b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.", BODY].concat();
            let verifier = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &public);
            verifier.verify(&message, &signature).expect("it verifies");
            assert!(verifier.verify(b"another", &signature).is_err());
        }
        let wrong = [seed, vec![1; 32]].concat();
        assert!(Key::standard(&format!("whsk_{}", STANDARD.encode(wrong))).is_err(), "a public key of another");
    }

    #[test]
    fn kongs_signature_is_hex_over_the_body() {
        let mut headers = HeaderMap::new();
        // The example of RFC 4231, test case 2.
        Signer::new(&[], Some("Jefe")).sign(&mut headers, "msg_1", 1, b"what do ya want for nothing?");
        assert_eq!(headers["x-kong-signature"], "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn without_a_key_there_is_no_signature() {
        let headers = signed(&Signer::new(&[], None));
        assert!(headers.contains_key("webhook-id") && !headers.contains_key("webhook-signature"));
    }

    #[test]
    fn keys_are_checked() {
        let check = |text: &str, expected: &str| assert_eq!(Key::standard(text).err().unwrap_or_default(), expected);
        check(SECRET, "");
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a key begins with `whsec_`, or with `whsk_` for Ed25519");
        check("whsk_c2hvcnQ=", "an Ed25519 key has 32 bytes, or 64 with the public key behind it");
        check("whsk_***", "what follows `whsk_` is no base64");
        check("whsec_***", "what follows `whsec_` is no base64");
        check("whsec_c2hvcnQ=", "a key has 24 to 64 bytes");
        assert_eq!(format!("{:?}", Key::of_secret("hush")), "Key(***)");
    }
}
