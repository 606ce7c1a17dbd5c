//! `GET /redirect/{n}`

use http::{HeaderValue, StatusCode, header};

use super::{Endpoint, Methods};
use crate::{ask::Ask, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/redirect/{n}", summary: "n redirects, then /get", methods: Methods::Get, answer };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let location = match ask.number()? {
        0 => {
            return Err(Problem::Bad("there must be one redirect or more".to_owned()));
        }
        1 => HeaderValue::from_static("/get"),
        n => HeaderValue::try_from(format!("/redirect/{}", n - 1)).map_err(|error| Problem::Bad(error.to_string()))?,
    };
    Ok(Reply::empty().status(StatusCode::FOUND).header(header::LOCATION, location))
}
