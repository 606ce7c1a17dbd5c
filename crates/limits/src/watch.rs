//! Who is limited now, and who was warned: a bounded table of keys with the names that they stand for.
//!
//! Limiters count and forget; they never know a name. Whoever reports edges (it begins, it is over) and shows a list of
//! names needs a memory of the few keys that matter now: this one. Each edge is told to one thread only, however many
//! race. While nobody is refused, an admitted request costs one relaxed load.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use governor::nanos::Nanos;

use crate::key::{Id, Key, PassThrough};

const SHARDS: usize = 64;

/// The keys that are limited now, or were warned in the window that still runs.
#[derive(Debug)]
pub struct Watch {
    entries: DashMap<Id, Entered, PassThrough>,
    max_entries: usize,
    tally: Tally,
}

/// On a cache line of its own: every admitted request reads how many are limited.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Tally {
    limited: AtomicUsize,
    entries: AtomicUsize,
    missed: AtomicU64,
}

/// What is remembered of a key. Times are nanoseconds of the limiters' clock.
#[derive(Debug)]
struct Entered {
    key: Key,
    name: Box<str>,
    limited: AtomicBool,
    since: AtomicU64,
    until: AtomicU64,
    refused: AtomicU64,
    warned_until: AtomicU64,
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The key.
    pub key: Key,
    /// What it stands for.
    pub name: String,
    /// Whether it was refused, and not admitted since.
    pub limited: bool,
    /// When the first refusal came.
    pub since: Nanos,
    /// Until when the last refusal told it to wait.
    pub until: Nanos,
    /// How many refusals there were since the first.
    pub refused: u64,
    /// It is not warned again before this time. Zero if it never was.
    pub warned_until: Nanos,
}

impl Watch {
    /// Remembers so many keys at most. A key stands for one client under one limit: whoever has several limits puts the
    /// name of the limit into the key, or keeps a watch for each.
    pub fn new(max_entries: usize) -> Self {
        let entries = DashMap::with_hasher_and_shard_amount(PassThrough::default(), SHARDS);
        Self { entries, max_entries, tally: Tally::default() }
    }

    /// Notes that a key was refused, and told to wait until a time. True once, for the first refusal: until the key is
    /// admitted, removed or swept. Only then is it asked for its name.
    ///
    /// A key for which there is no room is counted as missed, and its refusals are no edge.
    pub fn refused(&self, key: Key, now: Nanos, until: Nanos, name: impl FnOnce() -> String) -> bool {
        if let Some(entered) = self.entries.get(&key.id()).filter(|entered| entered.limited.load(Ordering::Acquire)) {
            entered.refuse(until.as_u64());
            return false;
        }
        // It begins, or another thread just saw it begin: with the entry locked, one of them is first.
        self.enter(key, name, |entered| {
            let first = !entered.limited.load(Ordering::Relaxed);
            if first {
                entered.begin(now.as_u64());
                self.tally.limited.fetch_add(1, Ordering::Relaxed);
            }
            entered.refuse(until.as_u64());
            first
        })
        .unwrap_or(false)
    }

    /// Notes that a key was admitted. True once after refusals.
    #[inline]
    pub fn admitted(&self, key: Key) -> bool {
        self.tally.limited.load(Ordering::Relaxed) != 0 && self.recovered(key)
    }

    /// Notes that a key crossed a threshold. True once until `until`, which is the end of the window: see
    /// [`Limiter::window_end`]. Only the first time is it asked for its name. After a clock jumped back, it is told again
    /// when the time is reached that it jumped from.
    ///
    /// [`Limiter::window_end`]: crate::Limiter::window_end
    pub fn warned(&self, key: Key, now: Nanos, until: Nanos, name: impl FnOnce() -> String) -> bool {
        let (now, until) = (now.as_u64(), until.as_u64());
        if self.entries.get(&key.id()).is_some_and(|entered| entered.warned_until.load(Ordering::Relaxed) > now) {
            return false;
        }
        let warn = |entered: &Entered| {
            let due = entered.warned_until.load(Ordering::Relaxed) <= now;
            if due {
                entered.warned_until.store(until, Ordering::Relaxed);
            }
            due
        };
        self.enter(key, name, warn).unwrap_or(false)
    }

