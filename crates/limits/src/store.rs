//! Where the states of all keys of a limiter live: a concurrent table that takes room from a [`Budget`].
//!
//! A full table evicts nobody who counts, since an evicted key would come back with its whole limit. Keys at rest leave
//! first: a newcomer that finds no room sweeps one section of the table, the next in turn, if that was not done within a
//! second. If that frees nothing, newcomers of one network share an overflow key (see `overflow.rs`). Keys at rest in
//! other tables of the budget leave with their next [`Limiter::forget_idle`]. The bounds:
//!
//! - A key that has spent something which still counts is never forgotten.
//! - The keys outside the table get at most one limit for each network with an overflow key, and [`SPARE_SLOTS`] limits
//!   together for all others. Each of them gets at most one.
//! - A key that finds room later starts where it stood outside, so that it does not get its limit twice. Whoever counts
//!   it outside keeps its part of the table locked meanwhile, so that nobody brings it inside.
//! - A newcomer costs a few look-ups, and at most [`SECTIONS`] of them a second sweep as small a part of the table
//!   each; known keys wait for no more than one shard of it.
//!
//! [`Limiter::forget_idle`]: crate::Limiter::forget_idle
//! [`SPARE_SLOTS`]: crate::overflow::SPARE_SLOTS

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, Hash},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use governor::nanos::Nanos;

use crate::{
    budget::{Budget, Share},
    hot::{Hit, Hot},
    key::{Id, Key, PassThrough},
    overflow::Overflow,
    slot::{CopySlot, Slot},
};

/// How many parts a table has that are swept apart.
const SECTIONS: usize = 128;

/// A shard is locked while it grows or is swept: with a million keys it has about four thousand.
const SHARDS_PER_SECTION: usize = 2;

/// How often newcomers sweep a section at most.
const BETWEEN_SWEEPS: u64 = 1_000_000_000;

/// What can be done to a table without a look at what it holds.
pub trait Table {
    /// Forgets a key, and what it shares with others if there was no room for it.
    fn reset(&self, key: Key);

    /// Forgets all keys.
    fn clear(&self);

    /// How many keys are in the table.
    fn keys(&self) -> usize;

    /// How often a newcomer found no room.
    fn overflowed(&self) -> u64;
}

/// A table of one slot per key. A clone is the same table.
pub struct Store<S: Slot> {
    /// Tells it apart from others: here, so that a check of a hot key does not look for it among the places.
    table: u64,
    places: Arc<Places<S>>,
}

struct Places<S> {
    sections: [Section<S>; SECTIONS],
    hot: Hot<S>,
    overflow: Overflow<S>,
    share: Share,
    /// Which section newcomers sweep next.
    next: AtomicUsize,
}

struct Section<S> {
    slots: DashMap<Id, S, PassThrough>,
    swept: AtomicU64,
}

impl<S: Slot> Store<S> {
    /// An empty table.
    pub fn new(budget: &Budget) -> Self {
        Self::of(sections(), Overflow::new(), Share::of(budget))
    }

    fn of(sections: [Section<S>; SECTIONS], overflow: Overflow<S>, share: Share) -> Self {
        let places = Places { sections, next: AtomicUsize::new(0), hot: Hot::new(), overflow, share };
        Self { table: places.hot.table, places: Arc::new(places) }
    }

    /// Shows the slot of a key to `visit`, which may change what it holds, and which says whether there is something
    /// to remember: only then is a key that is not there added. `at_rest` tells which others may leave for it.
    #[inline]
    pub fn visit<R>(&self, now: Nanos, key: Key, at_rest: impl Fn(&S) -> bool, visit: impl FnOnce(&S) -> (R, bool)) -> R {
        if let Some(slot) = self.section(key).slots.get(&key.id()) {
            return self.places.hot.show(key.id(), &slot, visit).0;
        }
        self.add(now, key, at_rest, visit)
    }

