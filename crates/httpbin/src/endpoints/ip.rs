//! `GET /ip`

use serde_json::json;

use super::{Endpoint, Methods};
use crate::{ask::Ask, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint = Endpoint {
    path: "/ip",
    summary: "where the request came from: X-Forwarded-For, or else the peer",
    methods: Methods::Get,
    answer,
};

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::json(json!({"origin": ask.origin()})))
}
