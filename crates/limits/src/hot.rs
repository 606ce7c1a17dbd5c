//! Keys that come all the time: each thread remembers where the slots of a few are, and then a check looks into no table.
//!
//! A look-up in the table costs two locked instructions, and the change of a slot a third; on a key that all threads use,
//! each of them waits for the others. So the slot of a hot key moves out of the table, to where its finders share it. The
//! table keeps in its place that it is elsewhere ([`ELSEWHERE`], of a word), for those who do not know; a sweep brings back
//! what was not used since the last.
//!
//! A key is moved and brought back while its part of the table is locked. A slot that was brought back says so, and is
//! never used again: whoever still remembers it looks into the table. So at every moment one slot counts.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use dashmap::DashMap;

use crate::{
    key::{Id, PassThrough},
    slot::Slot,
};

/// In a table: the word is elsewhere. In a word that was elsewhere: it is back. No count and no time looks like this.
pub(crate) const ELSEWHERE: u64 = u64::MAX;

/// How many keys of a table are hot at most.
pub(crate) const MAX_HOT_KEYS: usize = 1024;

/// How many keys a thread remembers: each has one place where it may stand.
const SEEN_KEYS: usize = 64;

/// Of so many keys that a thread does not remember, it remembers one.
const MET: u32 = 16;

/// So often it then meets the key again before it is hot.
const HOT_AFTER: u32 = 16;

const SHARDS: usize = 16;

/// The slots of a table that are elsewhere.
#[derive(Debug)]
pub(crate) struct Hot<S> {
    /// Tells tables apart.
    pub(crate) table: u64,
    slots: DashMap<Id, Arc<Alone<S>>, PassThrough>,
    count: AtomicUsize,
}

/// A slot on cache lines of its own.
#[derive(Debug)]
pub struct Alone<S> {
    slot: Apart<S>,
    /// Whether anybody found it without a look into the table since the last sweep.
    used: Apart<AtomicBool>,
}

#[repr(align(128))]
#[derive(Debug)]
struct Apart<T>(T);

/// What a thread knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit<R> {
    /// Where its word is: it is changed, and this is what the change says.
    Changed(R),
    /// That it is hot.
    Hot,
    /// Nothing.
    Unknown,
}

impl<S: Slot> Hot<S> {
    pub(crate) fn new() -> Self {
        static TABLES: AtomicU64 = AtomicU64::new(1);
        Self {
            table: TABLES.fetch_add(1, Ordering::Relaxed),
            slots: DashMap::with_hasher_and_shard_amount(PassThrough::default(), SHARDS),
            count: AtomicUsize::new(0),
        }
    }

    /// Shows the slot that counts. `slot` is what the table has, and stays locked meanwhile, so that it cannot be moved.
    #[inline]
    pub(crate) fn show<R>(&self, id: Id, slot: &S, show: impl FnOnce(&S) -> R) -> R {
        match slot.is_elsewhere().then(|| self.slots.get(&id)).flatten() {
            Some(hot) => show(&hot.slot.0),
            None => show(slot),
        }
    }

    /// Whether to keep the slot of a key. One that was not used where it is comes back into the table first, and so does
    /// one that is dropped: from then on nobody changes it.
    #[inline]
    pub(crate) fn keep(&self, id: Id, slot: &mut S, keep: impl Fn(&S) -> bool) -> bool {
        if slot.is_elsewhere() {
            let used = |hot: &Alone<S>| hot.used.0.swap(false, Ordering::Relaxed) && keep(&hot.slot.0);
            if self.slots.get(&id).is_some_and(|hot| used(&hot)) {
                return true;
            }
            self.bring_back(id, slot);
        }
        keep(slot)
    }

    /// Brings a slot back into the table.
    pub(crate) fn bring_back(&self, id: Id, slot: &mut S) {
        if let Some((_, hot)) = slot.is_elsewhere().then(|| self.slots.remove(&id)).flatten() {
            self.count.fetch_sub(1, Ordering::Relaxed);
            slot.take_back(&hot.slot.0);
        }
    }