    /// Shows the slot of a key to `look`: its own or the one that it shares. None if there is neither.
    pub fn look<R>(&self, key: Key, look: impl FnOnce(&S) -> R) -> Option<R> {
        match self.section(key).slots.get(&key.id()) {
            Some(slot) => Some(self.places.hot.show(key.id(), &slot, look)),
            None => self.places.overflow.look(key, look),
        }
    }

    /// Drops the keys that need not be kept, and gives memory back when most of it is unused.
    /// Locks one small shard after the other.
    pub fn retain_slots(&self, keep: impl Fn(&S) -> bool) {
        for section in &self.places.sections {
            section.retain(&self.places, &keep);
        }
        self.places.overflow.retain(&self.places.share, keep);
    }

    /// Where the table takes its room from.
    pub fn budget(&self) -> &Budget {
        self.places.share.budget()
    }

    #[inline]
    fn section(&self, key: Key) -> &Section<S> {
        &self.places.sections[key.id().spare_bits() as usize % SECTIONS]
    }

    #[cold]
    #[inline(never)]
    fn add<R>(&self, now: Nanos, key: Key, at_rest: impl Fn(&S) -> bool, visit: impl FnOnce(&S) -> (R, bool)) -> R {
        let Places { overflow, share, .. } = &*self.places;
        if !share.has_room() {
            self.sweep_one(now, at_rest);
        }
        if !share.take() {
            return locked(&self.section(key).slots, &key.id(), |known| match known {
                Some(slot) => self.places.hot.show(key.id(), slot, visit).0,
                None => {
                    share.overflow();
                    overflow.visit(key, share, visit)
                }
            });
        }
        match self.section(key).slots.entry(key.id()) {
            Entry::Occupied(known) => {
                share.give_back(1);
                self.places.hot.show(key.id(), known.get(), visit).0
            }
            Entry::Vacant(place) => {
                // A key that is not in the table has spent whatever the place says that it shares.
                let slot = overflow.look(key, S::duplicate).unwrap_or_default();
                let (result, remember) = visit(&slot);
                match remember {
                    true => drop(place.insert(slot)),
                    false => share.give_back(1),
                }
                result
            }
        }
    }
}

impl<S: Slot> Store<S> {
    /// Drops the keys at rest of the next section, if it is due.
    fn sweep_one(&self, now: Nanos, at_rest: impl Fn(&S) -> bool) {
        let section = &self.places.sections[self.places.next.load(Ordering::Relaxed) % SECTIONS];
        if section.is_due(now.as_u64()) {
            self.places.next.fetch_add(1, Ordering::Relaxed);
            section.retain(&self.places, |slot| !at_rest(slot));
        }
    }
}

/// Looks a key up and keeps its part of a map locked meanwhile, even if it is not there: nobody adds it.
pub(crate) fn locked<K: Eq + Hash, V, H: BuildHasher + Clone, R>(
    map: &DashMap<K, V, H>,
    key: &K,
    look: impl FnOnce(Option<&V>) -> R,
) -> R {
    let hash = map.hasher().hash_one(key);
    let part = map.shards()[map.determine_shard(hash as usize)].read();
    look(part.get(hash, |(known, _)| known == key).map(|(_, value)| value.get()))
}

fn sections<S: Slot>() -> [Section<S>; SECTIONS] {
    std::array::from_fn(|_| Section {
        slots: DashMap::with_hasher_and_shard_amount(PassThrough::default(), SHARDS_PER_SECTION),
        swept: AtomicU64::new(0),
    })
}

impl<S: Slot> Table for Store<S> {
    fn reset(&self, key: Key) {
        let forget = |id: &Id, slot: &mut S| {
            self.places.hot.bring_back(*id, slot);
            true
        };
        // What it shares comes first: if another thread brings the key back meanwhile, it starts where that stands.
        self.places.overflow.reset(key, &self.places.share);
        let dropped = self.section(key).slots.remove_if_mut(&key.id(), forget);
        self.places.share.give_back(usize::from(dropped.is_some()));
    }

