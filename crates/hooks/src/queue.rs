//! What waits for one hook: events that were not tried yet, and deliveries that failed and are tried again later.
//!
//! Invariant: never more than [`CAPACITY`] deliveries, and what does not fit is handed back, never gone. A hook that keeps
//! up gets every event as a delivery of its own; once [`MERGE_FROM`] wait it has fallen behind, and a new event joins the
//! newest waiting one with the same unique fields. What was tried stays as it was tried.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};
use sluice_events::{Event, EventKind, Occurrence};
use tokio::time::Instant;
use uuid::Uuid;

use crate::handler::Delivery;

/// How many deliveries may wait.
pub(crate) const CAPACITY: usize = 10_000;
/// How many wait before events are merged.
pub(crate) const MERGE_FROM: usize = 64;

/// A delivery that is not done.
#[derive(Clone)]
pub(crate) struct Job {
    /// Its place in the order of arrival.
    pub seq: u64,
    pub id: String,
    pub kind: &'static EventKind,
    pub data: Data,
    pub count: u64,
    pub first_at: u64,
    pub last_at: u64,
    /// How many tries there were.
    pub attempts: u32,
}

/// Held by everything that was taken up from the file of the last stop.
pub(crate) struct Taken;

/// The data of an event, in the smaller form that it came in.
#[derive(Clone)]
pub(crate) enum Data {
    /// From the bus.
    Event(Arc<Event>),
    /// From the file of the last stop, as JSON. The file stays as long as one of these does.
    Kept(Box<str>, #[expect(dead_code, reason = "it is only held")] Arc<Taken>),
}

impl Data {
    pub fn to_map(&self) -> Map<String, Value> {
        let value = match self {
            Self::Event(event) => event.data(),
            Self::Kept(json, _) => serde_json::from_str(json).unwrap_or_default(),
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

impl Job {
    /// The next try of it.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            id: self.id.clone(),
            kind: self.kind,
            data: self.data.to_map(),
            count: self.count,
            first_at: self.first_at,
            last_at: self.last_at,
            attempt: self.attempts + 1,
        }
    }

    /// The first try of what happened.
    pub fn of(occurrence: &Occurrence, seq: u64) -> Self {
        Self {
            seq,
            id: format!("msg_{}", Uuid::new_v4().simple()),
            kind: occurrence.event.kind(),
            data: Data::Event(occurrence.event.clone()),
            count: occurrence.count,
            first_at: occurrence.first_at,
            last_at: occurrence.last_at,
            attempts: 0,
        }
    }

    fn merge(&mut self, other: &Occurrence) {
        self.count += other.count;
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
    }

    fn identity(&self) -> Option<u64> {
        match &self.data {
            Data::Event(event) if self.attempts == 0 => Some(event.identity()),
            _ => None,
        }
    }
}

/// The queue of one hook.
#[derive(Default)]
pub(crate) struct Queue {
    /// Not tried yet, in the order of arrival.
    fresh: BTreeMap<u64, Job>,
    /// The newest fresh one of each identity.
    newest: HashMap<u64, u64>,
    /// Tried before, by the time of the next try.
    retries: BTreeMap<(Instant, u64), Job>,
    /// When each of those is due, in the order of arrival.
    due: BTreeMap<u64, Instant>,
    arrivals: u64,
    /// The sum of all counts.
    sum: u64,
}

impl Queue {
    /// Takes an event in; what no longer fits comes back.
    #[must_use]
    pub fn push(&mut self, occurrence: &Occurrence) -> Option<Job> {
        let identity = occurrence.event.identity();
        if self.fresh.len() >= MERGE_FROM
            && let Some(job) = self.newest.get(&identity).and_then(|seq| self.fresh.get_mut(seq))
        {
            job.merge(occurrence);
            self.sum += occurrence.count;
            return None;
        }
        let seq = self.next_seq();
        self.insert(Job::of(occurrence, seq))
    }

    /// Takes in what an earlier process left, to be tried at `due`; what no longer fits comes back.
    #[must_use]
    pub fn restore(&mut self, mut job: Job, due: Instant) -> Option<Job> {
        job.seq = self.next_seq();
        self.retry(job, due)
    }

