//! `GET /`

use super::{ENDPOINTS, Endpoint, Methods};
use crate::{ask::Ask, body, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint = Endpoint { path: "/", summary: "this list", methods: Methods::Get, answer };

fn answer(_: &Ask) -> Result<Reply, Problem> {
    let line = |endpoint: &Endpoint| format!("{:<11} {:<20} {}\n", endpoint.methods(), endpoint.path, endpoint.summary);
    let list: String = ENDPOINTS.iter().map(line).collect();
    Ok(Reply::new("text/plain; charset=utf-8", body::whole(list)))
}
