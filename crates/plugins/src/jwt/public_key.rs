//! Public keys as PEM files have them (RFC 7468, 5280): what is in them for the algorithm, and nothing else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::algorithm::Family;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const IDENTIFIER: u8 = 0x06;

/// What is signed with an RSA key of fewer bits is refused.
const FEWEST_BITS: usize = 2048;

/// The bytes of a key of this family, as its algorithm takes them.
pub(super) fn read(pem: &str, family: Family) -> Result<Vec<u8>, String> {
    let (label, der) = unwrap(pem)?;
    let found = match label {
        "RSA PUBLIC KEY" => Some((Family::Rsa, der)),
        "PUBLIC KEY" => spki(&der),
        _ if label.contains("PRIVATE") => return Err("it is a private key; the public one checks tokens".into()),
        _ => return Err(format!("it is a `{label}`; write one that begins with -----BEGIN PUBLIC KEY-----")),
    };
    let (of, key) = found.ok_or("no key that is known here can be read in it")?;
    if of != family {
        return Err(format!("it is a key of {}, and the algorithm needs one of {}", name(of), name(family)));
    }
    let sound = match of {
        Family::Rsa => {
            let bits = modulus_bits(&key).ok_or("the numbers of an RSA key cannot be read in it")?;
            if bits < FEWEST_BITS {
                return Err(format!("it has {bits} bits, and should have {FEWEST_BITS} at least"));
            }
            bits <= 8192
        }
        Family::P256 => key.len() == 65 && key[0] == 4,
        Family::P384 => key.len() == 97 && key[0] == 4,
        Family::Ed25519 => key.len() == 32,
    };
    sound.then_some(key).ok_or_else(|| "the key in it has not the length of its kind".into())
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Rsa => "RSA",
        Family::P256 => "the curve P-256",
        Family::P384 => "the curve P-384",
        Family::Ed25519 => "Ed25519",
    }
}

/// The label and the bytes of the one block of a PEM text.
fn unwrap(pem: &str) -> Result<(&str, Vec<u8>), &'static str> {
    const NONE: &str = "it is no PEM text, which begins with -----BEGIN PUBLIC KEY-----";
    let rest = pem.trim().strip_prefix("-----BEGIN ").ok_or(NONE)?;
    let (label, rest) = rest.split_once("-----").ok_or(NONE)?;
    let (body, end) = rest.split_once("-----END ").ok_or(NONE)?;
    if end.strip_prefix(label) != Some("-----") {
        return Err(NONE);
    }
    let body: String = body.split_ascii_whitespace().collect();
    Ok((label, BASE64_STANDARD.decode(body).map_err(|_| "what stands between its first and last line is no base64")?))
}

/// The algorithm and the key of a SubjectPublicKeyInfo.
fn spki(der: &[u8]) -> Option<(Family, Vec<u8>)> {
    let (info, []) = element(der, SEQUENCE)? else { return None };
    let (algorithm, rest) = element(info, SEQUENCE)?;
    let (identifier, parameters) = element(algorithm, IDENTIFIER)?;
    let (bits, []) = element(rest, BIT_STRING)? else { return None };
    let (0, key) = bits.split_first()? else { return None };
    let family = match identifier {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => Family::Rsa,
        [0x2b, 0x65, 0x70] => Family::Ed25519,
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => match element(parameters, IDENTIFIER)?.0 {
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Family::P256,
            [0x2b, 0x81, 0x04, 0x00, 0x22] => Family::P384,
            _ => return None,
        },
        _ => return None,
    };
    Some((family, key.to_vec()))
}

/// How many bits the modulus of an RSAPublicKey has.
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (numbers, []) = element(der, SEQUENCE)? else { return None };
    let (modulus, rest) = element(numbers, INTEGER)?;
    element(rest, INTEGER)?;
    let significant = modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &modulus[at..]);
    let first = significant.first()?;
    Some(significant.len() * 8 - first.leading_zeros() as usize)
}

/// The content of the DER element that comes first, if it has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ ..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrap(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let check = |pem: &str, expected: &str| {
            let error = read(pem, Family::Rsa).expect_err("no key");
            assert!(error.contains(expected), "{error}");
        };
        check("abc", "no PEM text");
        check("-----BEGIN PUBLIC KEY-----\n???\n-----END PUBLIC KEY-----", "no base64");
        check("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no PEM text");
        check(&wrap("PRIVATE KEY", b"x"), "private key");
        check(&wrap("CERTIFICATE", b"x"), "`CERTIFICATE`");
        check(&wrap("PUBLIC KEY", b"x"), "no key that is known");
        check(&wrap("RSA PUBLIC KEY", &[0x30, 6, 2, 1, 9, 2, 1, 3]), "it has 4 bits");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(der in proptest::collection::vec(any::<u8>(), 0..80)) {
            for (label, family) in [("PUBLIC KEY", Family::P256), ("RSA PUBLIC KEY", Family::Rsa)] {
                let _ = read(&wrap(label, &der), family);
            }
        }
    }
}
