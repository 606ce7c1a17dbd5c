//! The lock-free channel from everything that happens to the one engine that handles it.
//!
//! A push costs at most the event itself: it never waits, and what does not fit into the queue is counted by its unique
//! fields, so that the counts of all occurrences together are the number of pushes. Nothing is made for an event that
//! no hook wants.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;

use crate::event::{Event, EventKind, EventType};
use crate::registry::kinds;
use crate::spill::Spill;

/// How many events wait for the engine before they are counted instead.
const CAPACITY: usize = 8192;

/// The channel. Any number of threads push; one consumer collects.
pub struct Bus {
    queue: ArrayQueue<Event>,
    spill: Spill,
    /// For each kind of the registry, whether a hook wants it.
    wanted: Box<[AtomicBool]>,
    /// Whether the consumer waits to be woken.
    asleep: AtomicBool,
    wake: Notify,
    /// How many events were collected, and how many of all were counted only.
    taken: AtomicU64,
    spilled: AtomicU64,
}

/// What the consumer gets: an event, and how many it stands for.
#[derive(Clone)]
pub struct Occurrence {
    /// The first of them.
    pub event: Arc<Event>,
    /// How many there were.
    pub count: u64,
    /// When the first happened, in Unix milliseconds.
    pub first_at: u64,
    /// When the last happened.
    pub last_at: u64,
}

impl Occurrence {
    /// One event by itself.
    pub fn one(event: Event) -> Self {
        let at = event.at();
        Self { event: Arc::new(event), count: 1, first_at: at, last_at: at }
    }

    /// Whether both are the same event by its unique fields.
    pub fn same_as(&self, other: &Self) -> bool {
        self.event.identity() == other.event.identity() && std::ptr::eq(self.event.kind(), other.event.kind())
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Bus {
    /// A bus on which this many events may wait one by one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            queue: ArrayQueue::new(capacity),
            spill: Spill::new(),
            wanted: kinds().map(|_| AtomicBool::new(false)).collect(),
            asleep: AtomicBool::new(false),
            wake: Notify::new(),
            taken: AtomicU64::new(0),
            spilled: AtomicU64::new(0),
        }
    }

    /// What raises events of type `E`. It is looked up once, where a plugin is built.
    pub fn emitter<E: EventType>(self: &Arc<Self>) -> Emitter<E> {
        self.emitter_of(E::SOURCE)
    }

    /// The same where `source` raises them; the registry lists the type under it.
    pub fn emitter_of<E: EventType>(self: &Arc<Self>, source: &str) -> Emitter<E> {
        self.emitter_as(source, E::NAME)
    }

    /// The same where `source` raises them under this name.
    pub fn emitter_as<E: EventType>(self: &Arc<Self>, source: &str, name: &str) -> Emitter<E> {
        let mut listed = kinds().enumerate().filter(|(_, kind)| kind.source == source && kind.name == name && kind.is_of::<E>());
        let (index, kind) = listed.next().expect("every event type is listed by its source");
        Emitter { bus: self.clone(), kind, index, _type: PhantomData }
    }

    /// Says which kinds some hook wants; the others are not even made from now on.
    pub fn set_wanted(&self, wants: impl Fn(&EventKind) -> bool) {
        for (kind, wanted) in kinds().zip(&self.wanted) {
            wanted.store(wants(kind), Ordering::Release);
        }
    }

    /// Waits until something happened, and appends it. Only one task may wait.
    pub async fn collect(&self, out: &mut Vec<Occurrence>) {
        loop {
            self.try_collect(out);
            if !out.is_empty() {
                return;
            }
            self.asleep.store(true, Ordering::SeqCst);
            // Either this sees what a pusher left, or the pusher sees that somebody sleeps.
            fence(Ordering::SeqCst);
            if self.queue.is_empty() && self.spill.is_empty() {
                self.wake.notified().await;
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// Appends what happened so far, without waiting.
    pub fn try_collect(&self, out: &mut Vec<Occurrence>) {
        let (before, mut taken) = (out.len(), 0);
        // A bounded number, so that pushers who are faster than this cannot keep it here.
        for _ in 0..self.queue.capacity() {
            let Some(event) = self.queue.pop() else { break };
            out.push(Occurrence::one(event));
        }
        self.spill.drain(|spilled| {
            let first_at = spilled.event.at();
            out.push(Occurrence { event: spilled.event, count: spilled.count, first_at, last_at: spilled.last_at });
        });
        out[before..].iter().for_each(|occurrence| taken += occurrence.count);
        self.taken.fetch_add(taken, Ordering::Relaxed);
    }

    /// How many events were collected since the start.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many events found the queue full, and were counted only.
    pub fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    fn push(&self, event: Event, kind: usize) {
        if let Err(event) = self.queue.push(event) {
            self.spill.add(event, kind);
            self.spilled.fetch_add(1, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::SeqCst) {
            self.wake.notify_one();
        }
    }
}

/// Raises events of one type.
pub struct Emitter<E> {
    bus: Arc<Bus>,
    kind: &'static EventKind,
    /// The place of the kind in the registry.
    index: usize,
    _type: PhantomData<fn() -> E>,
}

impl<E> Clone for Emitter<E> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), kind: self.kind, index: self.index, _type: PhantomData }
    }
}

