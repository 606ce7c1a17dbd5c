//! A token as it is written: head, claims and signature, each in base64url, with dots between them (RFC 7515).

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

/// RFC 7515 knows no padding; some write it all the same.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// A token, of which nothing is checked yet.
pub(super) struct Token<'t> {
    pub head: Map<String, Value>,
    pub claims: Map<String, Value>,
    /// What the signature is of.
    pub signed: &'t str,
    pub signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Reads a token, or says what it lacks.
    pub fn read(text: &'t str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [head, claims, signature] = parts[..] else { return Err("it has not three parts") };
        let signed = &text[..head.len() + 1 + claims.len()];
        let (head, claims) = (object(head)?, object(claims)?);
        if head.contains_key("crit") {
            return Err("it asks for what is not understood here");
        }
        let signature = BASE64.decode(signature).map_err(|_| "its signature is no base64url")?;
        Ok(Self { head, claims, signed, signature })
    }

    /// The algorithm that it claims to be signed with.
    pub fn algorithm(&self) -> Option<&str> {
        self.head.get("alg").and_then(Value::as_str)
    }
}

fn object(part: &str) -> Result<Map<String, Value>, &'static str> {
    let json = BASE64.decode(part).map_err(|_| "a part of it is no base64url")?;
    serde_json::from_slice(&json).map_err(|_| "a part of it is no JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_has_three_parts_of_which_two_are_json() {
        let part = |json: &str| BASE64.encode(json);
        let (head, claims) = (part(r#"{"alg":"HS256"}"#), part(r#"{"iss":"a"}"#));
        let read = |text: &str| Token::read(text).map(|token| (token.algorithm().map(str::to_owned), token.signed.len()));
        let token = format!("{head}.{claims}.c2ln");
        assert_eq!(read(&token), Ok((Some("HS256".into()), token.len() - 5)));
        for (wrong, why) in [
            (format!("{head}.{claims}"), "it has not three parts"),
            (format!("{token}.x"), "it has not three parts"),
            (format!("{head}.{}.c2ln", part("[]")), "a part of it is no JSON object"),
            (format!("!.{claims}.c2ln"), "a part of it is no base64url"),
            (format!("{head}.{claims}.!"), "its signature is no base64url"),
            (format!("{}.{claims}.c2ln", part(r#"{"crit":["b64"]}"#)), "it asks for what is not understood here"),
        ] {
            assert_eq!(read(&wrong), Err(why), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[A-Za-z0-9_.=-]{0,80}|\\PC{0,40}") {
            if let Ok(token) = Token::read(&text) {
                prop_assert!(text.starts_with(token.signed));
            }
        }
    }
}
