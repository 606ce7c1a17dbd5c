//! What of a request is hashed, so that it comes to the same peer as the one before.

use http::header::{COOKIE, HeaderValue};
use http::request::Parts;
use sluice_config::{HashInput, HashOn};
use uuid::Uuid;

use super::hashing::hash;
use super::upstream::Hashing;
use crate::ctx::Ctx;

/// The key of a request, and the cookie that its client is given with it; no key: it has nothing that is hashed.
pub(crate) fn key_of(hashing: &Hashing, request: &Parts, ctx: &Ctx) -> (Option<u64>, Option<HeaderValue>) {
    let found = key(&hashing.on, request, ctx).or_else(|| key(&hashing.fallback, request, ctx));
    let Some(name) = [&hashing.on, &hashing.fallback].into_iter().find(|input| input.on == HashOn::Cookie) else {
        return (found, None);
    };
    let (Some(name), None) = (&name.name, found) else { return (found, None) };
    let value = Uuid::new_v4().to_string();
    let cookie = HeaderValue::from_str(&format!("{name}={value}; Path={}", hashing.cookie_path)).ok();
    (Some(hash(value.as_bytes())), cookie)
}

fn key(input: &HashInput, request: &Parts, ctx: &Ctx) -> Option<u64> {
    let name = input.name.as_deref();
    match input.on {
        HashOn::None => None,
        HashOn::Consumer => ctx.memory.consumer.as_ref().map(|consumer| hash(consumer.id.as_bytes())),
        HashOn::Ip => Some(hash(ctx.client_ip.to_string().as_bytes())),
        HashOn::Header => {
            let mut lines = request.headers.get_all(name?).iter().map(HeaderValue::as_bytes).peekable();
            lines.peek()?;
            Some(hash(&lines.collect::<Vec<_>>().join(&b", "[..])))
        }
        HashOn::Cookie => cookie(request, name?).map(|value| hash(value.as_bytes())),
        HashOn::Path => Some(hash(request.uri.path().as_bytes())),
        HashOn::QueryArg => {
            let mut arguments = form_urlencoded::parse(request.uri.query()?.as_bytes());
            arguments.find(|(key, _)| Some(&**key) == name).map(|(_, value)| hash(value.as_bytes()))
        }
    }
}

/// The value of a cookie.
fn cookie<'a>(request: &'a Parts, name: &str) -> Option<&'a str> {
    let lines = request.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}
