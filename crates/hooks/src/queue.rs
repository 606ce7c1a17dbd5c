//! What waits for one hook: events that were not tried yet, and deliveries that failed and are tried again later.
//!
//! Invariant: never more than [`CAPACITY`] deliveries, and what does not fit is handed back, never gone. A hook that keeps
//! up gets every event as a delivery of its own; once [`MERGE_FROM`] wait it has fallen behind, and a new event joins the
//! newest waiting one with the same unique fields, unless something else was told of the same thing since. What was tried
//! stays as it was tried.

use std::collections::{BTreeMap, HashMap};

use sluice_events::{Event, Occurrence};
use tokio::time::Instant;

use crate::job::{Job, Order};

/// How many deliveries may wait.
pub(crate) const CAPACITY: usize = 10_000;
/// How many wait before events are merged.
pub(crate) const MERGE_FROM: usize = 64;

/// The queue of one hook.
#[derive(Default)]
pub(crate) struct Queue {
    /// Not tried yet, in the order of arrival.
    fresh: BTreeMap<u64, Job>,
    /// The newest fresh one about each subject.
    newest: HashMap<u64, u64>,
    /// Tried before, by the time of the next try.
    retries: BTreeMap<(Instant, u64), Job>,
    /// When each of those is due, in the order of arrival.
    due: BTreeMap<u64, Instant>,
    /// The sum of all counts.
    sum: u64,
}

impl Queue {
    /// Takes an event in: where it is now, and what no longer fits.
    pub fn push(&mut self, occurrence: &Occurrence, order: &Order) -> (u64, Option<Job>) {
        if let Some(job) = self.waiting_like(&occurrence.event) {
            job.merge(occurrence.count, occurrence.first_at, occurrence.last_at);
            let seq = job.seq;
            self.sum += occurrence.count;
            return (seq, None);
        }
        let job = Job::of(occurrence, order);
        (job.seq, self.insert(job))
    }

    /// Takes the end of a digest in, just as an event: where it is now, and what no longer fits.
    pub fn push_summary(&mut self, summary: Job) -> (u64, Option<Job>) {
        let event = summary.event().cloned();
        let like = event.and_then(|event| self.waiting_like(&event));
        let Some(job) = like else { return (summary.seq, self.insert(summary)) };
        job.merge(summary.count, summary.first_at, summary.last_at);
        let seq = job.seq;
        self.sum += summary.count;
        (seq, None)
    }

    /// The newest waiting one that takes others like this event in, if the hook has fallen behind.
    fn waiting_like(&mut self, event: &Event) -> Option<&mut Job> {
        if self.fresh.len() < MERGE_FROM {
            return None;
        }
        let newest = self.newest.get(&event.subject()).and_then(|seq| self.fresh.get_mut(seq))?;
        let same = newest.event().is_some_and(|newest| newest.identity() == event.identity());
        same.then_some(newest)
    }

    /// The delivery at this place, if it waits.
    pub fn get_mut(&mut self, seq: u64) -> Option<&mut Job> {
        match self.due.get(&seq) {
            Some(due) => self.retries.get_mut(&(*due, seq)),
            None => self.fresh.get_mut(&seq),
        }
    }

