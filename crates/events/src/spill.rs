//! Where events go that the queue has no room for: counters, one for each (source, event, unique fields).
//!
//! Invariant: every [`Spill::add`] is in exactly one [`Spilled::count`]. A counter is closed when it is taken out, by a
//! bit in the count itself; whoever comes too late sees the bit and starts a new counter. Memory is bounded by the number
//! of slots: what finds no slot of its own is counted in one counter for its kind, under the unique fields of the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use crate::event::Event;
use crate::registry::kinds;

/// How many different unique fields are counted apart.
const SLOTS: usize = 1024;
/// How far from its own slot a counter may stand.
const PROBES: usize = 8;
/// The bit that closes a counter.
const CLOSED: u64 = 1 << 63;

pub(crate) struct Spill {
    slots: Box<[ArcSwapOption<Counter>]>,
    /// One for each kind of event.
    rest: Box<[ArcSwapOption<Counter>]>,
    filled: AtomicBool,
}

/// Events that were counted together.
pub(crate) struct Spilled {
    pub event: Arc<Event>,
    pub count: u64,
    pub last_at: u64,
}

struct Counter {
    event: Arc<Event>,
    count: AtomicU64,
    last_at: AtomicU64,
}

impl Counter {
    fn matches(&self, event: &Event) -> bool {
        self.event.identity() == event.identity() && std::ptr::eq(self.event.kind(), event.kind())
    }

    /// Counts one more, unless the counter is closed.
    fn add(&self, at: u64) -> bool {
        self.last_at.fetch_max(at, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::AcqRel) & CLOSED == 0
    }
}

impl Spill {
    pub fn new() -> Self {
        let slots = |n: usize| (0..n).map(|_| ArcSwapOption::empty()).collect();
        Self { slots: slots(SLOTS), rest: slots(kinds().count()), filled: AtomicBool::new(false) }
    }

    /// Counts the event; `kind` is its place in the registry.
    pub fn add(&self, event: Event, kind: usize) {
        let home = event.identity() as usize;
        let event = Arc::new(event);
        let own = (0..PROBES).any(|step| count_in(&self.slots[(home + step) % SLOTS], &event, |counter| counter.matches(&event)));
        if !own {
            // The counter of the kind takes everything, so this ends with the first try that no drain gets between.
            while !count_in(&self.rest[kind], &event, |_| true) {}
        }
        self.filled.store(true, Ordering::SeqCst);
    }

    pub fn is_empty(&self) -> bool {
        !self.filled.load(Ordering::SeqCst)
    }

    /// Takes everything out.
    pub fn drain(&self, mut take: impl FnMut(Spilled)) {
        if !self.filled.swap(false, Ordering::SeqCst) {
            return;
        }
        for slot in self.slots.iter().chain(&self.rest) {
            let Some(counter) = slot.swap(None) else { continue };
            let count = counter.count.fetch_or(CLOSED, Ordering::AcqRel);
            let last_at = counter.last_at.load(Ordering::Relaxed);
            take(Spilled { event: counter.event.clone(), count, last_at });
        }
    }
}

/// Counts the event in this slot if the slot is free or its counter fits.
fn count_in(slot: &ArcSwapOption<Counter>, event: &Arc<Event>, fits: impl Fn(&Counter) -> bool) -> bool {
    loop {
        let current = slot.load();
        match current.as_ref() {
            Some(counter) if !fits(counter) => return false,
            Some(counter) if counter.add(event.at()) => return true,
            // Closed, so it left the slot before: look again.
            Some(_) => {}
            None => {
                let counter = Counter { event: event.clone(), count: AtomicU64::new(1), last_at: AtomicU64::new(event.at()) };
                let before = slot.compare_and_swap(&None::<Arc<Counter>>, Some(Arc::new(counter)));
                if before.is_none() {
                    return true;
                }
            }
        }
    }
}