    fn clear(&self) {
        self.places.overflow.clear(&self.places.share);
        for section in &self.places.sections {
            section.retain(&self.places, |_| false);
        }
    }

    fn keys(&self) -> usize {
        self.places.share.keys()
    }

    fn overflowed(&self) -> u64 {
        self.places.share.overflowed()
    }
}

impl<S: Slot> Section<S> {
    /// Whether a newcomer should sweep it now: the first one each second, by a clock that may jump.
    fn is_due(&self, now: u64) -> bool {
        let swept = self.swept.load(Ordering::Relaxed);
        now.abs_diff(swept) >= BETWEEN_SWEEPS
            && self.swept.compare_exchange(swept, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn retain(&self, Places { hot, share, .. }: &Places<S>, keep: impl Fn(&S) -> bool) {
        let mut dropped = 0;
        self.slots.retain(|id, slot| {
            let keep = hot.keep(*id, slot, &keep);
            dropped += usize::from(!keep);
            keep
        });
        share.give_back(dropped);
        if self.slots.capacity() / 4 > self.slots.len() {
            self.slots.shrink_to_fit();
        }
    }
}

impl<S: CopySlot> Store<S> {
    /// Changes the state of a key by what `change` says, if anything, as one step, and returns what else it says. A key that is not there has the
    /// default state, and is added if there is something to remember. `change` may run several times: the last time
    /// counts.
    #[inline]
    pub fn update<R>(
        &self,
        now: Nanos,
        key: Key,
        at_rest: impl Fn(S::State) -> bool + Copy,
        change: impl Fn(S::State) -> (Option<S::State>, R) + Copy,
    ) -> R {
        match S::update_hot(self.table, key.id(), change) {
            Hit::Changed(result) => return result,
            Hit::Hot => self.move_out(key),
            Hit::Unknown => (),
        }
        if let Some(slot) = self.section(key).slots.get(&key.id()) {
            return self.places.hot.show(key.id(), &slot, |slot| slot.update(change));
        }
        let at_rest = move |slot: &S| at_rest(slot.load());
        self.add(now, key, at_rest, move |slot| {
            let remember = Cell::new(false);
            let result = slot.update(|state| {
                let (after, result) = change(state);
                remember.set(after.is_some());
                (after, result)
            });
            (result, remember.get())
        })
    }

    /// From now on this thread remembers the slot of a key.
    #[cold]
    fn move_out(&self, key: Key) {
        let hot = &self.places.hot;
        let slot = self.section(key).slots.get_mut(&key.id()).and_then(|mut slot| hot.move_out(key.id(), &mut slot));
        if let Some(slot) = slot {
            S::remember(hot.table, key.id(), slot);
        }
    }

    /// The same for a key that was charged before: one that is not there is left alone.
    pub fn amend(&self, key: Key, change: impl Fn(S::State) -> Option<S::State>) {
        self.look(key, |slot| slot.update(|state| (change(state), ())));
    }

    /// The state of a key.
    pub fn load(&self, key: Key) -> S::State {
        self.look(key, S::load).unwrap_or_default()
    }

    /// Drops the keys that need not be kept, as [`Store::retain_slots`] does.
    pub fn retain(&self, keep: impl Fn(S::State) -> bool) {
        self.retain_slots(|slot| keep(slot.load()));
    }

    /// A table of the same keys, their states as `convert` says. Nobody is forgotten for lack of room: while both tables
    /// live, their keys count twice.
    pub fn converted<T: CopySlot>(&self, convert: impl Fn(S::State) -> T::State) -> Store<T> {
        let convert = |slot: &S| T::holding(convert(slot.load()));
        let share = Share::of(self.budget());
        let overflow = self.places.overflow.converted(&share, convert);
        let table = Store::of(sections(), overflow, share);
        for (from, to) in self.places.sections.iter().zip(&table.places.sections) {
            for entry in &from.slots {
                table.places.share.take_anyway();
                to.slots.insert(*entry.key(), self.places.hot.show(*entry.key(), entry.value(), convert));
            }
        }
        table
    }
}

impl<S: Slot> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self { table: self.table, places: Arc::clone(&self.places) }
    }
}