    /// Has a delivery that waits for its time be tried at `now`; whether it waits at all.
    pub fn hasten(&mut self, seq: u64, now: Instant) -> bool {
        let Some(due) = self.due.get(&seq).copied() else { return self.fresh.contains_key(&seq) };
        if due > now
            && let Some(job) = self.retries.remove(&(due, seq))
        {
            self.retries.insert((now, seq), job);
            self.due.insert(seq, now);
        }
        true
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

    /// What may be tried now: a delivery whose time has come, or else the oldest that was not tried yet. Of those only what
    /// came before `admitted` may be: the outbox has not said yet that it has the others.
    pub fn pop(&mut self, now: Instant, admitted: u64) -> Option<Job> {
        match self.next_due() {
            Some(due) if due <= now => self.pop_retry(),
            _ if self.is_admitted(admitted) => self.pop_fresh(),
            _ => None,
        }
    }

    fn is_admitted(&self, admitted: u64) -> bool {
        self.fresh.first_key_value().is_some_and(|(seq, _)| *seq < admitted)
    }

    /// When the next one waiting for another try is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.retries.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether something may be tried now.
    pub fn is_ready(&self, now: Instant, admitted: u64) -> bool {
        self.is_admitted(admitted) || self.next_due().is_some_and(|due| due <= now)
    }

    /// How many events wait.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Takes everything out, with the time of its next try.
    pub fn drain(&mut self) -> Vec<(Job, Option<Instant>)> {
        let all = std::mem::take(self);
        let retries = all.retries.into_iter().map(|((due, _), job)| (job, Some(due)));
        all.fresh.into_values().map(|job| (job, None)).chain(retries).collect()
    }

    /// Everything that waits.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.fresh.values_mut().chain(self.retries.values_mut())
    }

    /// Everything that waits, with the time of its next try.
    pub fn iter(&self) -> impl Iterator<Item = (&Job, Option<Instant>)> {
        let retries = self.retries.iter().map(|((due, _), job)| (job, Some(*due)));
        self.fresh.values().map(|job| (job, None)).chain(retries)
    }

