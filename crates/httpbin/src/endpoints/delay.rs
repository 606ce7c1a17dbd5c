//! `/delay/{n}`

use std::time::Duration;

use super::{Endpoint, Methods};
use crate::{ask::Ask, form, problem::Problem, reply::Reply};

/// More is cut to this, as on httpbin.org.
const LONGEST: Duration = Duration::from_secs(10);

pub(super) const ENDPOINT: Endpoint = Endpoint {
    path: "/delay/{n}",
    summary: "what /post answers, for any method, after n seconds: 10 at most, fractions allowed",
    methods: Methods::Any,
    answer,
};

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let wait = seconds("the delay", ask.parameter.parse().unwrap_or(f64::NAN))?.min(LONGEST);
    Ok(Reply::json(form::shown(ask)).after(wait))
}

/// A time that a client gave in seconds.
pub(super) fn seconds(what: &str, seconds: f64) -> Result<Duration, Problem> {
    Duration::try_from_secs_f64(seconds).map_err(|_| Problem::Bad(format!("{what} must be a number of seconds, 0 or more")))
}
