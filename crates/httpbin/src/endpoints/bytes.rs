//! `GET /bytes/{n}`

use bytes::Bytes;
use fastrand::Rng;

use super::{Endpoint, Methods};
use crate::{ask::Ask, body, problem::Problem, reply::Reply};

/// More is cut to this: enough to see that a gateway streams.
const MOST: u64 = 100 * 1024 * 1024;

const CHUNK: u64 = 16 * 1024;

pub(super) const ENDPOINT: Endpoint = Endpoint {
    path: "/bytes/{n}",
    summary: "n random bytes, 100 MiB at most; the same ones for the same ?seed=",
    methods: Methods::Get,
    answer,
};

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let length = ask.number()?.min(MOST);
    let rng = Rng::with_seed(ask.query("seed", fastrand::u64(..))?);
    Ok(Reply::new("application/octet-stream", body::lazy(Random { rng, left: length })).length(length))
}

/// Chunks of random bytes until none is left.
struct Random {
    rng: Rng,
    left: u64,
}

impl Iterator for Random {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let length = self.left.min(CHUNK);
        self.left -= length;
        let mut chunk = vec![0; usize::try_from(length).ok().filter(|length| *length > 0)?];
        self.rng.fill(&mut chunk);
        Some(chunk.into())
    }
}
