//! Tests of the limiters from outside: one suite over every algorithm, references, races, floods.

mod accuracy;
mod bounded;
mod bounds;
mod conformance;
mod late;
mod looks;
mod races;
mod rebuilt;
mod reference;
mod replay;
mod storm;

use std::{sync::Arc, time::Duration};

use sluice_limits::{Algorithm, Budget, Key, Keys, Limiter, ManualClock, Quota, SharedClock};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A limiter and the clock that it reads, which stands at a window's start.
fn limiter(algorithm: &Algorithm, quota: &Quota) -> (Arc<dyn Limiter>, ManualClock) {
    limiter_within(&Budget::default(), algorithm, quota)
}

/// The same with room for so many keys.
fn limiter_within(budget: &Budget, algorithm: &Algorithm, quota: &Quota) -> (Arc<dyn Limiter>, ManualClock) {
    let clock = ManualClock::at(Duration::from_secs(1_800_000_000));
    let limiter = (algorithm.build)(quota, SharedClock::new(clock.clone()), budget).expect("a sound quota");
    (limiter, clock)
}

/// The key of the client with this number.
fn client(number: u64) -> Key {
    Keys::fixed(0).key(&[b"client", &number.to_le_bytes()])
}

fn sliding() -> &'static Algorithm {
    sluice_limits::algorithm("sliding").expect("it is in the list")
}

fn fixed() -> &'static Algorithm {
    sluice_limits::algorithm("fixed").expect("it is in the list")
}

fn exact() -> &'static Algorithm {
    sluice_limits::algorithm("exact").expect("it is in the list")
}

fn gcra() -> &'static Algorithm {
    sluice_limits::algorithm("gcra").expect("it is in the list")
}
