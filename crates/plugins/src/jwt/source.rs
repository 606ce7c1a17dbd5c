//! Where in a request a token may be.

use std::borrow::Cow;

use http::header::{COOKIE, HeaderName};
use http::request::Parts;
use sluice_config::Problem;

use super::Options;
use crate::plugin::BuildCx;

/// The places of a token.
pub(super) struct Source {
    pub arguments: Vec<String>,
    cookies: Vec<String>,
    headers: Vec<HeaderName>,
}

/// What was found there.
pub(super) enum Found<'a> {
    Nothing,
    One(Cow<'a, str>),
    /// Tokens that are not the same.
    Several,
}

impl Source {
    pub fn read(options: &Options, cx: &BuildCx<'_>, problems: &mut Vec<Problem>) -> Self {
        if options.uri_param_names.is_empty() && options.cookie_names.is_empty() && options.header_names.is_empty() {
            problems.push(cx.block.problem("no token can be found: there is no argument, no cookie and no header for it"));
        }
        let mut headers = Vec::new();
        for (index, name) in options.header_names.iter().enumerate() {
            match HeaderName::try_from(name) {
                Ok(name) => headers.push(name),
                Err(_) => {
                    let path = cx.block.path().key("header_names").index(index);
                    problems.push(Problem::at(path, format!("`{name}` is no header name")));
                }
            }
        }
        Self { arguments: options.uri_param_names.clone(), cookies: options.cookie_names.clone(), headers }
    }

    /// The token of a request.
    pub fn find<'a>(&self, request: &'a Parts) -> Found<'a> {
        let mut found = Found::Nothing;
        if !self.arguments.is_empty() {
            let query = form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes());
            query.filter(|(name, _)| self.arguments.iter().any(|known| known == name)).for_each(|(_, token)| found.add(token));
        }
        if !self.cookies.is_empty() {
            let lines = request.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
            let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
            pairs
                .filter(|(name, _)| self.cookies.iter().any(|known| known == name))
                .for_each(|(_, token)| found.add(token.into()));
        }
        for name in &self.headers {
            let values = request.headers.get_all(name).iter();
            values.filter_map(|value| bearer(value.to_str().ok()?)).for_each(|token| found.add(token.into()));
        }
        found
    }
}

impl<'a> Found<'a> {
    fn add(&mut self, token: Cow<'a, str>) {
        match self {
            _ if token.is_empty() => {}
            Self::Nothing => *self = Self::One(token),
            Self::One(known) if *known == token => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

/// What stands behind `Bearer`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}