    /// How many slots are elsewhere.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Moves a slot out of the table, if there is room for it, or finds it where it is.
    pub(crate) fn move_out(&self, id: Id, slot: &mut S) -> Option<Arc<Alone<S>>> {
        if slot.is_elsewhere() {
            return self.slots.get(&id).map(|hot| Arc::clone(&hot));
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= MAX_HOT_KEYS {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let hot = Arc::new(Alone { slot: Apart(slot.move_out()), used: Apart(AtomicBool::new(true)) });
        self.slots.insert(id, Arc::clone(&hot));
        Some(hot)
    }
}

/// What a thread remembers of the slots of one kind.
#[derive(Debug)]
pub struct Memory<S> {
    seen: [Seen<S>; SEEN_KEYS],
    met: u32,
}

/// What it remembers in one place.
#[derive(Debug)]
struct Seen<S> {
    table: u64,
    id: Id,
    times: u32,
    /// What the slot held when this thread was there before, if it is a word.
    last: u64,
    slot: Option<Arc<Alone<S>>>,
}

impl<S> Memory<S> {
    pub(crate) const fn new() -> Self {
        Self { seen: [const { Seen::NOBODY }; SEEN_KEYS], met: 0 }
    }
}

impl<S> Seen<S> {
    const NOBODY: Self = Self { table: 0, id: Id::NONE, times: 0, last: 0, slot: None };
}

/// Changes the word of a key if this thread remembers where it is.
#[inline]
pub(crate) fn update<R>(table: u64, id: Id, change: impl Fn(u64) -> (Option<u64>, R)) -> Hit<R> {
    visit(table, id, |word, last| exchange(word, last, change))
}

/// Shows the slot of a key to `visit` if this thread remembers where it is. `visit` says nothing if the slot is back.
#[inline]
pub(crate) fn visit<S: Slot, R>(table: u64, id: Id, visit: impl FnOnce(&S, &mut u64) -> Option<R>) -> Hit<R> {
    let Some(memory) = S::memory() else { return Hit::Unknown };
    let visit = |memory: &RefCell<Memory<S>>| {
        let memory = &mut *memory.borrow_mut();
        let seen = &mut memory.seen[place(table, id)];
        if seen.id != id || seen.table != table {
            memory.met = memory.met.wrapping_add(1);
            if memory.met.is_multiple_of(MET) {
                *seen = Seen { table, id, ..Seen::NOBODY };
            }
            return Hit::Unknown;
        }
        let Some(hot) = &seen.slot else {
            seen.times += 1;
            return if seen.times.is_multiple_of(HOT_AFTER) { Hit::Hot } else { Hit::Unknown };
        };
        if !hot.used.0.load(Ordering::Relaxed) {
            hot.used.0.store(true, Ordering::Relaxed);
        }
        if let Some(result) = visit(&hot.slot.0, &mut seen.last) {
            return Hit::Changed(result);
        }
        seen.slot = None;
        Hit::Unknown
    };
    memory.try_with(visit).unwrap_or(Hit::Unknown)
}

/// Changes a word by what `change` says, as one step, and returns what else that says. None if the word is back.
///
/// `last` is what it held when this thread was here before, and then what it holds now. If it still holds that, the word
/// is not read before it is changed: between threads, to fetch a word once is half the time of fetching it to read and
/// again to write. For the same reason what `change` says is little, and stays in registers: what does not is written to
/// memory before the word is changed, and waited for.
#[inline]
fn exchange<R>(word: &AtomicU64, last: &mut u64, change: impl Fn(u64) -> (Option<u64>, R)) -> Option<R> {
    let mut before = *last;
    loop {
        debug_assert_ne!(before, ELSEWHERE, "a word that is back never changes");
        let (after, result) = change(before);
        let now = match after {
            Some(after) => match word.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    *last = after;
                    return Some(result);
                }
                Err(now) => now,
            },
            None => match word.load(Ordering::Relaxed) {
                now if now == before => {
                    *last = now;
                    return Some(result);
                }
                now => now,
            },
        };
        if now == ELSEWHERE {
            return None;
        }
        before = now;
    }
}

/// Remembers where the slot of a key is.
pub(crate) fn remember<S: Slot>(table: u64, id: Id, slot: Arc<Alone<S>>) {
    let Some(memory) = S::memory() else { return };
    // A thread that ends remembers nothing more.
    let _ = memory
        .try_with(|memory| memory.borrow_mut().seen[place(table, id)] = Seen { table, id, slot: Some(slot), ..Seen::NOBODY });
}

/// Where a key stands, by bits that pick neither its shard nor its section. The windows of a policy have one key and
/// several tables: their places are side by side.
#[inline]
fn place(table: u64, id: Id) -> usize {
    (id.spare_bits() >> 32).wrapping_add(table) as usize % SEEN_KEYS
}
