//! What a certificate says of itself: the names that it is for, and when it is valid.

use std::net::IpAddr;

use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

/// What a certificate says.
pub(crate) struct Said {
    /// Host names in lower case, a leading label may be `*`; and addresses.
    pub names: Vec<String>,
    pub not_before: i64,
    pub not_after: i64,
}

/// Reads a certificate.
pub(crate) fn read(der: &[u8]) -> Result<Said, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| format!("the certificate cannot be read: {error}"))?;
    let validity = certificate.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok(Said { names: names(&certificate), not_before, not_after })
}

/// The names that it is for; that of its subject counts only if there are no others.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let Some(alternative) = alternative else {
        let common = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        return common.filter(|name| is_host(name)).map(str::to_ascii_lowercase).into_iter().collect();
    };
    let named = alternative.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    });
    named.collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Whether it is the name of a host; its first label may be `*`.
pub(crate) fn is_host(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    let good = |label: &str| {
        !label.is_empty() && label.len() < 64 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() < 254 && labels.into_iter().all(good)
}

/// Whether a certificate of this name is one for that host. A `*` stands for one label; both are in lower case.
pub fn covers(name: &str, host: &str) -> bool {
    match name.strip_prefix('*') {
        Some(end) => {
            host.strip_suffix(end).is_some_and(|label| !label.is_empty() && (label == "*" || !label.contains(['.', '*'])))
        }
        None => name == host,
    }
}

/// A moment as people read it.
pub(crate) fn date(unix: i64) -> String {
    ASN1Time::from_timestamp(unix).map_or_else(|_| unix.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        let check = |name: &str, host: &str, expected: bool| assert_eq!(covers(name, host), expected, "{name} {host}");
        check("a.example", "a.example", true);
        check("a.example", "b.a.example", false);
        check("*.a.example", "b.a.example", true);
        check("*.a.example", "*.a.example", true);
        check("*.a.example", "a.example", false);
        check("*.a.example", ".a.example", false);
        check("*.a.example", "c.b.a.example", false);
        check("a.example", "*.example", false);
        check("127.0.0.1", "127.0.0.1", true);
    }

    #[test]
    fn hosts_have_labels() {
        let check = |name: &str, expected: bool| assert_eq!(is_host(name), expected, "{name}");
        check("localhost", true);
        check("*.example.com", true);
        check("my_host.example", true);
        check("a..b", false);
        check("*", false);
        check("a.*", false);
        check("Some Body", false);
        check("", false);
    }

    #[test]
    fn rubbish_is_no_certificate() {
        assert!(read(b"\x30\x03\x02\x01\x01").is_err());
        assert_eq!(date(1_700_000_000), "Nov 14 22:13:20 2023 +00:00");
    }
}