    /// Takes a delivery back in that failed; what no longer fits comes back.
    #[must_use]
    pub fn retry(&mut self, job: Job, due: Instant) -> Option<Job> {
        self.sum += job.count;
        self.due.insert(job.seq, due);
        self.retries.insert((due, job.seq), job);
        self.overflow()
    }

    /// Takes back in what [`Queue::drain`] took out, in its old place.
    #[must_use]
    pub fn readmit(&mut self, job: Job, due: Option<Instant>) -> Option<Job> {
        match due {
            Some(due) => self.retry(job, due),
            None => self.insert(job),
        }
    }

    /// What may be tried now: a delivery whose time has come, or else the oldest that was not tried yet.
    pub fn pop(&mut self, now: Instant) -> Option<Job> {
        match self.next_due() {
            Some(due) if due <= now => self.pop_retry(),
            _ => self.pop_fresh(),
        }
    }

    /// When the next one waiting for another try is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.retries.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether something may be tried now.
    pub fn is_ready(&self, now: Instant) -> bool {
        !self.fresh.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// How many events wait.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Takes everything out, with the time of its next try.
    pub fn drain(&mut self) -> Vec<(Job, Option<Instant>)> {
        let all = std::mem::take(self);
        self.arrivals = all.arrivals;
        let retries = all.retries.into_iter().map(|((due, _), job)| (job, Some(due)));
        all.fresh.into_values().map(|job| (job, None)).chain(retries).collect()
    }

    /// Everything that waits, with the time of its next try.
    pub fn iter(&self) -> impl Iterator<Item = (&Job, Option<Instant>)> {
        let retries = self.retries.iter().map(|((due, _), job)| (job, Some(*due)));
        self.fresh.values().map(|job| (job, None)).chain(retries)
    }

    fn next_seq(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    fn insert(&mut self, job: Job) -> Option<Job> {
        self.sum += job.count;
        if let Some(identity) = job.identity() {
            self.newest.insert(identity, job.seq);
        }
        self.fresh.insert(job.seq, job);
        self.overflow()
    }

    /// Takes the oldest out if there are too many.
    fn overflow(&mut self) -> Option<Job> {
        if self.fresh.len() + self.retries.len() <= CAPACITY {
            return None;
        }
        let oldest_fresh = self.fresh.keys().next();
        match self.due.first_key_value() {
            Some((seq, due)) if oldest_fresh.is_none_or(|fresh| seq < fresh) => {
                let key = (*due, *seq);
                self.remove_retry(key)
            }
            _ => self.pop_fresh(),
        }
    }

    fn pop_fresh(&mut self) -> Option<Job> {
        let (seq, job) = self.fresh.pop_first()?;
        if let Some(identity) = job.identity()
            && self.newest.get(&identity) == Some(&seq)
        {
            self.newest.remove(&identity);
        }
        self.sum -= job.count;
        Some(job)
    }

    fn pop_retry(&mut self) -> Option<Job> {
        let key = *self.retries.first_key_value()?.0;
        self.remove_retry(key)
    }

    fn remove_retry(&mut self, key: (Instant, u64)) -> Option<Job> {
        let job = self.retries.remove(&key)?;
        self.due.remove(&job.seq);
        self.sum -= job.count;
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_events::{Bus, RateLimitExceeded, Window};
    use std::net::IpAddr;
    use std::time::Duration;

    /// Events whose unique fields are this number.
    fn occurrences(numbers: impl IntoIterator<Item = u32>) -> Vec<Occurrence> {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let bus = Arc::new(Bus::with_capacity(numbers.len().max(1)));
        bus.set_wanted(|_| true);
        let emitter = bus.emitter::<RateLimitExceeded>();
        for number in numbers {
            let ip = IpAddr::from(number.to_be_bytes());
            emitter.emit(|| RateLimitExceeded {
                consumer: None,
                ip,
                service: None,
                route: None,
                rate: 4,
                limit: 3,
                window: Window(60),
                shadow: false,
            });
        }
        let mut out = Vec::new();
        bus.try_collect(&mut out);
        out
    }

    fn pushed(numbers: impl IntoIterator<Item = u32>) -> (Queue, Vec<Job>) {
        let mut queue = Queue::default();
        let dropped = occurrences(numbers).iter().filter_map(|occurrence| queue.push(occurrence)).collect();
        (queue, dropped)
    }

    fn counts(queue: &mut Queue) -> Vec<u64> {
        let now = Instant::now();
        std::iter::from_fn(|| queue.pop(now)).map(|job| job.count).collect()
    }

    #[test]
    fn a_hook_that_keeps_up_gets_every_event_by_itself() {
        let (mut queue, _) = pushed([7; MERGE_FROM]);
        assert_eq!(counts(&mut queue), [1; MERGE_FROM]);
    }

    #[test]
    fn a_hook_that_falls_behind_gets_the_same_events_merged() {
        let (mut queue, _) = pushed((0..64).chain([1, 1, 99, 99, 1]));
        assert_eq!(queue.sum(), 69);
        let counts = counts(&mut queue);
        assert_eq!(counts.len(), 65);
        assert_eq!((counts[0], counts[1], counts[64]), (1, 4, 2));
        assert_eq!(queue.sum(), 0);
    }

    #[test]
    fn what_is_under_way_or_was_tried_is_not_merged_into() {
        let (mut queue, _) = pushed([7].into_iter().chain(100..200));
        let now = Instant::now();
        let mut tried = queue.pop(now).expect("the oldest");
        tried.attempts = 1;
        assert!(queue.retry(tried, now + Duration::from_secs(1)).is_none());
        for occurrence in occurrences([7, 7]) {
            assert!(queue.push(&occurrence).is_none());
        }
        let fresh = counts(&mut queue);
        assert_eq!((fresh.len(), fresh[100]), (101, 2), "the two new ones are together, and apart from the old");
        assert_eq!(queue.sum(), 1);
    }

    #[test]
    fn the_oldest_leaves_a_full_queue_whether_it_was_tried_or_not() {
        let (mut queue, dropped) = pushed(0..10_002);
        assert_eq!(dropped.iter().map(|job| job.seq).collect::<Vec<_>>(), [1, 2]);
        let tried = queue.pop(Instant::now()).expect("the oldest");
        assert_eq!(tried.seq, 3);
        assert!(queue.retry(tried, Instant::now() + Duration::from_secs(60)).is_none());
        let dropped = occurrences([20_000]).iter().find_map(|occurrence| queue.push(occurrence)).expect("it is full");
        assert_eq!(dropped.seq, 3);
        assert_eq!((queue.fresh.len(), queue.retries.len(), queue.due.len()), (CAPACITY, 0, 0));
    }

    #[test]
    fn a_retry_waits_for_its_time_and_blocks_nothing() {
        let (mut queue, _) = pushed([1, 2]);
        let now = Instant::now();
        let first = queue.pop(now).expect("the first");
        let later = now + Duration::from_secs(5);
        assert!(queue.retry(first, later).is_none());
        assert_eq!(queue.pop(now).map(|job| job.seq), Some(2));
        assert!(queue.pop(now).is_none() && !queue.is_ready(now) && queue.is_ready(later));
        assert_eq!(queue.pop(later).map(|job| job.seq), Some(1));
    }

    proptest! {
        /// Whatever happens, the sum is the sum of what is in it, and what went in came out or is in it.
        #[test]
        fn counts_are_conserved(steps in proptest::collection::vec((0u8..4, 0u32..90), 1..400)) {
            let (mut queue, now) = (Queue::default(), Instant::now());
            let events = occurrences(0..90);
            let (mut took_in, mut out) = (0, 0);
            let mut under_way: Vec<Job> = Vec::new();
            for (step, number) in steps {
                match step {
                    0 | 1 => for number in [number, number / 2] {
                        took_in += 1;
                        out += queue.push(&events[number as usize]).map_or(0, |job| job.count);
                    },
                    2 => under_way.extend(queue.pop(now + Duration::from_secs(u64::from(number)))),
                    _ => if let Some(mut job) = under_way.pop() {
                        if number % 2 == 0 {
                            out += job.count;
                        } else {
                            job.attempts += 1;
                            out += queue.retry(job, now + Duration::from_secs(u64::from(number))).map_or(0, |job| job.count);
                        }
                    },
                }
            }
            let flying: u64 = under_way.iter().map(|job| job.count).sum();
            prop_assert_eq!(took_in, out + flying + queue.sum());
            let sum = queue.sum();
            prop_assert_eq!(queue.drain().iter().map(|(job, _)| job.count).sum::<u64>(), sum);
        }
    }
}
