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

mod copied;
mod logged;
#[cfg(test)]
mod tests;

use std::{
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
    hot::{self, Hot},
    key::{Id, Key, PassThrough},
    overflow::Overflow,
    slot::Slot,
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

    /// From now on this thread remembers the slot of a key.
    #[cold]
    fn move_out(&self, key: Key) {
        let hot = &self.places.hot;
        let slot = self.section(key).slots.get_mut(&key.id()).and_then(|mut slot| hot.move_out(key.id(), &mut slot));
        if let Some(slot) = slot {
            hot::remember(hot.table, key.id(), slot);
        }
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
