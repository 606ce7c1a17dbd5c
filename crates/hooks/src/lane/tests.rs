//! A lane with a clock that the test has in its hand: nothing is lost or told twice, whatever happens.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use proptest::prelude::*;
use sluice_config::{ProcessEnvironment, Source};
use sluice_events::{Bus, RateLimitExceeded, Window};

use super::*;
use crate::handler::Failure;
use crate::outbox::{Change, Outbox, State as Ended};
use crate::record::Try;

/// Events whose unique fields are these numbers.
pub(crate) fn occurrences(numbers: impl ExactSizeIterator<Item = u32>) -> Vec<Occurrence> {
    let bus = Arc::new(Bus::with_capacity(numbers.len()));
    bus.set_wanted(|_| true);
    let emitter = bus.emitter::<RateLimitExceeded>();
    for number in numbers {
        emitter.emit(|| RateLimitExceeded {
            consumer: None,
            ip: IpAddr::from(number.to_be_bytes()),
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

/// A hook with these lines.
fn hook(lines: &str) -> Hook {
    let text = format!(
        "[event_hooks.h]\nsource = \"rate-limiting-advanced\"\nhandler = \"webhook\"\n\
         config.url = \"http://localhost/\"\nconcurrency = 100\n{lines}"
    );
    let draft = sluice_config::read(Source::new("t", text), &ProcessEnvironment);
    assert_eq!(draft.problems, []);
    crate::build(&draft.config.event_hooks, &Default::default()).0.remove(0)
}

/// What lanes work with, and what they tell the outbox.
fn around() -> (Arc<Around>, Receiver<Change>) {
    let (outbox, changes) = Outbox::overheard();
    (Arc::new(Around::with(&Arc::default(), outbox, Arc::default())), changes)
}

/// A lane at work, the sums of what went in and came out, and what the outbox knows by now.
struct Model {
    lane: Lane,
    changes: Receiver<Change>,
    /// How many events each delivery in the outbox stands for.
    outbox: BTreeMap<u64, u64>,
    now: Instant,
    events: Vec<Occurrence>,
    under_way: Vec<Arc<Job>>,
    /// Every delivery that worked: when, of whom, and of how many events.
    told: Vec<(Instant, u64)>,
    offered: u64,
    failed: u64,
}

impl Model {
    fn new(lines: &str) -> Self {
        let (events, (around, changes)) = (occurrences(0..4), around());
        let (lane, now) = (Lane::new(hook(lines), around), Instant::now());
        let (under_way, told) = (Vec::new(), Vec::new());
        Self { lane, changes, outbox: BTreeMap::new(), now, events, under_way, told, offered: 0, failed: 0 }
    }

    /// One event, a batch of its own.
    fn offer(&mut self, number: usize) {
        self.offer_in_a_batch(number);
        self.end_batch();
    }

    fn offer_in_a_batch(&mut self, number: usize) {
        self.offered += 1;
        self.lane.offer(&self.events[number], self.now);
    }

    /// The outbox is told, and what it has may be tried.
    fn end_batch(&mut self) {
        let before = self.lane.around.order.next();
        self.lane.tell(self.now);
        self.hear();
        let unfinished = self.lane.unfinished();
        let memory: BTreeMap<u64, u64> = unfinished.iter().map(|(job, _)| (job.seq, job.count)).collect();
        assert_eq!(self.outbox, memory, "the outbox has what memory has");
        self.lane.admit(before);
    }

    /// Does what the outbox was told.
    fn hear(&mut self) {
        for change in self.changes.try_iter() {
            match change {
                Change::New(entry) => assert_eq!(self.outbox.insert(entry.seq, entry.count), None, "it is new"),
                Change::Grown { seq, count, .. } => {
                    let before = self.outbox.insert(seq, count).expect("it was there");
                    assert!(count >= before, "nothing shrinks");
                }
                Change::Tried { seq, state: Ended::Waiting, count, .. } => {
                    assert_eq!(self.outbox.insert(seq, count), Some(count), "what is tried does not grow");
                }
                Change::Tried { seq, .. } | Change::Gone { seq } => {
                    self.outbox.remove(&seq).expect("it was there");
                }
                Change::All { waiting, .. } => {
                    self.outbox = waiting.iter().map(|entry| (entry.seq, entry.count)).collect();
                }
                Change::AllDead { .. } => self.outbox.clear(),
                Change::Again { .. } | Change::Standing { .. } | Change::NoHook { .. } | Change::Whole | Change::Flush(_) => {}
            }
        }
    }

    fn advance(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Starts what may start; how long the lane says there is nothing more to do.
    fn start(&mut self) -> Option<Instant> {
        loop {
            match self.lane.step(self.now) {
                Step::Start(job, _) => {
                    self.hear();
                    assert_eq!(self.outbox.get(&job.seq), Some(&job.count), "the outbox has it before it is tried");
                    self.under_way.push(job);
                }
                Step::Wait(until) => return until,
                Step::End => unreachable!("it is not closed"),
            }
        }
    }

    fn finish(&mut self, good: bool) {
        for job in std::mem::take(&mut self.under_way) {
            if good {
                self.told.push((self.now, job.count));
                self.lane.finish(&job, outcome(Ok(())), self.now);
            } else {
                self.failed += job.count;
                self.lane.finish(&job, outcome(Err(Failure::give_up("no"))), self.now);
            }
        }
    }

    /// The process is killed. The next one has what the outbox has, and is asked what that is.
    fn restart(&mut self, lines: &str) {
        self.end_batch();
        let (around, changes) = around();
        let lane = Lane::new(hook(lines), around);
        for (mut job, due) in self.lane.unfinished() {
            lane.around.order.begin_behind(job.seq);
            job.kept = true;
            lane.restore(job, due.unwrap_or(self.now), self.now);
        }
        self.under_way.clear();
        (self.lane, self.changes) = (lane, changes);
    }

    /// Lets time pass from one wake-up to the next until there is nothing more to do.
    fn settle(&mut self) {
        while let Some(until) = self.start().or_else(|| (!self.under_way.is_empty()).then_some(self.now)) {
            self.finish(true);
            self.now = self.now.max(until);
        }
    }

    fn check(&self) {
        let HookStats { matched, delivered, filtered, swallowed, waiting, failed, dropped, .. } = self.lane.stats();
        assert_eq!(matched, delivered + filtered + swallowed + waiting + failed + dropped);
        let told: u64 = self.told.iter().map(|(_, count)| count).sum();
        assert_eq!(self.offered, told + self.failed + waiting + swallowed);
    }
}

fn outcome(result: Result<(), Failure>) -> Outcome {
    Outcome { result, record: Try { at: 0, took: 0, error: None, answer: None } }
}

#[test]
fn a_digest_tells_the_first_at_once_and_the_others_at_its_end() {
    let mut model = Model::new("digest = \"10s\"");
    let start = model.now;
    // (second, who) and in the end (second, count).
    for (second, number) in [(0, 0), (1, 0), (2, 1), (9, 0), (10, 0), (11, 0), (25, 0)] {
        model.now = start + Duration::from_secs(second);
        model.start();
        model.finish(true);
        model.offer(number);
        model.start();
        model.finish(true);
        model.check();
    }
    model.settle();
    let told: Vec<(u64, u64)> = model.told.iter().map(|(at, count)| ((*at - start).as_secs(), *count)).collect();
    assert_eq!(told, [(0, 1), (2, 1), (10, 2), (10, 1), (25, 1), (25, 1)]);
    let summary = &model.lane.stats();
    assert_eq!((summary.delivered, summary.waiting), (7, 0));
}

#[test]
fn the_lane_wakes_for_the_end_of_a_digest_and_a_stop_keeps_it_with_its_end() {
    let mut model = Model::new("digest = \"10s\"");
    (0..3).for_each(|_| model.offer(0));
    let end = model.now + Duration::from_secs(10);
    assert_eq!((model.start(), model.under_way.len()), (Some(end), 1));
    model.finish(true);
    assert!(model.lane.is_idle(model.now), "a stop does not wait for it");
    model.advance(1_000);
    model.restart("digest = \"10s\"");
    let unfinished = model.lane.unfinished();
    assert_eq!((unfinished.len(), unfinished[0].0.count, unfinished[0].1), (1, 2, Some(end)));
    assert_eq!((model.start(), model.under_way.len()), (Some(end), 0));
    assert!(!model.lane.is_idle(end), "but once it is due it is to be done");
    model.settle();
    assert_eq!(model.told.last(), Some(&(end, 2)));
}

#[test]
fn a_change_of_the_hook_delivers_what_was_gathered_and_its_end_drops_it() {
    let mut model = Model::new("digest = \"1h\"");
    (0..5).for_each(|_| model.offer(0));
    model.lane.change(hook("digest = \"1h\""), model.now);
    model.start();
    assert_eq!(model.under_way.len(), 1, "nothing changed");
    model.lane.change(hook("digest = \"2h\""), model.now);
    model.start();
    model.finish(true);
    assert_eq!(model.told.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 4]);
    (0..5).for_each(|_| model.offer(1));
    model.lane.close(model.now);
    let stats = model.lane.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.waiting), (5, 5, 0));
}

#[test]
fn a_digest_gathers_what_on_change_lets_pass() {
    let mut model = Model::new("digest = \"10s\"\non_change = true");
    [0, 0, 1, 1, 0, 1, 0].into_iter().for_each(|number| model.offer(number));
    model.settle();
    assert_eq!(model.told.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 1, 2, 1]);
    assert_eq!(model.lane.stats().swallowed, 2);
}

#[test]
fn a_rate_makes_deliveries_wait_and_merge() {
    let mut model = Model::new("rate = 2");
    let start = model.now;
    (0..100).for_each(|_| model.offer(0));
    model.settle();
    // The last of the 64 that wait apart stands for all that came after.
    let counts: Vec<u64> = model.told.iter().map(|(_, count)| *count).collect();
    assert_eq!((counts.len(), counts[0], counts[63]), (64, 1, 37));
    let times: Vec<u128> = model.told.iter().map(|(at, _)| (*at - start).as_millis()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 500), "{times:?}");
}

