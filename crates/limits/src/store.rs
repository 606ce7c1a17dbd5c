//! Where the states of all keys live: a concurrent table that never holds more than `max_keys`.
//!
//! A full table evicts nobody, since an evicted key would come back with its whole limit. Instead newcomers
//! share [`OVERFLOW_SLOTS`] spare slots, picked by their key. The bound: while the table is full, the keys
//! outside it get at most [`OVERFLOW_SLOTS`] limits together, and each of them at most one. A key that finds
//! room later starts where its spare slot stands, so that it does not get its limit twice.

use std::{
    fmt,
    num::NonZeroU64,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

use crate::{
    key::{Key, PassThrough},
    slot::{CopySlot, Slot},
};

/// How many slots the keys share that do not fit into the table.
pub(crate) const OVERFLOW_SLOTS: usize = 256;

/// A shard is locked while it grows or is swept, so shards stay small: about this many keys each.
const KEYS_PER_SHARD: usize = 4096;

/// A bounded table of one slot per key. A clone is the same table.
pub struct Store<S: Slot>(Arc<Table<S>>);

struct Table<S> {
    slots: DashMap<Key, S, PassThrough>,
    max_keys: usize,
    overflow: OnceLock<Box<[S]>>,
    tally: Tally,
}

/// What newcomers write, on a cache line of its own: known keys read the rest of the table all the time.
#[repr(align(128))]
#[derive(Default)]
struct Tally {
    keys: AtomicUsize,
    overflowed: AtomicU64,
}

impl<S: Slot> Store<S> {
    /// An empty table for at most this many keys.
    pub fn new(max_keys: usize) -> Self {
        let shards = (max_keys / KEYS_PER_SHARD).next_power_of_two().clamp(16, 256);
        Self(Arc::new(Table {
            slots: DashMap::with_hasher_and_shard_amount(PassThrough::default(), shards),
            max_keys,
            overflow: OnceLock::new(),
            tally: Tally::default(),
        }))
    }

    /// Shows the slot of a key to `visit`, which may change what it holds, and which says whether there is something
    /// to remember: only then is a key that is not there added.
    #[inline]
    pub fn visit<R>(&self, key: Key, visit: impl FnOnce(&S) -> (R, bool)) -> R {
        if let Some(slot) = self.0.slots.get(&key) {
            return visit(&slot).0;
        }
        self.add(key, visit)
    }

    /// The same for a key that was charged before: one that is not there is left alone.
    pub fn revisit(&self, key: Key, visit: impl FnOnce(&S)) {
        if let Some(slot) = self.0.slots.get(&key) {
            visit(&slot);
        } else if let Some(slot) = self.spare(key) {
            visit(slot);
        }
    }

    /// Drops the keys whose state need not be kept, and gives memory back when most of it is unused.
    /// Locks one small shard after the other.
    pub fn retain_slots(&self, keep: impl Fn(&S) -> bool) {
        let mut dropped = 0;
        self.0.slots.retain(|_, slot| {
            let keep = keep(slot);
            dropped += usize::from(!keep);
            keep
        });
        self.release(dropped);
        if self.0.slots.capacity() / 4 > self.keys() {
            self.0.slots.shrink_to_fit();
        }
    }

    /// How many keys are in the table. Never more than the bound.
    pub fn keys(&self) -> usize {
        self.0.tally.keys.load(Ordering::Relaxed).min(self.0.max_keys)
    }

    /// How often a newcomer found the table full.
    pub fn overflowed(&self) -> u64 {
        self.0.tally.overflowed.load(Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn add<R>(&self, key: Key, visit: impl FnOnce(&S) -> (R, bool)) -> R {
        if !self.reserve() {
            self.0.tally.overflowed.fetch_add(1, Ordering::Relaxed);
            let slots = self.0.overflow.get_or_init(|| (0..OVERFLOW_SLOTS).map(|_| S::default()).collect());
            return visit(&slots[spare(key)]).0;
        }
        match self.0.slots.entry(key) {
            Entry::Occupied(known) => {
                self.release(1);
                visit(known.get()).0
            }
            Entry::Vacant(place) => {
                // A key that is not in the table has spent whatever its spare slot says.
                let slot = self.spare(key).map(S::duplicate).unwrap_or_default();
                let (result, remember) = visit(&slot);
                if remember {
                    place.insert(slot);
                } else {
                    self.release(1);
                }
                result
            }
        }
    }

    /// The slot that a key shares with others if it is not in the table, once there was need of one.
    fn spare(&self, key: Key) -> Option<&S> {
        self.0.overflow.get().map(|slots| &slots[spare(key)])
    }

    /// Takes room for one key, before it is added, so that the bound holds at every moment.
    fn reserve(&self) -> bool {
        let before = self.0.tally.keys.fetch_add(1, Ordering::Relaxed);
        if before >= self.0.max_keys {
            self.release(1);
        }
        before < self.0.max_keys
    }

    fn release(&self, keys: usize) {
        self.0.tally.keys.fetch_sub(keys, Ordering::Relaxed);
    }
}

impl<S: CopySlot> Store<S> {
    /// Changes the state of a key by what `change` says, if anything, as one step. A key that is not there has the
    /// default state, and is added if there is something to remember. `change` may run several times.
    #[inline]
    pub fn update<R>(&self, key: Key, change: impl Fn(S::State) -> (R, Option<S::State>)) -> R {
        if let Some(slot) = self.0.slots.get(&key) {
            return slot.update(change);
        }
        self.add(key, |slot| {
            slot.update(|state| {
                let (result, after) = change(state);
                ((result, after.is_some()), after)
            })
        })
    }

    /// The same for a key that was charged before: one that is not there is left alone.
    pub fn amend(&self, key: Key, change: impl Fn(S::State) -> Option<S::State>) {
        self.revisit(key, |slot| slot.update(|state| ((), change(state))));
    }

    /// The state of a key.
    pub fn load(&self, key: Key) -> S::State {
        match self.0.slots.get(&key) {
            Some(slot) => slot.load(),
            None => self.spare(key).map(S::load).unwrap_or_default(),
        }
    }

    /// Drops the keys whose state need not be kept, as [`Store::retain_slots`] does.
    pub fn retain(&self, keep: impl Fn(S::State) -> bool) {
        self.retain_slots(|slot| keep(slot.load()));
    }
}

fn spare(key: Key) -> usize {
    key.spare_bits() as usize % OVERFLOW_SLOTS
}

impl<S: Slot> Clone for Store<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Slot> fmt::Debug for Store<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("keys", &self.keys()).field("max_keys", &self.0.max_keys).finish()
    }
}

/// Governor's own algorithm runs on the same store. To governor a key without state is `None`, to us it is zero.
impl StateStore for Store<AtomicU64> {
    type Key = Key;

    #[inline]
    fn measure_and_replace<T, F, E>(&self, key: &Key, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.update(*key, |state| match measure(NonZeroU64::new(state).map(|state| state.get().into())) {
            Ok((result, state)) => (Ok(result), Some(state.into())),
            Err(refusal) => (Err(refusal), None),
        })
    }
}

impl ShrinkableKeyedStateStore<Key> for Store<AtomicU64> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.retain(|state| state > drop_below.as_u64());
    }

    fn shrink_to_fit(&self) {
        self.0.slots.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.keys()
    }

    fn is_empty(&self) -> bool {
        self.keys() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn key(number: u64) -> Key {
        crate::Keys::fixed(0).key(&[&number.to_le_bytes()])
    }

    fn count(store: &Store<AtomicU64>, number: u64) -> u64 {
        store.update(key(number), |state| (state + 1, Some(state + 1)))
    }

    #[test]
    fn a_key_counts_for_itself() {
        let store = Store::new(10);
        assert_eq!([count(&store, 1), count(&store, 1), count(&store, 2)], [1, 2, 1]);
        assert_eq!(store.keys(), 2);
    }

    #[test]
    fn nothing_to_remember_adds_no_key() {
        let store = Store::<AtomicU64>::new(10);
        store.update(key(1), |_| ((), None));
        store.amend(key(1), |_| Some(9));
        assert_eq!((store.keys(), store.load(key(1))), (0, 0));
    }

    #[test]
    fn a_full_table_keeps_its_keys_and_newcomers_share() {
        let store = Store::new(10);
        (0..10).for_each(|number| assert_eq!(count(&store, number), 1));
        let newcomers = 10 * OVERFLOW_SLOTS as u64;
        let most = (10..10 + newcomers).map(|number| count(&store, number)).max();
        assert!(most > Some(5), "newcomers share slots");
        (0..10).for_each(|number| assert_eq!(count(&store, number), 2));
        assert_eq!((store.keys(), store.overflowed()), (10, newcomers));
    }

    #[test]
    fn a_newcomer_that_finds_room_later_starts_where_its_spare_slot_stands() {
        let store = Store::new(1);
        count(&store, 1);
        assert_eq!([count(&store, 2), count(&store, 2)], [1, 2]);
        store.retain(|_| false);
        assert_eq!(count(&store, 2), 3);
        assert_eq!(store.keys(), 1);
    }

    #[test]
    fn a_sweep_drops_what_need_not_be_kept() {
        let store = Store::new(1_000_000);
        (0..100_000).for_each(|number| assert_eq!(count(&store, number), 1));
        (0..10).for_each(|number| assert_eq!(count(&store, number), 2));
        store.retain(|state| state > 1);
        assert_eq!(store.keys(), 10);
        assert!(store.0.slots.capacity() < 10_000, "memory is given back");
    }

    #[test]
    fn the_bound_holds_between_threads() {
        let store = Store::new(100);
        thread::scope(|scope| {
            for thread in 0..2 {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..1_000 {
                        count(store, number + thread * 500);
                        assert!(store.0.slots.len() <= 100);
                    }
                });
            }
        });
        assert_eq!((store.keys(), store.0.slots.len()), (100, 100));
    }
}
