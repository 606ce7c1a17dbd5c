//! Signatures: Standard Webhooks 1.0 for every key, and Kong's own for `config.secret`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use sluice_config::{EventHook, Problem};

/// What a key of Standard Webhooks begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a key has.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const KONG_SIGNATURE: HeaderName = HeaderName::from_static("x-kong-signature");

/// The headers that are set here and nowhere else.
pub(crate) static HEADERS: [HeaderName; 4] = [ID, TIMESTAMP, SIGNATURE, KONG_SIGNATURE];

/// A key that signs. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    /// A key of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes.
    fn standard(text: &str) -> Result<Self, &'static str> {
        let encoded = text.strip_prefix(PREFIX).ok_or("a key begins with `whsec_`")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` is no base64")?;
        if LENGTH.contains(&bytes.len()) { Ok(Self(bytes)) } else { Err("a key has 24 to 64 bytes") }
    }

    /// Kong's `secret`: a key of Standard Webhooks, or else any text.
    fn of_secret(text: &str) -> Self {
        Self::standard(text).unwrap_or_else(|_| Self(text.as_bytes().to_vec()))
    }

    fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

/// The keys of the hook's `secrets`.
pub(crate) fn keys(hook: &EventHook) -> (Vec<Key>, Vec<Problem>) {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for (index, secret) in hook.secrets.iter().enumerate() {
        match Key::standard(secret) {
            Ok(key) => keys.push(key),
            Err(message) => {
                let problem = Problem::at(hook.path.key("secrets").index(index), message);
                problems.push(problem.help("make one with: echo whsec_$(openssl rand -base64 32)"));
            }
        }
    }
    (keys, problems)
}

/// Signs what one hook sends.
pub(crate) struct Signer {
    keys: Vec<Key>,
    /// `config.secret` as it stands there.
    kong: Option<Key>,
}

impl Signer {
    /// Signs with the keys, and with Kong's `secret`.
    pub fn new(keys: &[Key], secret: Option<&str>) -> Self {
        let keys = keys.iter().cloned().chain(secret.map(Key::of_secret)).collect();
        Self { keys, kong: secret.map(|secret| Key(secret.as_bytes().to_vec())) }
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
            headers.insert(KONG_SIGNATURE, ascii(&format!("sha256={}", hex::encode(key.sign(&[body])))));
        }
    }

    /// One signature for each key, so that a key can be replaced without a gap.
    fn signatures(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let signed = format!("{id}.{timestamp}.");
        let each = self.keys.iter().map(|key| format!("v1,{}", STANDARD.encode(key.sign(&[signed.as_bytes(), body]))));
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
        check("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a key begins with `whsec_`");
        check("whsec_***", "what follows `whsec_` is no base64");
        check("whsec_c2hvcnQ=", "a key has 24 to 64 bytes");
        assert_eq!(format!("{:?}", Key::of_secret("hush")), "Key(***)");
    }
}
