//! What is counted of the requests of one route: statuses, times and bytes. Each thread has counters of its own, made when
//! it first needs them; whoever asks gets their sums.

mod codes;
mod histogram;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sluice_plugins::PLUGINS;

use crate::stripe::{STRIPES, stripe};
use codes::Codes;
use histogram::Histogram;
pub use histogram::{BOUNDS, Times};

/// The counters of one route.
#[derive(Default)]
pub(crate) struct Tally {
    of_threads: [OnceLock<Box<Cells>>; STRIPES],
}

/// The counters of one thread.
#[repr(align(64))]
#[derive(Default)]
struct Cells {
    begun: AtomicU64,
    over: AtomicU64,
    codes: Codes,
    took: Histogram,
    upstream_took: Histogram,
    received: AtomicU64,
    sent: AtomicU64,
    retries: AtomicU64,
    /// By the position of the plugin in its registry; most routes refuse nobody.
    refused: OnceLock<Box<[AtomicU64]>>,
}

/// A request that has ended, as it is counted.
#[derive(Default)]
pub(crate) struct Counted {
    pub status: u16,
    pub took: Duration,
    pub upstream_took: Option<Duration>,
    pub received: u64,
    pub sent: u64,
    pub retries: u16,
    /// The plugin that refused it.
    pub refused_by: Option<&'static str>,
}

/// The sums of a route.
#[derive(Debug, Default)]
pub struct Sums {
    /// Requests that were found to be of this route and have not ended.
    pub under_way: u64,
    /// Requests that have ended, by status: exactly, or by class such as `4xx` where it is a rare one.
    pub codes: Vec<(&'static str, u64)>,
    /// How long requests took.
    pub took: Times,
    /// How long upstreams took to begin their answers.
    pub upstream_took: Times,
    /// Bytes of bodies that clients sent.
    pub received: u64,
    /// Bytes of bodies that clients were sent.
    pub sent: u64,
    /// Connections to upstreams that failed and were tried again.
    pub retries: u64,
    /// Requests that were refused, by plugin.
    pub refused: Vec<(&'static str, u64)>,
}

impl Tally {
    /// A request is under way.
    pub fn begin(&self) {
        add(&self.mine().begun, 1);
    }

    /// A request has ended; whether it was told to [`Tally::begin`].
    pub fn end(&self, counted: &Counted, begun: bool) {
        let cells = self.mine();
        add(&cells.over, u64::from(begun));
        cells.codes.count(counted.status);
        cells.took.count(counted.took);
        if let Some(took) = counted.upstream_took {
            cells.upstream_took.count(took);
        }
        if counted.received > 0 {
            add(&cells.received, counted.received);
        }
        add(&cells.sent, counted.sent);
        if counted.retries > 0 {
            add(&cells.retries, u64::from(counted.retries));
        }
        if let Some(name) = counted.refused_by {
            cells.refuse(name);
        }
    }

    /// What all threads counted.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let (mut codes, mut begun, mut over) = (codes::Sums::default(), 0, 0);
        for cells in self.of_threads.iter().filter_map(OnceLock::get) {
            // In this order a request that ends meanwhile is never over more often than it began.
            over += get(&cells.over);
            begun += get(&cells.begun);
            codes.add(&cells.codes);
            sums.took.add(&cells.took);
            sums.upstream_took.add(&cells.upstream_took);
            sums.received += get(&cells.received);
            sums.sent += get(&cells.sent);
            sums.retries += get(&cells.retries);
            cells.add_refusals(&mut sums.refused);
        }
        sums.under_way = begun.saturating_sub(over);
        sums.codes = codes.seen();
        sums
    }

    fn mine(&self) -> &Cells {
        self.of_threads[stripe()].get_or_init(Box::default)
    }
}

impl Cells {
    #[cold]
    fn refuse(&self, name: &str) {
        let refused = self.refused.get_or_init(|| PLUGINS.iter().map(|_| AtomicU64::new(0)).collect());
        if let Some(at) = PLUGINS.iter().position(|kind| kind.name == name) {
            add(&refused[at], 1);
        }
    }

    fn add_refusals(&self, sums: &mut Vec<(&'static str, u64)>) {
        let Some(refused) = self.refused.get() else { return };
        for (kind, count) in PLUGINS.iter().zip(refused.iter().map(get)).filter(|(_, count)| *count > 0) {
            match sums.iter_mut().find(|(name, _)| *name == kind.name) {
                Some((_, sum)) => *sum += count,
                None => sums.push((kind.name, count)),
            }
        }
    }
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_is_summed_up() {
        let tally = Tally::default();
        let name = PLUGINS[0].name;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..1000 {
                        tally.begin();
                        let refused_by = (n % 10 == 0).then_some(name);
                        let took = Duration::from_millis(3);
                        tally.end(&Counted { status: 200, sent: 2, refused_by, took, ..Counted::default() }, true);
                    }
                    tally.end(&Counted { status: 404, ..Counted::default() }, false);
                    tally.begin();
                });
            }
        });
        let sums = tally.sums();
        assert_eq!(sums.codes, [("200", 4000), ("404", 4)]);
        assert_eq!((sums.under_way, sums.sent, sums.received), (4, 8000, 0));
        assert_eq!(sums.refused, [(name, 400)]);
        assert_eq!((sums.took.count(), sums.upstream_took.count()), (4004, 0));
        assert_eq!(sums.took.micros, 12_000_000);
    }
}
