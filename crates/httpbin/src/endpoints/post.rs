//! `POST /post`

use super::{Endpoint, Methods};
use crate::{ask::Ask, form, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/post", summary: "the same, and the body as form, files, JSON or data", methods: Methods::Post, answer };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    Ok(Reply::json(form::shown(ask)))
}
