//! What a request must be beside its host and its path, for a route to take it.

use http::Method;
use http::header::{HeaderName, HeaderValue};
use sluice_config::{Pattern, Route, RouteSource};

use super::Target;

/// All conditions of a route but hosts and paths.
#[derive(Default)]
pub(super) struct Conditions {
    pub methods: Vec<Method>,
    pub headers: Vec<HeaderCondition>,
    pub snis: Vec<Sni>,
    pub sources: Vec<RouteSource>,
    /// Whether there are none, as in most routes.
    none: bool,
}

/// What a header must be.
pub(super) struct HeaderCondition {
    pub name: HeaderName,
    /// Values in any case.
    pub values: Vec<String>,
    pub patterns: Vec<Pattern>,
}

/// The name that a client must have asked for.
pub(super) enum Sni {
    Name(String),
    /// The end of a name whose first label may be any.
    EndsWith(String),
    /// The beginning of a name whose last label may be any.
    BeginsWith(String),
}

impl Conditions {
    pub fn of(route: &Route) -> Self {
        let headers = route.headers.iter().filter_map(|(name, values)| HeaderCondition::new(name, values));
        let mut conditions = Self {
            methods: route.methods.iter().filter_map(|method| method.parse().ok()).collect(),
            headers: headers.collect(),
            snis: route.snis.iter().map(|sni| Sni::new(sni)).collect(),
            sources: route.sources.clone(),
            none: false,
        };
        let Self { methods, headers, snis, sources, .. } = &conditions;
        conditions.none = methods.is_empty() && headers.is_empty() && snis.is_empty() && sources.is_empty();
        conditions
    }

    /// Whether all of them hold.
    pub fn hold(&self, target: &Target<'_>) -> bool {
        self.none
            || ((self.methods.is_empty() || self.methods.contains(target.method))
                // Without TLS nobody has asked for a name: Kong does not judge by it then.
                && (self.snis.is_empty() || !target.secure || self.snis.iter().any(|sni| sni.is(target.sni)))
                && (self.sources.is_empty() || self.sources.iter().any(|source| is_from(source, target)))
                && self.headers.iter().all(|header| header.holds(target)))
    }
}

impl HeaderCondition {
    fn new(name: &str, values: &[String]) -> Option<Self> {
        let (patterns, values): (Vec<&String>, Vec<&String>) = values.iter().partition(|value| value.starts_with("~*"));
        Some(Self {
            name: name.parse().ok()?,
            values: values.into_iter().cloned().collect(),
            // What does not compile was refused when the configuration was read.
            patterns: patterns.into_iter().filter_map(|pattern| Pattern::of_value(&pattern[2..]).ok()).collect(),
        })
    }

    fn holds(&self, target: &Target<'_>) -> bool {
        target.headers.get_all(&self.name).iter().map(HeaderValue::as_bytes).any(|said| {
            self.values.iter().any(|value| value.as_bytes().eq_ignore_ascii_case(said))
                || self.patterns.iter().any(|pattern| pattern.is_in(said))
        })
    }
}

impl Sni {
    fn new(text: &str) -> Self {
        // The dot at the end of a whole name says nothing.
        let text = text.strip_suffix('.').unwrap_or(text);
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (Some(end), _) => Self::EndsWith(end.to_owned()),
            (None, Some(start)) => Self::BeginsWith(start.to_owned()),
            (None, None) => Self::Name(text.to_owned()),
        }
    }

    fn is(&self, asked: Option<&str>) -> bool {
        let Some(asked) = asked.map(str::as_bytes) else { return false };
        let part = |range: Option<&[u8]>, text: &str| range.is_some_and(|range| range.eq_ignore_ascii_case(text.as_bytes()));
        match self {
            Self::Name(name) => asked.eq_ignore_ascii_case(name.as_bytes()),
            Self::EndsWith(end) => asked.len() > end.len() && part(asked.get(asked.len() - end.len()..), end),
            Self::BeginsWith(start) => asked.len() > start.len() && part(asked.get(..start.len()), start),
        }
    }
}

fn is_from(source: &RouteSource, target: &Target<'_>) -> bool {
    let (ip, port) = target.peer;
    source.ip.is_none_or(|net| net.contains(&ip)) && source.port.is_none_or(|known| known == port)
}
