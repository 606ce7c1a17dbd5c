//! `GET /stream/{n}`

use bytes::Bytes;

use super::{Endpoint, Methods};
use crate::{ask::Ask, body, problem::Problem, reply::Reply};

/// More is cut to this, as on httpbin.org.
const MOST: u64 = 100;

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/stream/{n}", summary: "n lines of JSON, chunk by chunk, 100 at most", methods: Methods::Get, answer };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let count = ask.number()?.min(MOST);
    let mut shown = ask.shown();
    let lines = (0..count).map(move |id| {
        shown["id"] = id.into();
        Bytes::from(format!("{shown}\n"))
    });
    Ok(Reply::new("application/json", body::lazy(lines)))
}