    fn insert(&mut self, job: Job) -> Option<Job> {
        self.sum += job.count;
        if let Some(event) = job.event() {
            self.newest.insert(event.subject(), job.seq);
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
        if let Some(subject) = job.event().map(|event| event.subject())
            && self.newest.get(&subject) == Some(&seq)
        {
            self.newest.remove(&subject);
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
    use sluice_events::{Bus, EventType, TargetHealth};
    use std::sync::Arc;
    use std::time::Duration;

    use crate::lane::tests::occurrences as all_of;

    /// Everything is admitted.
    const ALL: u64 = u64::MAX;

    /// Events whose unique fields are these numbers.
    fn occurrences(numbers: impl IntoIterator<Item = u32>) -> Vec<Occurrence> {
        all_of(numbers.into_iter().collect::<Vec<_>>().into_iter())
    }

    struct Pushed {
        queue: Queue,
        order: Order,
        dropped: Vec<Job>,
    }

    impl Pushed {
        fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
            let mut pushed = Self { queue: Queue::default(), order: Order::from(1), dropped: Vec::new() };
            pushed.push(numbers);
            pushed
        }

        fn push(&mut self, numbers: impl IntoIterator<Item = u32>) {
            for occurrence in occurrences(numbers) {
                self.dropped.extend(self.queue.push(&occurrence, &self.order).1);
            }
        }
    }

    fn counts(queue: &mut Queue) -> Vec<u64> {
        let now = Instant::now();
        std::iter::from_fn(|| queue.pop(now, ALL)).map(|job| job.count).collect()
    }

    #[test]
    fn a_hook_that_keeps_up_gets_every_event_by_itself() {
        let mut queue = Pushed::of([7; MERGE_FROM]).queue;
        assert_eq!(counts(&mut queue), [1; MERGE_FROM]);
    }

    #[test]
    fn a_hook_that_falls_behind_gets_the_same_events_merged() {
        let mut queue = Pushed::of((0..64).chain([1, 1, 99, 99, 1])).queue;
        assert_eq!(queue.sum(), 69);
        let counts = counts(&mut queue);
        assert_eq!(counts.len(), 65);
        assert_eq!((counts[0], counts[1], counts[64]), (1, 4, 2));
        assert_eq!(queue.sum(), 0);
    }

    #[test]
    fn what_is_told_last_of_a_target_is_how_it_is_however_far_a_hook_is_behind() {
        let mut all = Pushed::of(0..64);
        let bus = Arc::new(Bus::with_capacity(8));
        bus.set_wanted(|_| true);
        let emitter = bus.emitter::<TargetHealth>();
        for health in ["unhealthy", "healthy", "unhealthy", "unhealthy", "healthy"] {
            emitter.emit(|| TargetHealth { health, ..TargetHealth::sample() });
            let mut out = Vec::new();
            bus.try_collect(&mut out);
            out.iter().for_each(|occurrence| drop(all.queue.push(occurrence, &all.order)));
        }
        let told = all.queue.iter().filter(|(job, _)| job.kind.name == "health");
        let told: Vec<_> = told.map(|(job, _)| (job.data.to_json()["health"].clone(), job.count)).collect();
        let expected = [("unhealthy", 1), ("healthy", 1), ("unhealthy", 2), ("healthy", 1)];
        assert_eq!(told, expected.map(|(health, count)| (health.into(), count)));
    }

    #[test]
    fn what_is_under_way_or_was_tried_is_not_merged_into() {
        let mut all = Pushed::of([7].into_iter().chain(100..200));
        let now = Instant::now();
        let mut tried = all.queue.pop(now, ALL).expect("the oldest");
        tried.attempts = 1;
        assert!(all.queue.retry(tried, now + Duration::from_secs(1)).is_none());
        all.push([7, 7]);
        let fresh = counts(&mut all.queue);
        assert_eq!((fresh.len(), fresh[100]), (101, 2), "the two new ones are together, and apart from the old");
        assert_eq!((all.queue.sum(), all.dropped.len()), (1, 0));
    }

    #[test]
    fn the_oldest_leaves_a_full_queue_whether_it_was_tried_or_not() {
        let mut all = Pushed::of(0..10_002);
        assert_eq!(all.dropped.iter().map(|job| job.seq).collect::<Vec<_>>(), [1, 2]);
        let tried = all.queue.pop(Instant::now(), ALL).expect("the oldest");
        assert_eq!(tried.seq, 3);
        assert!(all.queue.retry(tried, Instant::now() + Duration::from_secs(60)).is_none());
        all.push([20_000]);
        assert_eq!(all.dropped.last().map(|job| job.seq), Some(3));
        assert_eq!((all.queue.fresh.len(), all.queue.retries.len(), all.queue.due.len()), (CAPACITY, 0, 0));
    }

    #[test]
    fn a_retry_waits_for_its_time_and_blocks_nothing() {
        let mut queue = Pushed::of([1, 2]).queue;
        let now = Instant::now();
        let first = queue.pop(now, ALL).expect("the first");
        let later = now + Duration::from_secs(5);
        assert!(queue.retry(first, later).is_none());
        assert_eq!(queue.pop(now, ALL).map(|job| job.seq), Some(2));
        assert!(queue.pop(now, ALL).is_none() && !queue.is_ready(now, ALL) && queue.is_ready(later, ALL));
        assert!(queue.hasten(1, now) && !queue.hasten(2, now), "one waits, the other does not");
        assert_eq!(queue.pop(now, ALL).map(|job| job.seq), Some(1));
    }

    #[test]
    fn what_is_not_admitted_yet_waits() {
        let mut queue = Pushed::of([1, 2]).queue;
        let now = Instant::now();
        assert!(queue.pop(now, 1).is_none() && !queue.is_ready(now, 1));
        assert_eq!(queue.pop(now, 2).map(|job| job.seq), Some(1));
        assert!(queue.pop(now, 2).is_none());
    }

    proptest! {
        /// Whatever happens, the sum is the sum of what is in it, and what went in came out or is in it.
        #[test]
        fn counts_are_conserved(steps in proptest::collection::vec((0u8..4, 0u32..90), 1..400)) {
            let (mut queue, order, now) = (Queue::default(), Order::from(1), Instant::now());
            let events = occurrences(0..90);
            let (mut took_in, mut out) = (0, 0);
            let mut under_way: Vec<Job> = Vec::new();
            for (step, number) in steps {
                match step {
                    0 | 1 => for number in [number, number / 2] {
                        took_in += 1;
                        out += queue.push(&events[number as usize], &order).1.map_or(0, |job| job.count);
                    },
                    2 => under_way.extend(queue.pop(now + Duration::from_secs(u64::from(number)), ALL)),
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