#[derive(Clone, Debug)]
enum Happens {
    Offer(usize),
    EndBatch,
    Advance(u64),
    Start,
    Finish(bool),
    Change(usize),
    Restart(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0_usize..4).prop_map(Happens::Offer),
        3 => Just(Happens::EndBatch),
        3 => (0_u64..2_500).prop_map(Happens::Advance),
        3 => Just(Happens::Start),
        2 => any::<bool>().prop_map(Happens::Finish),
        1 => (0..HOOKS.len()).prop_map(Happens::Change),
        1 => (0..HOOKS.len()).prop_map(Happens::Restart),
    ]
}

const HOOKS: &[&str] =
    &["digest = \"1s\"", "digest = \"3s\"", "", "digest = \"2s\"\nrate = 3", "digest = \"2s\"\non_change = true"];

proptest! {
    /// The counts of all deliveries add up to the events, over changes of the hook and over stops, at every moment.
    #[test]
    fn what_happens_is_told_once(first in 0..HOOKS.len(), all in prop::collection::vec(happens(), 1..120)) {
        let mut model = Model::new(HOOKS[first]);
        let mut swallowed = 0;
        for one in all {
            match one {
                Happens::Offer(number) => model.offer_in_a_batch(number),
                Happens::EndBatch => model.end_batch(),
                Happens::Advance(millis) => model.advance(millis),
                Happens::Start => drop(model.start()),
                Happens::Finish(good) => model.finish(good),
                Happens::Change(to) => model.lane.change(hook(HOOKS[to]), model.now),
                Happens::Restart(to) => {
                    // A new process counts from nothing; what the old one swallowed is done with.
                    let before = model.lane.stats().swallowed;
                    model.offered -= before;
                    swallowed += before;
                    model.restart(HOOKS[to]);
                }
            }
            model.check();
        }
        model.end_batch();
        model.settle();
        model.check();
        prop_assert_eq!(model.lane.stats().waiting, 0, "{} were swallowed before", swallowed);
    }

    /// A hook that keeps up has at most two deliveries of the same in any time as long as its digest.
    #[test]
    fn a_flood_is_two_deliveries_in_each_time(gaps in prop::collection::vec(0_u64..700, 1..200)) {
        let mut model = Model::new("digest = \"5s\"");
        for gap in gaps {
            let until = model.now + Duration::from_millis(gap);
            // The worker wakes when the lane says so.
            while let Some(end) = model.start().filter(|end| *end <= until) {
                model.now = end;
                model.start();
                model.finish(true);
            }
            model.now = until;
            model.offer(0);
            model.start();
            model.finish(true);
            model.check();
        }
        model.settle();
        model.check();
        for three in model.told.windows(3) {
            prop_assert!(three[2].0 - three[0].0 >= Duration::from_secs(5), "{:?}", model.told);
        }
    }
}
