//! The `digest` of a hook: of events with the same unique fields the first is delivered at once, and what comes within the
//! time after it is gathered for one delivery at its end, the summary. Nothing is left out, and nothing is told twice.
//!
//! - The time begins with an event that is delivered at once, and nothing prolongs it. After it the next event is a first
//!   one again, so there are at most two deliveries in each time. Without further events there is no summary.
//! - A summary has the data of the first event in it, and the `count`, `first_at` and `last_at` of all of them.
//! - It comes after `filter` and `on_change`: what those keep back is not gathered. `snooze` would swallow what `digest`
//!   gathers, so a hook has one or the other.
//! - When the hook changes, its times end: what was gathered is delivered. At a stop it is kept, with the time of its end.
//!
//! At most [`OPEN`] times run for a hook: past that the oldest ends before its time, and its summary is delivered then.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use sluice_events::Occurrence;
use tokio::time::Instant;

use crate::job::{Job, Order};

/// How many times may run at once.
const OPEN: usize = 65_536;
/// A century: longer is not meant.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What one hook gathers.
pub(crate) struct Digest {
    length: Duration,
    /// For each identity whose time runs: when that ends, and where its summary is, if there is something to sum up.
    open: HashMap<u64, (Instant, Option<u64>)>,
    /// The summaries by their places, with the time of their end.
    summaries: BTreeMap<u64, (Job, Instant)>,
    /// Those by the time of their end: all last equally long, so the oldest ends first.
    ends: VecDeque<(Instant, u64)>,
    /// The sum of the counts of all that was gathered.
    sum: u64,
}

impl Digest {
    /// Gathers for this long; for no time at all it gathers nothing.
    pub fn new(length: Duration) -> Self {
        Self { length: length.min(LONGEST), open: HashMap::new(), summaries: BTreeMap::new(), ends: VecDeque::new(), sum: 0 }
    }

    /// The next summary whose time is over, or that has to make room. Ask until there is none before anything else.
    pub fn ended(&mut self, now: Instant) -> Option<Job> {
        while self.ends.front().is_some_and(|(end, _)| *end <= now || self.ends.len() >= OPEN) {
            let summary = self.end_oldest();
            if summary.is_some() {
                return summary;
            }
        }
        None
    }

    /// Gathers the event if the time of its like runs, and says where. If not, it is the first: it is to be delivered at
    /// once.
    pub fn gathers(&mut self, occurrence: &Occurrence, order: &Order, now: Instant) -> Option<u64> {
        if self.length.is_zero() {
            return None;
        }
        let identity = occurrence.event.identity();
        let Some((end, place)) = self.open.get_mut(&identity) else {
            let end = now + self.length;
            self.open.insert(identity, (end, None));
            self.ends.push_back((end, identity));
            return None;
        };
        self.sum += occurrence.count;
        if let Some(seq) = *place {
            if let Some((summary, _)) = self.summaries.get_mut(&seq) {
                summary.merge(occurrence.count, occurrence.first_at, occurrence.last_at);
            }
            return Some(seq);
        }
        let summary = Job::of(occurrence, order);
        let seq = *place.insert(summary.seq);
        self.summaries.insert(seq, (summary, *end));
        Some(seq)
    }

    /// The summary at this place, with the time of its end.
    pub fn get_mut(&mut self, seq: u64) -> Option<(&mut Job, Instant)> {
        self.summaries.get_mut(&seq).map(|(summary, end)| (summary, *end))
    }

    /// Every summary.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.summaries.values_mut().map(|(summary, _)| summary)
    }

    /// When the next time ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// How many events are gathered.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Every summary as it is now, with the time of its end.
    pub fn iter(&self) -> impl Iterator<Item = (&Job, Instant)> {
        self.summaries.values().map(|(summary, end)| (summary, *end))
    }

    /// Ends every time and takes the summaries out.
    pub fn drain(&mut self) -> Vec<Job> {
        let mut all = Vec::new();
        while !self.ends.is_empty() {
            all.extend(self.end_oldest());
        }
        all
    }

    fn end_oldest(&mut self) -> Option<Job> {
        let (_, identity) = self.ends.pop_front()?;
        let (_, place) = self.open.remove(&identity)?;
        let (summary, _) = self.summaries.remove(&place?)?;
        self.sum -= summary.count;
        Some(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::tests::occurrences;

    #[test]
    fn memory_is_bounded_and_what_makes_room_is_delivered() {
        let (mut digest, order, now) = (Digest::new(Duration::from_secs(3600)), Order::default(), Instant::now());
        let (mut at_once, mut summaries) = (0, 0);
        // Each of them twice, one after the other.
        let events = occurrences(0..70_000);
        for event in events.iter().flat_map(|event| [event, event]) {
            summaries += std::iter::from_fn(|| digest.ended(now)).map(|summary| summary.count).sum::<u64>();
            at_once += u64::from(digest.gathers(event, &order, now).is_none());
        }
        assert!(digest.open.len() <= OPEN && digest.ends.len() == digest.open.len());
        assert_eq!((at_once, summaries + digest.sum()), (70_000, 70_000));
        let sum = digest.sum();
        assert_eq!((digest.drain().len() as u64, digest.sum()), (sum, 0));
    }
}
