//! What a check costs: `cargo bench -p sluice-limits --bench limiter`.
//!
//! First the memory of a million keys is printed, by resident set. Then times per check, the clock included.

#![allow(clippy::print_stdout)]

use std::{
    cell::Cell,
    fs,
    num::NonZeroU32,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use divan::{Bencher, Divan, black_box};
use governor::{RateLimiter, clock::Clock as _, middleware::NoOpMiddleware, state::keyed::DashMapStateStore};
use sluice_limits::{
    ALGORITHMS, Budget, Clock, Key, Keys, Kind, Limiter, ManualClock, Nanos, Policy, Quota, Room, SharedClock, UnixClock,
    algorithm,
};

const MILLION: usize = 1_000_000;
const YEAR: Duration = Duration::from_secs(31_536_000);

/// So much that a bench never spends it, and yet the counts of `sliding` fit one word.
const PLENTY: Quota = Quota::new(130_000_000, YEAR);

/// As much of it as an algorithm takes. A single key spends all of `exact`, which has benches of its own for that.
fn plenty(name: &str) -> Quota {
    let max_limit = algorithm(name).expect("it is in the list").max_limit;
    Quota { limit: PLENTY.limit.min(max_limit), ..PLENTY }
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::fixed(1));
static IP: LazyLock<Kind> = LazyLock::new(|| KEYS.kind(b"ip"));

fn main() {
    // Benches of one kind are run alone: `-- hot_key`; then nobody waits for this.
    let all = std::env::args().skip(1).all(|argument| argument.starts_with("--"));
    for name in names().filter(|_| all) {
        print_memory(name, plenty(name));
    }
    if all {
        print_memory("sliding", Quota { charge_rejected: true, ..PLENTY });
    }
    Divan::from_args().sample_count(50).sample_size(20_000).main();
}

fn names() -> impl Iterator<Item = &'static str> {
    ALGORITHMS.iter().map(|algorithm| algorithm.name)
}

/// Those that one key never spends.
fn ample_names() -> impl Iterator<Item = &'static str> {
    names().filter(|name| plenty(name) == PLENTY)
}

fn key(number: usize) -> Key {
    KEYS.key(&[&number.to_le_bytes()])
}

fn limiter(name: &str, quota: Quota) -> Arc<dyn Limiter> {
    let algorithm = algorithm(name).expect("it is in the list");
    // As the gateway has them.
    let clock = if algorithm.name == "exact" { SharedClock::counted() } else { SharedClock::coarse() };
    (algorithm.build)(&quota, clock, &Budget::default()).expect("a sound quota")
}

fn print_memory(name: &str, quota: Quota) {
    let before = resident_bytes();
    let limiter = limiter(name, quota);
    for number in 0..MILLION {
        limiter.check(key(number), 1);
    }
    let bytes = resident_bytes() - before;
    let layout = match (name, quota.charge_rejected) {
        ("exact", _) => "logs of one request",
        (_, true) => "spread",
        _ => "one word",
    };
    let start = Instant::now();
    limiter.forget_idle();
    let sweep = start.elapsed();
    let (keys, size, each) = (limiter.keys(), bytes / 1024, bytes / MILLION);
    println!("{name}, {layout}: {keys} keys take {size} KiB, {each} bytes each; a sweep takes {sweep:?}");
}

/// The second number of statm: resident pages.
fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux tells a process its memory");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    4096 * pages.expect("statm has two numbers")
}

#[divan::bench]
fn unix_clock() -> Nanos {
    black_box(UnixClock).now()
}

/// As a limiter sees the clocks.
#[divan::bench(args = ["unix", "counted", "coarse"])]
fn shared_clock(bencher: Bencher<'_, '_>, name: &str) {
    fn read(clock: &impl Clock) -> Nanos {
        clock.now()
    }
    let clock = match name {
        "unix" => SharedClock::unix(),
        "counted" => SharedClock::counted(),
        _ => SharedClock::coarse(),
    };
    bencher.bench(|| read(black_box(&clock)));
}

#[divan::bench]
fn key_of_an_address() -> Key {
    IP.key(black_box(&[192, 0, 2, 123]))
}

/// For comparison: governor's own store and clock, with our keys.
#[divan::bench(threads = [1, 2])]
fn hot_key_governor_alone(bencher: Bencher<'_, '_>) {
    let limiter = governor_alone();
    let key = key(0);
    bencher.bench(|| limiter.check_key(black_box(&key)).is_ok());
}

type Governor = RateLimiter<Key, DashMapStateStore<Key>, UnixClock, NoOpMiddleware<Nanos>>;

fn governor_alone() -> Governor {
    let limit = NonZeroU32::new(1_000_000_000).expect("it is more than zero");
    RateLimiter::dashmap_with_clock(governor::Quota::per_hour(limit), UnixClock)
}

#[divan::bench(args = ample_names(), threads = [1, 2])]
fn hot_key_admitted(bencher: Bencher<'_, '_>, name: &str) {
    let limiter = limiter(name, PLENTY);
    let key = key(0);
    bencher.bench(|| limiter.check(black_box(key), 1));
}

#[divan::bench(args = names(), threads = [1, 2])]
fn hot_key_refused(bencher: Bencher<'_, '_>, name: &str) {
    let limiter = limiter(name, Quota::new(1, YEAR));
    let key = key(0);
    limiter.check(key, 1);
    bencher.bench(|| limiter.check(black_box(key), 1));
}

