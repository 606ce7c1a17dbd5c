//! `/status/{code}`

use http::{HeaderValue, StatusCode, header};

use super::{Endpoint, Methods};
use crate::{ask::Ask, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint = Endpoint {
    path: "/status/{code}",
    summary: "this status, 200 to 599; of several, as in 200,200,503, a random one",
    methods: Methods::Any,
    answer,
};

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let codes: Vec<_> = ask.parameter.split(',').map(code).collect::<Result<_, _>>()?;
    let status = codes[fastrand::usize(..codes.len())];
    let reply = Reply::empty().status(status);
    Ok(match status.as_u16() {
        301 | 302 | 303 | 305 | 307 | 308 => reply.header(header::LOCATION, HeaderValue::from_static("/redirect/1")),
        401 => reply.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Fake Realm\"")),
        407 => reply.header(header::PROXY_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Fake Realm\"")),
        _ => reply,
    })
}

/// A final status; a 1xx would leave the client waiting for another.
pub(super) fn code(text: &str) -> Result<StatusCode, Problem> {
    let number = text.parse().ok().filter(|number| (200..600).contains(number));
    let status = number.and_then(|number: u16| StatusCode::from_u16(number).ok());
    status.ok_or_else(|| Problem::Bad(format!("a status is a number from 200 to 599, not \"{text}\"")))
}
