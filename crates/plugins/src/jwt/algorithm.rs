//! How tokens are signed (RFC 7518 and 8037).

use ring::hmac;
use ring::signature::{self, VerificationAlgorithm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An algorithm, by the name that tokens have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the names are those of RFC 7518")]
pub(super) enum Algorithm {
    #[default]
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    #[serde(rename = "EdDSA")]
    Eddsa,
}

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// How it is checked.
pub(super) enum Way {
    Secret(hmac::Algorithm),
    PublicKey(Family, &'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Eddsa => "EdDSA",
        }
    }

    /// How it is checked; none: it cannot be.
    pub fn way(self) -> Option<Way> {
        let rsa = |algorithm: &'static signature::RsaParameters| Way::PublicKey(Family::Rsa, algorithm);
        Some(match self {
            Self::Hs256 => Way::Secret(hmac::HMAC_SHA256),
            Self::Hs384 => Way::Secret(hmac::HMAC_SHA384),
            Self::Hs512 => Way::Secret(hmac::HMAC_SHA512),
            Self::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Way::PublicKey(Family::P256, &signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Way::PublicKey(Family::P384, &signature::ECDSA_P384_SHA384_FIXED),
            Self::Es512 => return None,
            Self::Eddsa => Way::PublicKey(Family::Ed25519, &signature::ED25519),
        })
    }
}