    /// Forgets the keys whose time is over: those that were refused and did not come back, and those whose warning is for
    /// a window that ended. Returns the former, each once: it is over for them as for those that were admitted again.
    pub fn sweep(&self, now: Nanos) -> Vec<Watched> {
        let now = now.as_u64();
        let (mut ended, mut dropped) = (Vec::new(), 0);
        self.entries.retain(|_, entered| {
            if *entered.limited.get_mut() && *entered.until.get_mut() <= now {
                ended.push(entered.show());
                *entered.limited.get_mut() = false;
                self.tally.limited.fetch_sub(1, Ordering::Relaxed);
            }
            let keep = *entered.limited.get_mut() || *entered.warned_until.get_mut() > now;
            dropped += usize::from(!keep);
            keep
        });
        // Not before they are gone, or their room would be taken twice.
        self.tally.entries.fetch_sub(dropped, Ordering::Relaxed);
        ended
    }

    /// What is known of a key.
    pub fn get(&self, key: Key) -> Option<Watched> {
        self.entries.get(&key.id()).map(|entered| entered.show())
    }

    /// Forgets a key, and tells what was known of it: for a key that is reset.
    pub fn remove(&self, key: Key) -> Option<Watched> {
        let (_, entered) = self.entries.remove(&key.id())?;
        self.tally.entries.fetch_sub(1, Ordering::Relaxed);
        self.tally.limited.fetch_sub(usize::from(entered.limited.load(Ordering::Relaxed)), Ordering::Relaxed);
        Some(entered.show())
    }

    /// One page of the keys by `usage`, the largest first. It looks at all of them: not for the path of a request.
    pub fn page(&self, page: Range<usize>, usage: impl Fn(Key) -> u64) -> Vec<Watched> {
        let mut keys: Vec<(u64, Id, Key)> = self.entries.iter().map(|entry| (0, *entry.key(), entry.key)).collect();
        // The table is no longer locked: `usage` may look into it.
        keys.iter_mut().for_each(|(used, _, key)| *used = usage(*key));
        keys.sort_unstable_by_key(|(used, id, _)| (std::cmp::Reverse(*used), *id));
        let page = keys.iter().skip(page.start).take(page.len());
        page.filter_map(|(_, _, key)| self.get(*key)).collect()
    }

    /// How many keys are limited now.
    pub fn limited(&self) -> usize {
        self.tally.limited.load(Ordering::Relaxed)
    }