/// A full log of this size, from which one request leaves for each that comes: by a clock that passes with each check.
#[divan::bench(args = [5, 100, 10_000], threads = [1, 2])]
fn hot_key_exact_admitted(bencher: Bencher<'_, '_>, limit: u64) {
    let clock = ManualClock::at(Duration::from_secs(1_800_000_000));
    let exact = algorithm("exact").expect("it is in the list");
    let limiter = (exact.build)(&Quota::new(limit, Duration::from_secs(1)), SharedClock::new(clock.clone()), &Budget::default())
        .expect("a sound quota");
    let (key, pause) = (key(0), Duration::from_nanos(1_000_000_000_u64.div_ceil(limit)));
    limiter.check(key, limit as u32);
    bencher.bench(|| {
        clock.advance(pause);
        limiter.check(black_box(key), 1)
    });
}

/// The same by the system's clock, with a log that is full: all are refused.
#[divan::bench(threads = [1, 2])]
fn hot_key_exact_full(bencher: Bencher<'_, '_>) {
    let limiter = limiter("exact", Quota::new(10_000, YEAR));
    let key = key(0);
    limiter.check(key, 10_000);
    bencher.bench(|| limiter.check(black_box(key), 1));
}

#[divan::bench(threads = [1, 2])]
fn hot_key_sliding_spread(bencher: Bencher<'_, '_>) {
    let limiter = limiter("sliding", Quota { charge_rejected: true, ..PLENTY });
    let key = key(0);
    bencher.bench(|| limiter.check(black_box(key), 1));
}

/// The last window weighs on this one, which takes a division more: by 64 bits after a minute, by 128 after a year.
#[divan::bench(args = [60, 31_536_000])]
fn hot_key_sliding_overlap(bencher: Bencher<'_, '_>, seconds: u64) {
    let window = Duration::from_secs(seconds);
    let clock = Shifted::default();
    let sliding = algorithm("sliding").expect("it is in the list");
    let limiter = (sliding.build)(&Quota::new(130_000, window), SharedClock::new(clock.clone()), &Budget::default())
        .expect("a sound quota");
    let key = key(0);
    limiter.check(key, 100_000);
    clock.0.store(window.as_nanos() as u64, Ordering::Relaxed);
    bencher.bench(|| limiter.check(black_box(key), 0));
}

/// The system's clock, some time ahead.
#[derive(Clone, Default)]
struct Shifted(Arc<AtomicU64>);

impl governor::clock::Clock for Shifted {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        UnixClock.now() + Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// The second, the minute and the hour, as a policy.
#[divan::bench(args = ample_names())]
fn policy_of_three_windows(bencher: Bencher<'_, '_>, name: &str) {
    let policy = Policy::new((0..3).map(|_| limiter(name, PLENTY)).collect()).expect("three windows");
    let key = key(0);
    bencher.bench(|| {
        let mut room = Room::new();
        policy.check(black_box(key), 1, &mut room).refused_by
    });
}

#[divan::bench(args = names().chain(["governor alone"]), threads = [1, 2])]
fn million_keys_even(bencher: Bencher<'_, '_>, name: &str) {
    static DRAWS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let mut random = fastrand::Rng::with_seed(1);
        (0..1 << 20).map(|_| key(random.usize(..MILLION))).collect()
    });
    draw(bencher, name, &DRAWS);
}

#[divan::bench(args = names().chain(["governor alone"]), threads = [1, 2])]
fn million_keys_zipf(bencher: Bencher<'_, '_>, name: &str) {
    static DRAWS: LazyLock<Vec<Key>> = LazyLock::new(zipf);
    draw(bencher, name, &DRAWS);
}

/// The same with a clock that stands still: what the table and the arithmetic cost. To read the system's clock the
/// processor finishes all earlier work, so that checks in a row no longer overlap.
#[divan::bench(args = names())]
fn million_keys_even_without_clock(bencher: Bencher<'_, '_>, name: &str) {
    let mut random = fastrand::Rng::with_seed(1);
    let draws: Vec<_> = (0..1 << 20).map(|_| key(random.usize(..MILLION))).collect();
    let limiter = still(name);
    (0..MILLION).for_each(|number| assert!(limiter.check(key(number), 1).admitted));
    let next = Cell::new(0);
    bencher.bench_local(|| {
        next.set(next.get() + 1);
        limiter.check(draws[next.get() % draws.len()], 1)
    });
}

/// The same for one key.
#[divan::bench(args = ample_names())]
fn hot_key_without_clock(bencher: Bencher<'_, '_>, name: &str) {
    let limiter = still(name);
    let key = key(0);
    bencher.bench(|| limiter.check(black_box(key), 1));
}

fn still(name: &str) -> Arc<dyn Limiter> {
    let clock = SharedClock::new(ManualClock::at(Duration::from_secs(1_800_000_000)));
    (algorithm(name).expect("it is in the list").build)(&plenty(name), clock, &Budget::default()).expect("a sound quota")
}

/// Checks the keys in the order in which they are drawn.
fn draw(bencher: Bencher<'_, '_>, name: &str, draws: &[Key]) {
    thread_local!(static NEXT: Cell<usize> = Cell::new(fastrand::usize(..MILLION)));
    let next = || {
        let next = NEXT.get();
        NEXT.set(next + 1);
        draws[next % draws.len()]
    };
    if name == "governor alone" {
        let limiter = governor_alone();
        (0..MILLION).for_each(|number| assert!(limiter.check_key(&key(number)).is_ok()));
        return bencher.bench(|| limiter.check_key(&next()).is_ok());
    }
    let limiter = limiter(name, plenty(name));
    (0..MILLION).for_each(|number| assert!(limiter.check(key(number), 1).admitted));
    bencher.bench(|| limiter.check(next(), 1));
}

/// Keys by Zipf's law with exponent 1: the second is drawn half as often as the first, and so on.
fn zipf() -> Vec<Key> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=MILLION)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let mut random = fastrand::Rng::with_seed(1);
    (0..1 << 20).map(|_| random.f64() * sum).map(|at| key(sums.partition_point(|sum| *sum < at))).collect()
}
