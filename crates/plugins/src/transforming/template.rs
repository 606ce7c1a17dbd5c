//! Values with `$(…)` in them: what a header, an argument or a part of the path says.
//!
//! Kong runs Lua there. Here is what is mostly written: `$(headers.name)`, `$(query_params["name"])` and
//! `$(uri_captures.name)`, several with `or` between them, and texts in quotes.

use http::HeaderMap;
use http::header::{HOST, HeaderName};

use crate::auth::told;
use crate::cx::Memory;

/// A value that is put together for each request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// The first of them that is there.
    First(Vec<Source>),
}

#[derive(Clone, Debug, PartialEq)]
enum Source {
    Header(HeaderName),
    Argument(String),
    Capture(String),
    Text(String),
}

/// What a template may speak of.
pub(crate) struct Env<'a> {
    pub headers: &'a HeaderMap,
    pub query: &'a str,
    pub memory: &'a Memory,
}

impl Template {
    /// A text without anything in it.
    pub fn plain(text: String) -> Self {
        Self(vec![Piece::Text(text)])
    }

    /// Reads a template, or says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("$(") {
            let (before, expression) = (&rest[..start], &rest[start + 2..]);
            let end = end_of(expression).ok_or_else(|| format!("`{text}`: a $( without its )"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::First(sources(&expression[..end]).ok_or_else(|| not_known(&expression[..end]))?));
            rest = &expression[end + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The text for this request; none if it is empty.
    pub fn text(&self, env: &Env<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::First(sources) => text.push_str(&sources.iter().find_map(|source| source.text(env)).unwrap_or_default()),
            }
        }
        Some(text).filter(|text| !text.is_empty())
    }
}

impl Source {
    fn text(&self, env: &Env<'_>) -> Option<String> {
        let header = |name: &HeaderName| Some(env.headers.get(name)?.to_str().ok()?.to_owned());
        match self {
            Self::Text(text) => Some(text.clone()),
            // On its way to the upstream a request has the upstream's.
            Self::Header(name) if *name == HOST => header(&HeaderName::from_static("x-forwarded-host")).or_else(|| header(&HOST)),
            Self::Header(name) => match told(env.memory, name) {
                Some(value) => value.and_then(|value| value.to_str().ok().map(str::to_owned)),
                None => header(name),
            },
            Self::Argument(name) => {
                let mut arguments = form_urlencoded::parse(env.query.as_bytes());
                arguments.find(|(known, _)| known == name.as_str()).map(|(_, value)| value.into_owned())
            }
            Self::Capture(name) => {
                env.memory.captures.iter().find(|(known, _)| **known == **name).map(|(_, value)| value.to_string())
            }
        }
    }
}

/// Where an expression ends: at a closing bracket outside of quotes.
fn end_of(expression: &str) -> Option<usize> {
    let mut quote = None;
    expression.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, ')') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        None
    })
}

fn sources(expression: &str) -> Option<Vec<Source>> {
    expression.split(" or ").map(|part| source(part.trim())).collect()
}

fn source(text: &str) -> Option<Source> {
    if let Some(text) = quoted(text) {
        return Some(Source::Text(text.to_owned()));
    }
    let (table, name) = match text.split_once('[') {
        Some((table, rest)) => {
            let inner = rest.strip_suffix(']')?.trim();
            let number = || Some(inner).filter(|inner| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit()));
            (table.trim(), quoted(inner).or_else(number)?)
        }
        None => text.split_once('.').filter(|(_, name)| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))?,
    };
    match table {
        // Lua's tables of headers know both spellings.
        "headers" => HeaderName::try_from(name.replace('_', "-")).ok().map(Source::Header),
        "query_params" => Some(Source::Argument(name.to_owned())),
        "uri_captures" => Some(Source::Capture(name.to_owned())),
        _ => None,
    }
}

fn quoted(text: &str) -> Option<&str> {
    let of = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    of('"').or_else(|| of('\''))
}

fn not_known(expression: &str) -> String {
    format!(
        "`$({expression})` is not understood: write headers.NAME, query_params.NAME, uri_captures.NAME, or [\"NAME\"] for the name, \
         and `or` between several; Lua is not run here"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(template: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert("x-a", "1".parse().expect("a value"));
        headers.insert("x-consumer-username", "root".parse().expect("a value"));
        let memory = Memory { captures: vec![("id".into(), "42".into()), ("1".into(), "42".into())], ..Memory::default() };
        let env = Env { headers: &headers, query: "q=a+b&q=c", memory: &memory };
        assert_eq!(Template::read(template).expect("a sound template").text(&env).as_deref(), expected, "{template}");
    }

    #[test]
    fn a_template_says_what_the_request_says() {
        check("plain", Some("plain"));
        check("a $(headers.x_a) b", Some("a 1 b"));
        check("$(headers[\"X-A\"])", Some("1"));
        check("$(query_params.q)$(query_params['q'])", Some("a ba b"));
        check("/u/$(uri_captures['id'])/$(uri_captures[1])", Some("/u/42/42"));
        check("$(headers.none)", None);
        check("$(headers.none or headers.x_a)", Some("1"));
        check("$(headers.none or 'a)b')", Some("a)b"));
        // What a client claims to be is not believed.
        check("$(headers[\"x-consumer-username\"] or \"nobody\")", Some("nobody"));
        check("100$", Some("100$"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["$(os.exit())", "$(headers.a", "$(headers)", "$(headers.a .. headers.b)", "$(uri_captures[a])", "$()"] {
            assert!(Template::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,30}|[$()a-z.\"'\\[\\] ]{0,30}") {
            let _ = Template::read(&text);
        }
    }
}
