//! What stands around a check costs: floods of newcomers, the watch, requests in flight.
//! `cargo bench -p sluice-limits --bench around`

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use divan::{Bencher, Divan, black_box};
use sluice_limits::{
    ALGORITHMS, Budget, InFlight, Key, Keys, Limiter, ManualClock, Nanos, Net, Quota, SharedClock, Watch, algorithm,
};

const ROOM: usize = 100_000;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::fixed(1));

fn main() {
    Divan::from_args().sample_count(50).sample_size(20_000).main();
}

fn key(number: u64) -> Key {
    KEYS.key(&[&number.to_le_bytes()])
}

/// A client that was never there, of one of so many networks.
fn newcomer(networks: u32) -> Key {
    static NEXT: AtomicU64 = AtomicU64::new(u32::MAX as u64);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    match networks {
        0 => key(number),
        _ => key(number).in_network(Net::of(((number as u32 % networks) << 8).to_be_bytes().into())),
    }
}

/// A limiter without room: all its keys are limited. The clock stands still.
fn full(name: &str) -> Arc<dyn Limiter> {
    let clock = SharedClock::new(ManualClock::at(Duration::from_secs(1_800_000_000)));
    let quota = Quota::new(1, Duration::from_secs(60));
    let algorithm = algorithm(name).expect("it is in the list");
    let limiter = (algorithm.build)(&quota, clock, &Budget::new(ROOM)).expect("a sound quota");
    (0..ROOM as u64).for_each(|number| assert!(limiter.check(key(number), 1).admitted));
    limiter
}

fn names() -> impl Iterator<Item = &'static str> {
    ALGORITHMS.iter().map(|algorithm| algorithm.name)
}

/// The key is made as well, which takes about 25 ns.
#[divan::bench(args = [0, 1, 10_000, 1_000_000])]
fn newcomer_without_room_of_networks(bencher: Bencher<'_, '_>, networks: u32) {
    let limiter = full("sliding");
    bencher.bench(|| limiter.check(newcomer(networks), 1));
}

/// A known key, while another thread sends nothing but newcomers.
#[divan::bench(args = names())]
fn known_key_during_a_flood(bencher: Bencher<'_, '_>, name: &str) {
    let limiter = full(name);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                limiter.check(newcomer(10_000), 1);
            }
        });
        bencher.bench(|| limiter.check(black_box(key(1)), 1));
        over.store(true, Ordering::Relaxed);
    });
}

/// For comparison: the same without the flood.
#[divan::bench(args = names())]
fn known_key(bencher: Bencher<'_, '_>, name: &str) {
    let limiter = full(name);
    bencher.bench(|| limiter.check(black_box(key(1)), 1));
}

#[divan::bench(args = names())]
fn peek(bencher: Bencher<'_, '_>, name: &str) {
    let limiter = full(name);
    let key = key(1);
    bencher.bench(|| limiter.peek(black_box(key)));
}

fn refuse(watch: &Watch, number: u64) -> bool {
    watch.refused(key(number), Nanos::new(0), Nanos::new(1), || format!("client {number}"))
}

#[divan::bench(threads = [1, 2])]
fn watch_admitted_while_nobody_is_refused(bencher: Bencher<'_, '_>) {
    let watch = Watch::new(ROOM);
    let key = key(1);
    bencher.bench(|| black_box(&watch).admitted(black_box(key)));
}

#[divan::bench(threads = [1, 2])]
fn watch_admitted_while_others_are_refused(bencher: Bencher<'_, '_>) {
    let watch = Watch::new(ROOM);
    (0..1_000).for_each(|number| assert!(refuse(&watch, number)));
    let key = key(2_000);
    bencher.bench(|| black_box(&watch).admitted(black_box(key)));
}

#[divan::bench(threads = [1, 2])]
fn watch_refused_again(bencher: Bencher<'_, '_>) {
    let watch = Watch::new(ROOM);
    let key = key(1);
    bencher.bench(|| black_box(&watch).refused(black_box(key), Nanos::new(0), Nanos::new(1), || "client 1".to_owned()));
}

#[divan::bench(threads = [1, 2])]
fn in_flight_there_and_back(bencher: Bencher<'_, '_>) {
    let limit = InFlight::new(100, &Budget::default());
    let key = key(1);
    bencher.bench(|| limit.acquire(black_box(key)).is_some());
}
