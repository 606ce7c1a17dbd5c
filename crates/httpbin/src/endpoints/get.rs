//! `GET /get`

use super::{Endpoint, Methods};
use crate::{ask::Ask, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/get", summary: "the request's query, headers and origin", methods: Methods::Get, answer };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::json(ask.shown()))
}