    /// How many keys are remembered. Never more than the bound.
    pub fn len(&self) -> usize {
        self.tally.entries.load(Ordering::Relaxed).min(self.max_entries)
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often there was no room for a key.
    pub fn missed(&self) -> u64 {
        self.tally.missed.load(Ordering::Relaxed)
    }

    #[cold]
    fn recovered(&self, key: Key) -> bool {
        self.entries.get(&key.id()).is_some_and(|entered| {
            let recovered = entered.limited.swap(false, Ordering::AcqRel);
            self.tally.limited.fetch_sub(usize::from(recovered), Ordering::Relaxed);
            recovered
        })
    }

    /// Shows the entry of a key to `note` while nobody else sees it, and adds it if there is none. None if there is no
    /// room.
    fn enter<R>(&self, key: Key, name: impl FnOnce() -> String, note: impl FnOnce(&Entered) -> R) -> Option<R> {
        match self.entries.entry(key.id()) {
            Entry::Occupied(entered) => Some(note(entered.get())),
            Entry::Vacant(place) => {
                if self.tally.entries.fetch_add(1, Ordering::Relaxed) < self.max_entries {
                    return Some(note(&place.insert(Entered::new(key, name()))));
                }
                self.tally.entries.fetch_sub(1, Ordering::Relaxed);
                self.tally.missed.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }
}

impl Entered {
    fn new(key: Key, name: String) -> Self {
        Self {
            key,
            name: name.into(),
            limited: AtomicBool::new(false),
            since: AtomicU64::new(0),
            until: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            warned_until: AtomicU64::new(0),
        }
    }

    /// The first refusal came.
    fn begin(&self, now: u64) {
        self.since.store(now, Ordering::Relaxed);
        self.until.store(0, Ordering::Relaxed);
        self.refused.store(0, Ordering::Relaxed);
        self.limited.store(true, Ordering::Release);
    }

    /// A refusal came.
    fn refuse(&self, until: u64) {
        self.until.fetch_max(until, Ordering::Relaxed);
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn show(&self) -> Watched {
        let time = |nanos: &AtomicU64| Nanos::new(nanos.load(Ordering::Relaxed));
        Watched {
            key: self.key,
            name: self.name.to_string(),
            limited: self.limited.load(Ordering::Relaxed),
            since: time(&self.since),
            until: time(&self.until),
            refused: self.refused.load(Ordering::Relaxed),
            warned_until: time(&self.warned_until),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    fn key(number: u64) -> Key {
        crate::Keys::fixed(0).key(&[&number.to_le_bytes()])
    }

    fn at(second: u64) -> Nanos {
        Nanos::new(second * 1_000_000_000)
    }

    fn refuse(watch: &Watch, number: u64, second: u64) -> bool {
        watch.refused(key(number), at(second), at(second + 60), || format!("client {number}"))
    }

    fn warn(watch: &Watch, second: u64, until: u64) -> bool {
        watch.warned(key(1), at(second), at(until), || "client 1".to_owned())
    }

    #[test]
    fn a_key_is_limited_once_and_recovers_once() {
        let watch = Watch::new(10);
        assert!(!watch.admitted(key(1)));
        assert_eq!([refuse(&watch, 1, 5), refuse(&watch, 1, 6)], [true, false]);
        let shown = watch.get(key(1)).expect("it is limited");
        assert_eq!((shown.name.as_str(), shown.limited, shown.refused), ("client 1", true, 2));
        assert_eq!((shown.since, shown.until), (at(5), at(66)));
        assert!(!watch.admitted(key(2)));
        assert_eq!([watch.admitted(key(1)), watch.admitted(key(1))], [true, false]);
        assert_eq!((watch.limited(), refuse(&watch, 1, 7)), (0, true));
        assert_eq!(watch.get(key(1)).map(|shown| (shown.refused, shown.since)), Some((1, at(7))));
    }

    #[test]
    fn a_name_is_asked_for_once() {
        let watch = Watch::new(10);
        refuse(&watch, 1, 5);
        assert!(!watch.refused(key(1), at(6), at(7), || panic!("it is known")));
        assert!(watch.warned(key(1), at(6), at(7), || panic!("it is known")));
    }

    #[test]
    fn a_warning_comes_once_a_window() {
        let watch = Watch::new(10);
        let warned = [(61, 120), (119, 120), (120, 180), (130, 180), (119, 120), (180, 240)];
        let warned = warned.map(|(second, until)| warn(&watch, second, until));
        assert_eq!(warned, [true, false, true, false, false, true]);
    }

    #[test]
    fn a_warning_comes_no_sooner_than_a_window_later() {
        let watch = Watch::new(10);
        let warned = [10, 69, 70, 129, 131, 190, 191].map(|second| warn(&watch, second, second + 60));
        assert_eq!(warned, [true, false, true, false, true, false, true]);
    }

    #[test]
    fn what_is_over_is_swept_and_told() {
        let watch = Watch::new(10);
        refuse(&watch, 1, 0);
        refuse(&watch, 2, 30);
        refuse(&watch, 3, 30);
        watch.admitted(key(3));
        warn(&watch, 0, 90);
        let sweep = |second| {
            let names: Vec<_> = watch.sweep(at(second)).into_iter().map(|ended| ended.name).collect();
            (names, watch.limited(), watch.len())
        };
        assert_eq!(sweep(59), (vec![], 2, 2));
        assert_eq!(sweep(60), (vec!["client 1".to_owned()], 1, 2));
        assert_eq!(sweep(90), (vec!["client 2".to_owned()], 0, 0));
        assert!(refuse(&watch, 1, 91));
    }

    #[test]
    fn the_table_is_bounded_and_what_does_not_fit_is_counted() {
        let watch = Watch::new(10);
        assert_eq!((0..20).filter(|number| refuse(&watch, *number, 0)).count(), 10);
        assert_eq!((watch.len(), watch.limited(), watch.missed()), (10, 10, 10));
        assert!(watch.remove(key(3)).is_some_and(|removed| removed.limited));
        assert!(watch.remove(key(3)).is_none());
        assert_eq!((watch.len(), watch.limited(), refuse(&watch, 30, 0)), (9, 9, true));
    }

    #[test]
    fn pages_are_by_usage() {
        let watch = Watch::new(10);
        (0..10).for_each(|number| assert!(refuse(&watch, number, number)));
        let usage = |key| watch.get(key).map_or(0, |shown| shown.since.as_u64());
        let page = |range| watch.page(range, usage).into_iter().map(|shown| shown.name).collect::<Vec<_>>();
        assert_eq!(page(0..2), ["client 9", "client 8"]);
        assert_eq!(page(8..20), ["client 1", "client 0"]);
        assert_eq!(page(10..20), [""; 0]);
    }

    /// Two threads run this; how many of the calls are true?
    fn race(call: impl Fn() -> usize + Sync) -> usize {
        let start = Barrier::new(2);
        let run = || {
            start.wait();
            call()
        };
        thread::scope(|scope| {
            [scope.spawn(run), scope.spawn(run)].map(|thread| thread.join().expect("nobody panics")).iter().sum()
        })
    }

    #[test]
    fn each_edge_is_told_to_one_thread() {
        for number in 0..2_000 {
            let watch = Watch::new(10);
            assert_eq!(race(|| usize::from(refuse(&watch, number, 0))), 1);
            assert_eq!(race(|| usize::from(watch.admitted(key(number)))), 1);
        }
    }

    #[test]
    fn each_window_is_warned_of_in_one_thread() {
        let watch = Watch::new(10);
        assert_eq!(race(|| (0..20_000).filter(|window| warn(&watch, *window, window + 1)).count()), 20_000);
    }

    #[test]
    fn beginnings_and_ends_alternate_whatever_races() {
        let watch = Watch::new(10);
        let [begun, ended] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let tried = race(|| {
            for _ in 0..20_000 {
                begun.fetch_add(refuse(&watch, 1, 0).into(), Ordering::Relaxed);
                ended.fetch_add(watch.admitted(key(1)).into(), Ordering::Relaxed);
            }
            20_000
        });
        let limited = usize::from(watch.get(key(1)).is_some_and(|shown| shown.limited));
        assert_eq!((tried, watch.limited()), (40_000, limited));
        assert_eq!(begun.into_inner(), ended.into_inner() + limited);
    }

    /// Keys are refused, admitted and warned while they are swept and removed: nothing that begins does not end, and no
    /// count drifts. There is no room for all of them.
    #[test]
    fn beginnings_and_ends_alternate_while_keys_are_swept_and_removed() {
        let watch = Watch::new(3);
        let [begun, ended, turn] = [0; 3].map(|_| AtomicUsize::new(0));
        race(|| {
            let mine = turn.fetch_add(1, Ordering::Relaxed);
            for round in 0..20_000 {
                let number = round % 5;
                begun.fetch_add(refuse(&watch, number, round).into(), Ordering::Relaxed);
                if mine == 0 {
                    ended.fetch_add(watch.admitted(key(number)).into(), Ordering::Relaxed);
                    warn(&watch, round, round + 10);
                } else if round % 3 == 0 {
                    let removed = watch.remove(key(number + 1)).is_some_and(|removed| removed.limited);
                    ended.fetch_add(removed.into(), Ordering::Relaxed);
                } else {
                    ended.fetch_add(watch.sweep(at(round + 59)).len(), Ordering::Relaxed);
                }
            }
            0
        });
        let limited = watch.entries.iter().filter(|entered| entered.limited.load(Ordering::Relaxed)).count();
        assert_eq!((watch.limited(), watch.tally.entries.load(Ordering::Relaxed)), (limited, watch.entries.len()));
        assert!(watch.entries.len() <= 3);
        assert_eq!(begun.into_inner(), ended.into_inner() + limited);
    }

    #[test]
    fn no_refusal_is_lost_between_threads() {
        let watch = Watch::new(10);
        race(|| (0..20_000).filter(|_| refuse(&watch, 1, 0)).count());
        assert_eq!(watch.get(key(1)).map(|shown| shown.refused), Some(40_000));
    }
}