impl<S: Slot> fmt::Debug for Store<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("keys", &self.keys()).field("budget", self.budget()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{hot::MAX_HOT_KEYS, overflow::SPARE_SLOTS};

    fn key(number: u64) -> Key {
        crate::Keys::fixed(0).key(&[&number.to_le_bytes()])
    }

    fn store(max_keys: usize) -> Store<AtomicU64> {
        Store::new(&Budget::new(max_keys))
    }

    fn count(store: &Store<AtomicU64>, number: u64) -> u64 {
        store.update(Nanos::new(0), key(number), |_| false, |state| (Some(state + 1), ()));
        store.load(key(number))
    }

    #[test]
    fn a_key_counts_for_itself() {
        let store = store(10);
        assert_eq!([count(&store, 1), count(&store, 1), count(&store, 2)], [1, 2, 1]);
        assert_eq!(store.keys(), 2);
    }

    #[test]
    fn nothing_to_remember_adds_no_key() {
        let store = store(10);
        store.update(Nanos::new(0), key(1), |_| false, |_| (None, ()));
        store.amend(key(1), |_| Some(9));
        assert_eq!((store.keys(), store.load(key(1))), (0, 0));
    }

    #[test]
    fn a_full_table_keeps_its_keys_and_newcomers_share() {
        let store = store(10);
        (0..10).for_each(|number| assert_eq!(count(&store, number), 1));
        let newcomers = 10 * SPARE_SLOTS as u64;
        let most = (10..10 + newcomers).map(|number| count(&store, number)).max();
        assert!(most > Some(5), "newcomers share slots");
        (0..10).for_each(|number| assert_eq!(count(&store, number), 2));
        assert_eq!((store.keys(), store.overflowed()), (10, newcomers));
    }

    #[test]
    fn a_newcomer_that_finds_room_later_starts_where_its_spare_slot_stands() {
        let store = store(1);
        count(&store, 1);
        assert_eq!([count(&store, 2), count(&store, 2)], [1, 2]);
        store.retain(|_| false);
        assert_eq!(count(&store, 2), 3);
        assert_eq!(store.keys(), 1);
    }

    #[test]
    fn newcomers_sweep_section_by_section_once_a_second() {
        let sections = SECTIONS as u64;
        let store = store(1);
        let at = |second: u64, number| {
            let now = Nanos::new(second * BETWEEN_SWEEPS);
            store.update(now, key(number), |_| true, |state| (Some(state + 1), ()));
            store.overflowed()
        };
        assert_eq!(at(10, 0), 0);
        let overflowed = (1..=sections).map(|number| at(10, number)).max().expect("there are sections");
        assert!(overflowed < sections, "one of them swept the section of the first");
        assert_eq!(at(10, 1_000), overflowed + 1, "all sections are swept for this second");
        assert!((1..=sections).any(|number| store.overflowed() == at(11, 1_000 + number)), "and again in the next");
    }

    #[test]
    fn a_sweep_drops_what_need_not_be_kept() {
        let store = store(1_000_000);
        (0..100_000).for_each(|number| assert_eq!(count(&store, number), 1));
        (0..10).for_each(|number| assert_eq!(count(&store, number), 2));
        store.retain(|state| state > 1);
        assert_eq!(store.keys(), 10);
        let capacity: usize = store.places.sections.iter().map(|section| section.slots.capacity()).sum();
        assert!(capacity < 10_000, "memory is given back");
    }

    #[test]
    fn a_converted_table_knows_the_same_keys() {
        let store = store(2);
        assert_eq!([1, 1, 2, 3, 3, 3].map(|number| count(&store, number)), [1, 2, 1, 1, 2, 3]);
        let twice = store.converted::<AtomicU64>(|state| 2 * state);
        assert_eq!([1, 2, 3].map(|number| twice.load(key(number))), [4, 2, 6]);
        assert_eq!((twice.keys(), twice.budget().keys()), (2, 4));
        drop(store);
        assert_eq!((twice.keys(), twice.budget().keys()), (2, 2));
    }

    /// Counts so often that the key is hot.
    fn heat(store: &Store<AtomicU64>, number: u64) -> u64 {
        (0..100).map(|_| count(store, number)).max().unwrap_or(0)
    }

    #[test]
    fn a_hot_key_counts_as_any_other() {
        let store = store(10);
        assert_eq!((heat(&store, 1), store.places.hot.count(), store.keys()), (100, 1, 1));
        store.amend(key(1), |state| Some(state + 1));
        assert_eq!((store.load(key(1)), count(&store, 1)), (101, 102));
        assert_eq!(store.converted::<AtomicU64>(|state| 2 * state).load(key(1)), 204);
        store.retain(|state| state == 102);
        assert_eq!((count(&store, 1), store.places.hot.count()), (103, 1), "it was used");
        store.retain(|state| state == 103);
        store.retain(|state| state == 103);
        assert_eq!((count(&store, 1), store.places.hot.count()), (104, 0), "it was not used");
        assert_eq!((heat(&store, 1), store.places.hot.count()), (204, 1));
        store.reset(key(1));
        assert_eq!((count(&store, 1), store.places.hot.count()), (1, 0));
        heat(&store, 1);
        store.retain(|_| false);
        assert_eq!((count(&store, 1), store.places.hot.count(), store.keys()), (1, 0, 1));
        heat(&store, 1);
        store.clear();
        assert_eq!((count(&store, 1), store.places.hot.count(), store.keys()), (1, 0, 1));
    }

    #[test]
    fn hot_keys_of_two_tables_are_apart() {
        let stores = [store(10), store(10)];
        assert_eq!(stores.each_ref().map(|store| heat(store, 1)), [100, 100]);
        (101..=200).for_each(|times| assert_eq!(stores.each_ref().map(|store| count(store, 1)), [times, times]));
    }

    #[test]
    fn not_all_keys_are_hot() {
        let store = store(10_000);
        let keys = 2 * MAX_HOT_KEYS as u64;
        (0..keys).for_each(|number| assert_eq!(heat(&store, number), 100));
        assert_eq!(store.places.hot.count(), MAX_HOT_KEYS);
        (0..keys).for_each(|number| assert_eq!(count(&store, number), 101));
    }

    #[test]
    fn no_count_of_a_hot_key_is_lost_between_threads_and_sweeps() {
        let store = store(10);
        thread::scope(|scope| {
            let counters = [1, 2].map(|_| scope.spawn(|| (0..100_000).filter(|round| count(&store, round % 3) > 0).count()));
            while counters.iter().any(|counter| !counter.is_finished()) {
                store.retain(|state| state > 0);
                store.amend(key(0), |state| Some(state + 1));
                store.amend(key(0), |state| Some(state - 1));
            }
        });
        assert_eq!([0, 1, 2].map(|number| store.load(key(number))), [66_668, 66_666, 66_666]);
    }

    #[test]
    fn the_bound_holds_between_threads() {
        let store = store(100);
        let len = || store.places.sections.iter().map(|section| section.slots.len()).sum::<usize>();
        thread::scope(|scope| {
            for thread in 0..2 {
                let (store, len) = (&store, &len);
                scope.spawn(move || {
                    for number in 0..1_000 {
                        count(store, number + thread * 500);
                        assert!(len() <= 100);
                    }
                });
            }
        });
        assert_eq!((store.keys(), len()), (100, 100));
    }
}
