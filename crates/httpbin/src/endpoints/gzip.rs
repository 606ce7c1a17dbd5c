//! `GET /gzip`

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use http::{HeaderValue, header};
use serde_json::json;

use super::{Endpoint, Methods};
use crate::{ask::Ask, body, problem::Problem, reply::Reply};

pub(super) const ENDPOINT: Endpoint =
    Endpoint { path: "/gzip", summary: "a gzip-encoded answer, whatever the client accepts", methods: Methods::Get, answer };

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let shown = json!({
        "gzipped": true,
        "headers": ask.headers(),
        "method": ask.head.method.as_str(),
        "origin": ask.origin(),
    });
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = writeln!(encoder, "{shown:#}").and_then(|()| encoder.finish());
    let encoded = written.map_err(|error| Problem::Bad(error.to_string()))?;
    Ok(Reply::new("application/json", body::whole(encoded)).header(header::CONTENT_ENCODING, HeaderValue::from_static("gzip")))
}
