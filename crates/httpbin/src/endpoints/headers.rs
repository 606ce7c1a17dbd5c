//! `GET /headers`

use serde_json::json;

use super::{Endpoint, Methods};
use crate::{ask::Ask, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/headers", summary: "the request's headers", methods: Methods::Get, answer };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::json(json!({"headers": ask.headers()})))
}
