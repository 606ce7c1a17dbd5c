//! How many keys all limiters of a process remember together.
//!
//! A limiter takes room for each key before it adds it, and gives it back when it drops the key. So the bound holds at
//! every moment, whoever uses the room. What happens without room is told in `store.rs`.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// How many keys are remembered if nothing else is said.
const DEFAULT_MAX_KEYS: usize = 1_000_000;

/// How many networks have an overflow key of their own, over all limiters. They come on top of the keys.
pub(crate) const MAX_OVERFLOW_KEYS: usize = 65_536;

/// Room for keys, shared by all limiters that are given a clone of it.
#[derive(Clone)]
pub struct Budget(Arc<Books>);

/// What newcomers write, on cache lines of its own: known keys never touch it.
#[repr(align(128))]
#[derive(Default)]
struct Books {
    max_keys: AtomicUsize,
    keys: AtomicUsize,
    overflow_keys: AtomicUsize,
    overflowed: AtomicU64,
    full: AtomicBool,
    became_full: AtomicBool,
}

impl Budget {
    /// Room for this many keys, at least one.
    pub fn new(max_keys: usize) -> Self {
        let budget = Self(Arc::default());
        budget.resize(max_keys);
        budget
    }

    /// Changes the room. If it gets smaller than what is used, nobody is forgotten, and nobody is added.
    pub fn resize(&self, max_keys: usize) {
        self.0.max_keys.store(max_keys.max(1), Ordering::Relaxed);
    }

    /// How many keys there is room for.
    pub fn max_keys(&self) -> usize {
        self.0.max_keys.load(Ordering::Relaxed)
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.0.keys.load(Ordering::Relaxed)
    }

    /// How many networks have an overflow key: they are not among the keys.
    pub fn overflow_keys(&self) -> usize {
        self.0.overflow_keys.load(Ordering::Relaxed)
    }

    /// How many checks found no room, and were counted for their network instead.
    pub fn overflowed(&self) -> u64 {
        self.0.overflowed.load(Ordering::Relaxed)
    }

    /// True once after each time that the room was spent. It is the same time until a sixteenth of the room is free.
    pub fn take_full_edge(&self) -> bool {
        self.0.became_full.swap(false, Ordering::AcqRel)
    }

    fn has_room(&self) -> bool {
        self.0.keys.load(Ordering::Relaxed) < self.max_keys()
    }

    fn give_back(&self, keys: usize) {
        let left = self.0.keys.fetch_sub(keys, Ordering::Relaxed) - keys;
        let most = self.max_keys();
        if left < most - most / 16 && self.0.full.load(Ordering::Relaxed) {
            self.0.full.store(false, Ordering::Relaxed);
        }
    }

    fn overflow(&self) {
        self.0.overflowed.fetch_add(1, Ordering::Relaxed);
        if !self.0.full.load(Ordering::Relaxed) && !self.0.full.swap(true, Ordering::AcqRel) {
            self.0.became_full.store(true, Ordering::Release);
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_KEYS)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {})", self.keys(), self.max_keys())
    }
}

/// What one table uses of a budget. It gives back the rest when it is dropped. Newcomers write it, so it keeps away from
/// what known keys read.
#[repr(align(128))]
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    keys: AtomicUsize,
    overflow_keys: AtomicUsize,
    overflowed: AtomicU64,
}

