//! `GET /drip`

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::{Endpoint, Methods, delay::seconds, status};
use crate::{ask::Ask, body, problem::Problem, reply::Reply};

/// More is cut to this, as on httpbin.org.
const MOST: u32 = 10 * 1024 * 1024;

/// Longer times are cut to this.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) const ENDPOINT: Endpoint = Endpoint {
    path: "/drip",
    summary: "?numbytes=10 over ?duration=2 seconds, after ?delay=0 seconds, with ?code=200",
    methods: Methods::Get,
    answer,
};

fn answer(ask: &Ask) -> Result<Reply, Problem> {
    let duration = seconds("duration", ask.query("duration", 2.0)?)?.min(LONGEST);
    let delay = seconds("delay", ask.query("delay", 0.0)?)?.min(LONGEST);
    let code = status::code(&ask.query("code", "200".to_owned())?)?;
    let count = ask.query("numbytes", 10)?.min(MOST);
    if count == 0 {
        return Err(Problem::Bad("numbytes must be 1 or more".to_owned()));
    }
    if code == StatusCode::NO_CONTENT {
        return Ok(Reply::empty().status(code).after(delay));
    }
    let body = body::timed(drops(duration, count));
    Ok(Reply::new("application/octet-stream", body).status(code).length(count.into()).after(delay))
}

/// `count` bytes: the first at once, the others evenly over `duration`. Those that are due together come together.
fn drops(duration: Duration, count: u32) -> impl Stream<Item = Bytes> {
    stream::unfold((None, 0), move |(start, sent)| async move {
        if sent == count {
            return None;
        }
        let start = start.unwrap_or_else(Instant::now);
        sleep_until(start + duration.mul_f64(f64::from(sent) / f64::from(count))).await;
        let passed = start.elapsed().div_duration_f64(duration);
        let end = if duration.is_zero() { count } else { ((passed * f64::from(count)) as u32 + 1).clamp(sent + 1, count) };
        let drops = vec![b'*'; usize::try_from(end - sent).unwrap_or_default()];
        Some((drops.into(), (Some(start), end)))
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drops_come_evenly_and_the_first_at_once() {
        let start = Instant::now();
        let mut drops = pin!(drops(Duration::from_secs(10), 5));
        for second in [0, 2, 4, 6, 8] {
            assert_eq!(drops.next().await.unwrap(), "*");
            assert_eq!(start.elapsed(), Duration::from_secs(second));
        }
        assert_eq!(drops.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_keeps_to_its_time() {
        let start = Instant::now();
        let chunks: Vec<_> = drops(Duration::from_secs(1), MOST).collect().await;
        assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>(), usize::try_from(MOST).unwrap());
        assert!(start.elapsed() <= Duration::from_secs(1), "took {:?}", start.elapsed());
    }
}
