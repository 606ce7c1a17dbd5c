//! The words of a route that have a rule of their own: paths, and values of headers.

use crate::diagnostics::Problem;
use crate::key_path::KeyPath;
use crate::normalise::normalise;
use crate::pattern::Pattern;

/// Why a word cannot stand, and what can.
pub(crate) struct Refusal {
    message: String,
    help: Option<String>,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub fn at(self, path: KeyPath) -> Problem {
        Problem { help: self.help, ..Problem::at(path, self.message) }
    }
}

/// What is wrong with a path: a plain one is normal already, and one behind a `~` is a regular expression.
pub(crate) fn refuse_path(path: &str) -> Option<Refusal> {
    let regex = path.strip_prefix('~');
    if !regex.unwrap_or(path).starts_with('/') {
        return Some(Refusal::new("should start with: / (fixed path) or ~/ (regex path)"));
    }
    if path.contains("//") {
        let refusal = Refusal::new("must not have empty segments");
        return Some(refusal.help("requests are normalised before they are matched: \"//\" becomes \"/\""));
    }
    if let Some(bad) = bad_triplet(path) {
        let refusal = Refusal::new(format!("invalid url-encoded value: '{bad}'"));
        return Some(refusal.help("a % that means itself is written %25"));
    }
    match regex {
        Some(regex) => refuse_regex(regex, Pattern::of_path(regex)),
        None => refuse_plain(path),
    }
}

fn refuse_plain(path: &str) -> Option<Refusal> {
    if path.contains(['?', '#']) {
        let refusal = Refusal::new("a path has no place for a query or a fragment");
        return Some(refusal.help("routes are matched by the path alone; a ? that is part of one is written %3F, a # %23"));
    }
    let normal = normalise(path);
    if normal == path {
        return None;
    }
    let refusal = Refusal::new(format!("non-normalized path, consider use '{normal}' instead"));
    Some(refusal.help("requests are normalised before they are matched"))
}

/// What is wrong with a value of a header: one behind `~*` is a regular expression.
pub(crate) fn refuse_value(value: &str) -> Option<Refusal> {
    match value.strip_prefix("~*") {
        Some(regex) => refuse_regex(regex, Pattern::of_value(regex)),
        None => None,
    }
}

fn refuse_regex(text: &str, compiled: Result<Pattern, String>) -> Option<Refusal> {
    let why = compiled.err()?;
    let help = match why.contains("not supported") {
        true => "a client chooses what they read, so they take time in proportion to it alone: no look-around, no backreferences",
        false => "the syntax is that of Rust's regex crate: Perl's without look-around and backreferences",
    };
    Some(Refusal::new(format!("invalid regex: '{text}' ({why})")).help(help))
}

/// The first `%` that begins no triplet, with what follows it.
fn bad_triplet(path: &str) -> Option<&str> {
    path.match_indices('%').find_map(|(at, _)| {
        let rest = &path[at..];
        let end = rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end);
        let digits = rest[1..end].bytes().filter(u8::is_ascii_hexdigit).count();
        (digits < 2 || end < 3).then(|| &rest[..end])
    })
}

/// Whether a name of a header may hold this.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_normal_or_a_regular_expression() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(refuse_path(path).map(|refusal| refusal.message).as_deref(), expected, "{path}");
        };
        let start = Some("should start with: / (fixed path) or ~/ (regex path)");
        check("/demo", None);
        check("/", None);
        check("/a%20b/%2F", None);
        check(r"~/users/\d+$", None);
        check("demo", start);
        check("", start);
        check("~demo", start);
        check("/a//b", Some("must not have empty segments"));
        check("~/a//b", Some("must not have empty segments"));
        check("/a/../b", Some("non-normalized path, consider use '/b' instead"));
        check("/a%2fb", Some("non-normalized path, consider use '/a%2Fb' instead"));
        check("/%61", Some("non-normalized path, consider use '/a' instead"));
        check("/a b", Some("non-normalized path, consider use '/a%20b' instead"));
        check("/a%2", Some("invalid url-encoded value: '%2'"));
        check("/a%2words", Some("invalid url-encoded value: '%2w'"));
        check("~/a%zz", Some("invalid url-encoded value: '%zz'"));
        check("/a?b", Some("a path has no place for a query or a fragment"));
        check("~/a(", Some("invalid regex: '/a(' (unclosed group at its character 3)"));
    }

    #[test]
    fn a_value_of_a_header_is_itself_or_a_regular_expression() {
        assert!(refuse_value("v1(").is_none());
        assert!(refuse_value("~*^v[12]$").is_none());
        assert!(refuse_value("~*v(").is_some());
    }
}
