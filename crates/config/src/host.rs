//! Hosts as routes write them and as clients send them: a name or an address, and a port if one is there.

/// The host without port and without the brackets of an IPv6 address, and the port.
pub fn split_host(text: &str) -> (&str, Option<u16>) {
    if let Some(inside) = text.strip_prefix('[') {
        return match inside.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, rest)) => match rest.strip_prefix(':') {
                Some("") => (host, None),
                Some(port) => port_of(port).map_or((text, None), |port| (host, Some(port))),
                None => (text, None),
            },
            None => (text, None),
        };
    }
    match text.split_once(':') {
        Some((host, "")) => (host, None),
        // More than one colon is an IPv6 address without its brackets.
        Some((host, port)) => port_of(port).map_or((text, None), |port| (host, Some(port))),
        None => (text, None),
    }
}

fn port_of(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// What is wrong with a host of a route, if anything is.
pub(crate) fn refuse_host(text: &str) -> Option<String> {
    let (host, port) = split_host(text);
    let stars = host.matches('*').count();
    if stars > 1 {
        return Some("invalid wildcard: must have at most one wildcard".to_owned());
    }
    if stars == 1 && !host.starts_with("*.") && !host.ends_with(".*") {
        return Some("invalid wildcard: must be placed at leftmost or rightmost label".to_owned());
    }
    let address = host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_ok();
    let name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte));
    let labels = !host.is_empty() && host.trim_end_matches('.').split('.').all(|label| !label.is_empty());
    if port == Some(0) || !(address || (name && labels)) {
        return Some(format!("invalid hostname: {text}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_parted_from_its_port() {
        let check = |text: &str, host: &str, port: Option<u16>| assert_eq!(split_host(text), (host, port), "{text}");
        check("example.com", "example.com", None);
        check("example.com:80", "example.com", Some(80));
        check("example.com:", "example.com", None);
        check("example.com:x", "example.com:x", None);
        check("example.com:+8", "example.com:+8", None);
        check("example.com:99999", "example.com:99999", None);
        check("[::1]", "::1", None);
        check("[::1]:80", "::1", Some(80));
        check("[::1]x", "[::1]x", None);
        check("::1", "::1", None);
        check("*.example.com:80", "*.example.com", Some(80));
        check("", "", None);
    }

    #[test]
    fn a_wildcard_stands_for_the_first_or_the_last_label() {
        let check = |text: &str, good: bool| assert_eq!(refuse_host(text).is_none(), good, "{text}");
        check("example.com", true);
        check("*.example.com:8000", true);
        check("example.*", true);
        check("[2001:db8::1]:80", true);
        check("2001:db8::1", true);
        check("10.0.0.1", true);
        check("my_host-1", true);
        check("*", false);
        check("a.*.com", false);
        check("*a.com", false);
        check("*.a.*", false);
        check("a b", false);
        check("http://a", false);
        check("a..b", false);
        check("a:0", false);
        check("", false);
    }
}
