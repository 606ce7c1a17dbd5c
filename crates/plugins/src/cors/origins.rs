//! The origins from where scripts may call: written out, or as regular expressions.

use http::HeaderValue;
use regex::Regex;
use sluice_config::Problem;

use crate::plugin::BuildCx;

/// Which origins may call.
pub(super) enum Origins {
    /// All.
    All,
    /// One, which is told whoever asks.
    One(HeaderValue),
    /// Those that one of these stands for.
    Some(Vec<Pattern>),
}

pub(super) enum Pattern {
    /// This one.
    Plain(String),
    /// Those that it describes from their beginning to their end.
    Origin(Regex),
    /// The same of their host names.
    Host(Regex),
}

impl Origins {
    /// Reads what is written.
    pub fn read(written: &[String], cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Self {
        if written.is_empty() || written.iter().any(|origin| origin == "*") {
            return Self::All;
        }
        if let [one] = written
            && is_plain(one)
            && let Ok(value) = HeaderValue::from_str(one)
        {
            return Self::One(value);
        }
        let mut patterns = Vec::new();
        for (index, origin) in written.iter().enumerate() {
            match Pattern::read(origin) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let error = error.to_string();
                    let why = error.lines().last().unwrap_or_default().trim().to_owned();
                    problems.push(Problem::at(cx.block.path().key("origins").index(index), format!("`{origin}`: {why}")));
                }
            }
        }
        Self::Some(patterns)
    }

    pub fn are_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The origin that is allowed, if this one is.
    pub fn allowed(&self, origin: Option<&str>) -> Option<HeaderValue> {
        match self {
            Self::All => Some(HeaderValue::from_static("*")),
            Self::One(one) => Some(one.clone()),
            Self::Some(patterns) => {
                let origin = normalised(origin?);
                let found = patterns.iter().any(|pattern| pattern.is(&origin));
                found.then(|| HeaderValue::from_str(&origin).ok()).flatten()
            }
        }
    }
}

impl Pattern {
    fn read(origin: &str) -> Result<Self, regex::Error> {
        if is_plain(origin) {
            return Ok(Self::Plain(normalised(origin)));
        }
        let whole = Regex::new(&format!("^(?:{})$", origin.trim_start_matches('^').trim_end_matches('$')))?;
        Ok(if origin.contains(':') { Self::Origin(whole) } else { Self::Host(whole) })
    }

    fn is(&self, origin: &str) -> bool {
        match self {
            Self::Plain(plain) => plain == origin,
            Self::Origin(whole) => whole.is_match(origin),
            Self::Host(whole) => whole.is_match(host(origin)),
        }
    }
}

/// Whether it has nothing of a regular expression but dots.
fn is_plain(origin: &str) -> bool {
    origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:/-".contains(&byte))
}

/// Without the port that is its scheme's own.
fn normalised(origin: &str) -> String {
    let own = [("http://", ":80"), ("https://", ":443")];
    let port = own.iter().find(|(scheme, _)| origin.starts_with(scheme)).map_or("", |(_, port)| port);
    origin.strip_suffix(port).unwrap_or(origin).to_owned()
}

fn host(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    match rest.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_as_a_whole() {
        let check = |pattern: &str, origin: &str, expected: bool| {
            let pattern = Pattern::read(pattern).expect("a sound pattern");
            assert_eq!(pattern.is(&normalised(origin)), expected, "{origin}");
        };
        check("https://a.example:443", "https://a.example", true);
        check("http://a.example", "http://a.example:80", true);
        check("http://a.example", "https://a.example", false);
        check("https://a.example", "https://aXexample", false);
        check(r"https?://.*\.a\.example", "https://x.a.example", true);
        check(r"https?://.*\.a\.example", "https://x.a.example.evil", false);
        check(r"^https://a\.example$", "https://a.example", true);
        check(r"(.*\.)?a\.example", "https://x.a.example:8443", true);
        check(r"(.*\.)?a\.example", "https://eviLa.example.org", false);
        check(r"(.*\.)?a\.example", "https://xa.example", false);
        check(r"b\.example|a\.example", "https://xa.example", false);
    }
}