impl<E> Emitter<E> {
    /// Whether some hook wants the event: for whoever has to look for what there is to tell.
    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.bus.wanted[self.index].load(Ordering::Relaxed)
    }
}

impl<E: EventType> Emitter<E> {
    /// Raises the event that `make` makes, if some hook wants it. Never waits.
    #[inline]
    pub fn emit(&self, make: impl FnOnce() -> E) {
        if self.is_wanted() {
            self.bus.push(Event::new(self.kind, make()), self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigApplied, RateLimitExceeded, Window};
    use std::net::IpAddr;

    fn exceeded(ip: u32) -> RateLimitExceeded {
        RateLimitExceeded {
            consumer: None,
            ip: IpAddr::from(ip.to_be_bytes()),
            service: None,
            route: None,
            rate: 4,
            limit: 3,
            window: Window(60),
            shadow: false,
        }
    }

    fn bus(capacity: usize) -> Arc<Bus> {
        let bus = Arc::new(Bus::with_capacity(capacity));
        bus.set_wanted(|kind| kind.source == "rate-limiting-advanced");
        bus
    }

    fn collected(bus: &Bus) -> Vec<Occurrence> {
        let mut out = Vec::new();
        bus.try_collect(&mut out);
        out
    }

    #[test]
    fn an_event_that_no_hook_wants_is_not_made() {
        let bus = bus(8);
        bus.emitter::<ConfigApplied>().emit(|| unreachable!("nobody wants it"));
        assert!(collected(&bus).is_empty());
    }

    #[test]
    fn one_type_is_another_event_under_another_source() {
        let bus = bus(8);
        bus.emitter_of::<RateLimitExceeded>("rate-limiting").emit(|| unreachable!("nobody wants it"));
        bus.set_wanted(|_| true);
        bus.emitter_of::<RateLimitExceeded>("rate-limiting").emit(|| exceeded(1));
        bus.emitter::<RateLimitExceeded>().emit(|| exceeded(1));
        let all = collected(&bus);
        assert_eq!(all.iter().map(|o| o.event.kind().source).collect::<Vec<_>>(), ["rate-limiting", "rate-limiting-advanced"]);
        assert!(!all[0].same_as(&all[1]));
    }

    #[test]
    fn what_does_not_fit_is_counted_by_its_unique_fields() {
        let bus = bus(2);
        let emitter = bus.emitter::<RateLimitExceeded>();
        for ip in [1, 1, 1, 2, 1, 2] {
            emitter.emit(|| exceeded(ip));
        }
        let mut counts: Vec<(u64, String)> =
            collected(&bus).iter().map(|o| (o.count, o.event.data()["ip"].to_string())).collect();
        counts.sort();
        assert_eq!(
            counts,
            [(1, "\"0.0.0.1\"".into()), (1, "\"0.0.0.1\"".into()), (2, "\"0.0.0.1\"".into()), (2, "\"0.0.0.2\"".into())]
        );
        assert!(collected(&bus).is_empty());
        assert_eq!((bus.taken(), bus.spilled()), (6, 4));
    }

    #[test]
    fn more_unique_fields_than_slots_are_counted_all_the_same() {
        let bus = bus(1);
        let emitter = bus.emitter::<RateLimitExceeded>();
        for ip in 0..20_000 {
            emitter.emit(|| exceeded(ip));
        }
        let all = collected(&bus);
        assert_eq!(all.iter().map(|o| o.count).sum::<u64>(), 20_000);
        assert!(all.len() < 1_100, "memory is bounded: {}", all.len());
    }

    #[test]
    fn counts_add_up_to_the_pushes_while_they_are_collected() {
        const THREADS: u32 = 4;
        const EACH: u32 = 50_000;
        let bus = bus(64);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let pushers: Vec<_> = (0..THREADS)
            .map(|_| {
                let emitter = bus.emitter::<RateLimitExceeded>();
                std::thread::spawn(move || (0..EACH).for_each(|n| emitter.emit(|| exceeded(n % 1500))))
            })
            .collect();
        let sum = runtime.block_on(async {
            let mut sum = 0;
            while sum < u64::from(THREADS * EACH) {
                let mut out = Vec::new();
                bus.collect(&mut out).await;
                sum += out.iter().map(|o| o.count).sum::<u64>();
            }
            sum
        });
        pushers.into_iter().for_each(|pusher| pusher.join().expect("a pusher ends"));
        assert_eq!(sum, u64::from(THREADS * EACH));
        assert!(collected(&bus).is_empty());
    }
}
