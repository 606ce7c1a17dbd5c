//! A replay of traffic against oracles that are written as plainly as can be: used by a test, and at full length by the
//! example `accuracy`.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use governor::{RateLimiter, middleware::NoOpMiddleware, state::keyed::DashMapStateStore};
use sluice_limits::{Algorithm, Budget, Keys, ManualClock, Nanos, Quota, SharedClock};

/// The start of a window of any whole number of minutes.
const START: Duration = Duration::from_secs(1_800_000_000);

/// A request: when, and whose.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The time since the Unix epoch.
    pub at: Duration,
    /// The number of the client.
    pub client: usize,
}

/// What a replay found.
#[derive(Debug, Default)]
pub struct Report {
    /// How many requests got through.
    pub admitted: usize,
    /// How many decisions differ from the algorithm's own definition.
    pub differences: usize,
    /// How many were admitted above the limit, by the log of all that were admitted.
    pub wrongly_admitted: usize,
    /// How many were refused that would have fit, by the same log.
    pub wrongly_refused: usize,
    /// The most that any client had in any window, wherever it begins.
    pub most: usize,
}

/// Requests of clients drawn by Zipf's law over some windows, in order. A third comes in bursts of one client around the
/// edge of a window.
pub fn trace(requests: usize, clients: usize, window: Duration, windows: u32) -> Vec<Request> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut sum = 0.0;
    let add = |rank: usize| {
        sum += 1.0 / rank as f64;
        sum
    };
    let sums: Vec<f64> = (1..=clients).map(add).collect();
    let mut trace = Vec::with_capacity(requests);
    while trace.len() < requests {
        let at = random.f64() * sums[clients - 1];
        let client = sums.partition_point(|sum| *sum < at);
        if random.u32(..60) > 0 {
            let at = START + (windows * window).mul_f64(random.f64());
            trace.push(Request { at, client });
            continue;
        }
        // A burst of thirty, from a quarter of a second before the edge.
        let edge = START + random.u32(1..windows) * window;
        let burst = (0..30.min(requests - trace.len()))
            .map(|_| Request { at: edge - window / 240 + (window / 120).mul_f64(random.f64()), client });
        trace.extend(burst);
    }
    trace.sort_by_key(|request| request.at);
    trace
}

/// Replays a trace, and compares each decision with the definition.
pub fn replay(algorithm: &Algorithm, quota: &Quota, trace: &[Request]) -> Report {
    let clock = ManualClock::at(START);
    let limiter = (algorithm.build)(quota, SharedClock::new(clock.clone()), &Budget::default()).expect("a sound quota");
    let keys = Keys::fixed(1);
    let mut oracle = Oracle::new(quota, clock.clone());
    let mut logs: HashMap<usize, VecDeque<Duration>> = HashMap::new();
    let mut report = Report::default();
    for (index, request) in trace.iter().enumerate() {
        clock.set(request.at);
        if index % 10_000 == 0 {
            limiter.forget_idle();
        }
        let admitted = limiter.check(keys.key(&[&request.client.to_le_bytes()]), 1).admitted;
        report.differences += usize::from(admitted != oracle.decide(algorithm.name, request));
        let log = logs.entry(request.client).or_default();
        while log.front().is_some_and(|oldest| *oldest + quota.window <= request.at) {
            log.pop_front();
        }
        let fits = (log.len() as u64) < quota.limit;
        report.wrongly_admitted += usize::from(admitted && !fits);
        report.wrongly_refused += usize::from(!admitted && fits);
        if admitted {
            report.admitted += 1;
            log.push_back(request.at);
            report.most = report.most.max(log.len());
        }
    }
    report
}

/// The definitions.
struct Oracle {
    limit: i128,
    window: i128,
    /// By client and number of the window: what was admitted.
    counts: HashMap<(usize, i128), i128>,
    /// By client: when what was admitted came.
    admitted: HashMap<usize, VecDeque<Duration>>,
    governor: RateLimiter<usize, DashMapStateStore<usize>, ManualClock, NoOpMiddleware<Nanos>>,
}

impl Oracle {
    fn new(quota: &Quota, clock: ManualClock) -> Self {
        let limit = NonZeroU32::new(quota.limit as u32).expect("a limit is more than zero");
        let period = quota.window / quota.limit as u32;
        assert_eq!(period * quota.limit as u32, quota.window, "governor's period must not be rounded");
        let governors = governor::Quota::with_period(period).expect("it is more than zero").allow_burst(limit);
        Self {
            limit: quota.limit.into(),
            window: quota.window.as_nanos() as i128,
            counts: HashMap::new(),
            admitted: HashMap::new(),
            governor: RateLimiter::dashmap_with_clock(governors, clock),
        }
    }

    fn decide(&mut self, algorithm: &str, request: &Request) -> bool {
        let now = request.at.as_nanos() as i128;
        let number = now / self.window;
        let count = |window| self.counts.get(&(request.client, window)).copied().unwrap_or(0);
        let (current, previous) = (count(number), count(number - 1));
        let left = self.window - now % self.window;
        let admitted = match algorithm {
            // Kong: `current + previous * weight <= limit`, both sides times the window.
            "sliding" => (current + 1) * self.window + previous * left <= self.limit * self.window,
            "fixed" => current < self.limit,
            "gcra" => self.governor.check_key(&request.client).is_ok(),
            "exact" => self.fits_log(request),
            name => unreachable!("{name} is not defined here"),
        };
        *self.counts.entry((request.client, number)).or_default() += i128::from(admitted);
        admitted
    }

    fn fits_log(&mut self, request: &Request) -> bool {
        let log = self.admitted.entry(request.client).or_default();
        log.retain(|at| (request.at - *at).as_nanos() < self.window as u128);
        let fits = (log.len() as i128) < self.limit;
        if fits {
            log.push_back(request.at);
        }
        fits
    }
}
