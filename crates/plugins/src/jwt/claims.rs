//! What a token must say of when it counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A time in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Claim {
    /// Until when it counts.
    Exp,
    /// From when it counts.
    Nbf,
}

/// What is wanted of a token.
pub(super) struct Claims {
    pub wanted: Vec<Claim>,
    /// How many seconds from now it may count at most; 0: as long as it says.
    pub most: u32,
}

/// What is wrong with which claim.
pub(super) type Errors = BTreeMap<&'static str, &'static str>;

impl Claims {
    /// Checks the claims at a time in Unix seconds.
    pub fn check(&self, claims: &Map<String, Value>, now: u64) -> Result<(), Errors> {
        let now = now as f64;
        let mut errors = Errors::new();
        for claim in &self.wanted {
            let name = match claim {
                Claim::Exp => "exp",
                Claim::Nbf => "nbf",
            };
            let error = match (claims.get(name).and_then(Value::as_f64), claim) {
                (None, _) => "must be a number",
                (Some(until), Claim::Exp) if until <= now => "token expired",
                (Some(until), Claim::Exp) if self.most > 0 && until - now > f64::from(self.most) => {
                    "exceeds maximum allowed expiration"
                }
                (Some(from), Claim::Nbf) if from > now => "token not valid yet",
                (Some(_), _) => continue,
            };
            errors.insert(name, error);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_must_be_there_and_right() {
        let claims = Claims { wanted: vec![Claim::Exp, Claim::Nbf], most: 60 };
        let check = |said: Value, expected: &[(&'static str, &'static str)]| {
            let said = said.as_object().cloned().unwrap_or_default();
            let errors = claims.check(&said, 1_000).err().unwrap_or_default();
            assert_eq!(errors.into_iter().collect::<Vec<_>>(), expected, "{said:?}");
        };
        check(json!({ "exp": 1_001, "nbf": 1_000 }), &[]);
        check(json!({ "exp": 1_060.0, "nbf": 0 }), &[]);
        check(json!({ "exp": 1_000, "nbf": 1_001 }), &[("exp", "token expired"), ("nbf", "token not valid yet")]);
        check(json!({ "exp": 1_061, "nbf": 1 }), &[("exp", "exceeds maximum allowed expiration")]);
        check(json!({ "exp": "1061" }), &[("exp", "must be a number"), ("nbf", "must be a number")]);
    }
}
