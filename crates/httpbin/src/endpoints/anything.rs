//! `/anything` and every path below it

use super::{Endpoint, Methods};
use crate::{ask::Ask, form, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/anything", summary: "the same for any method, which it names", methods: Methods::Any, answer };

pub(super) const BELOW: Endpoint = Endpoint { path: "/anything/{path...}", summary: "the same for any path", ..ENDPOINT };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let mut shown = form::shown(ask);
    shown["method"] = ask.head.method.as_str().into();
    Ok(Reply::json(shown))
}
