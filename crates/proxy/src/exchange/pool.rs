//! Connections to upstreams that wait for their next request. Each thread has its own: nothing is shared, nothing locks.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::stream::Stream;
use crate::balancer::Address;

/// How long a connection may wait.
const IDLE: Duration = Duration::from_secs(60);
/// How many may wait for one address on one thread.
const MOST: usize = 512;
/// How often those that waited too long, or were closed, are looked for.
const SWEEP: Duration = Duration::from_secs(5);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

#[derive(Default)]
struct Pool {
    waiting: HashMap<Address, VecDeque<(Instant, Stream)>>,
    /// Whether the sweeper of this thread is at work.
    swept: bool,
}

/// A connection to this address that is still open, the one that was used last first.
pub(super) fn take(address: &Address) -> Option<Stream> {
    POOL.with_borrow_mut(|pool| {
        let waiting = pool.waiting.get_mut(address)?;
        while let Some((_, stream)) = waiting.pop_back() {
            if stream.is_open() {
                return Some(stream);
            }
        }
        None
    })
}

/// Keeps a connection for the next request.
pub(super) fn put(address: Address, stream: Stream) {
    let begin = POOL.with_borrow_mut(|pool| {
        let waiting = pool.waiting.entry(address).or_default();
        if waiting.len() >= MOST {
            waiting.pop_front();
        }
        waiting.push_back((Instant::now(), stream));
        !std::mem::replace(&mut pool.swept, true)
    });
    if begin {
        tokio::spawn(sweeper());
    }
}

/// Closes what waited too long, until nothing waits.
async fn sweeper() {
    loop {
        tokio::time::sleep(SWEEP).await;
        let done = POOL.with_borrow_mut(|pool| {
            let now = Instant::now();
            for waiting in pool.waiting.values_mut() {
                waiting.retain(|(since, stream)| now.duration_since(*since) < IDLE && stream.is_open());
            }
            pool.waiting.retain(|_, waiting| !waiting.is_empty());
            pool.swept = !pool.waiting.is_empty();
            !pool.swept
        });
        if done {
            return;
        }
    }
}