impl Share {
    pub(crate) fn of(budget: &Budget) -> Self {
        let budget = budget.clone();
        Self { budget, keys: AtomicUsize::new(0), overflow_keys: AtomicUsize::new(0), overflowed: AtomicU64::new(0) }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Whether a key would find room now.
    pub(crate) fn has_room(&self) -> bool {
        self.budget.has_room()
    }

    /// Takes room for one key, if there is any.
    pub(crate) fn take(&self) -> bool {
        let took = one_more(&self.budget.0.keys, self.budget.max_keys());
        self.keys.fetch_add(usize::from(took), Ordering::Relaxed);
        took
    }

    /// Takes room for one key even if there is none: for a key that moves, and must not be forgotten.
    pub(crate) fn take_anyway(&self) {
        self.budget.0.keys.fetch_add(1, Ordering::Relaxed);
        self.keys.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back the room of keys that were dropped.
    pub(crate) fn give_back(&self, keys: usize) {
        if keys > 0 {
            self.keys.fetch_sub(keys, Ordering::Relaxed);
            self.budget.give_back(keys);
        }
    }

    /// Notes that a key found no room.
    pub(crate) fn overflow(&self) {
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        self.budget.overflow();
    }

    /// Takes room for the overflow key of one network, if there is any.
    pub(crate) fn take_overflow_key(&self) -> bool {
        let took = one_more(&self.budget.0.overflow_keys, MAX_OVERFLOW_KEYS);
        self.overflow_keys.fetch_add(usize::from(took), Ordering::Relaxed);
        took
    }

    /// Takes room for an overflow key even if there is none: for one that moves.
    pub(crate) fn take_overflow_key_anyway(&self) {
        self.budget.0.overflow_keys.fetch_add(1, Ordering::Relaxed);
        self.overflow_keys.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives back the room of overflow keys that were dropped.
    pub(crate) fn give_back_overflow_keys(&self, keys: usize) {
        self.overflow_keys.fetch_sub(keys, Ordering::Relaxed);
        self.budget.0.overflow_keys.fetch_sub(keys, Ordering::Relaxed);
    }
}

/// Counts one more, unless that is more than `most`. While there is no room it only reads.
fn one_more(count: &AtomicUsize, most: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < most).then_some(count + 1)).is_ok()
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.keys());
        self.give_back_overflow_keys(self.overflow_keys.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn tables_share_the_room_and_give_it_back() {
        let budget = Budget::new(3);
        let (first, second) = (Share::of(&budget), Share::of(&budget));
        assert_eq!([first.take(), second.take(), first.take(), second.take()], [true, true, true, false]);
        assert_eq!((first.keys(), second.keys(), budget.keys()), (2, 1, 3));
        drop(first);
        assert!(second.take_overflow_key());
        assert_eq!((second.take(), budget.keys(), budget.overflow_keys()), (true, 2, 1));
        drop(second);
        assert_eq!((budget.keys(), budget.overflow_keys()), (0, 0));
    }

    #[test]
    fn the_room_can_be_changed() {
        let budget = Budget::new(0);
        let share = Share::of(&budget);
        assert_eq!([share.take(), share.take()], [true, false]);
        budget.resize(2);
        assert_eq!([share.take(), share.take()], [true, false]);
        budget.resize(1);
        share.give_back(1);
        assert_eq!((share.take(), budget.keys()), (false, 1));
    }

    #[test]
    fn that_it_became_full_is_told_once_a_time() {
        let budget = Budget::new(32);
        let share = Share::of(&budget);
        let fill = || while share.take() {};
        fill();
        assert!(!budget.take_full_edge(), "nobody was left outside");
        (0..10).for_each(|_| share.overflow());
        assert_eq!([budget.take_full_edge(), budget.take_full_edge()], [true, false]);
        share.give_back(2);
        fill();
        share.overflow();
        assert!(!budget.take_full_edge(), "it is the same time");
        share.give_back(3);
        fill();
        share.overflow();
        assert_eq!([budget.take_full_edge(), budget.take_full_edge()], [true, false]);
        assert_eq!((budget.overflowed(), share.overflowed()), (12, 12));
    }

    #[test]
    fn no_room_is_taken_twice_between_threads() {
        let budget = Budget::new(1_000);
        let took = |_| {
            let share = Share::of(&budget);
            let took = (0..2_000).filter(|_| share.take()).count();
            (took, share)
        };
        let shares = thread::scope(|scope| {
            let threads = [0, 1].map(|thread| scope.spawn(move || took(thread)));
            threads.map(|thread| thread.join().expect("nobody panics"))
        });
        assert_eq!(shares.iter().map(|(took, _)| took).sum::<usize>(), 1_000);
    }
}
