//! When a key spent: a ring of times that one thread at a time changes, and any may read without a lock.
//!
//! A thread takes the log by one locked instruction, and leaves it by none. Who only looks takes nothing, and sees afterwards
//! whether somebody changed it meanwhile: so a key that has spent all is refused without a write to memory that others read.

use std::{
    cell::RefCell,
    hint, iter,
    sync::{
        OnceLock,
        atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence},
    },
    thread::{self, LocalKey},
};

use crate::{hot::Memory, slot::Slot};

/// So many times stand beside the key in the table.
const FEW: usize = 2;

/// How often as large the next ring is.
const GROWTH: usize = 4;

/// So often a thread looks whether a log is free before it lets others run.
const PATIENCE: u32 = 100;

/// In the place of how many times there are: they are elsewhere, as `hot.rs` tells.
const ELSEWHERE: u16 = u16::MAX;

/// The times at which a key spent, oldest first: at most 65,534.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Odd while a thread has the log. Each leaves another number behind.
    turn: AtomicU32,
    /// The place of the oldest time.
    first: AtomicU16,
    /// How many there are.
    count: AtomicU16,
    few: [AtomicU64; FEW],
    /// What counts once a key has more.
    more: OnceLock<Box<Ring>>,
}

/// Rings are not freed before the log is, since somebody may be looking: the smaller ones are at most two thirds more.
#[derive(Debug)]
struct Ring {
    places: Box<[AtomicU64]>,
    /// What counts instead of this one.
    larger: OnceLock<Box<Ring>>,
}

/// What a look at a log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    pub count: usize,
    pub oldest: u64,
    pub newest: u64,
}

/// A log that a thread has taken.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    log: &'a Log,
    places: &'a [AtomicU64],
    first: usize,
    count: usize,
}

impl Log {
    /// A log of these times, oldest first.
    fn holding(times: impl ExactSizeIterator<Item = u64>) -> Self {
        let log = Self::default();
        let mut held = log.hold();
        held.make_room(times.len(), times.len());
        times.for_each(|time| held.push(time));
        drop(held);
        log
    }

    /// Takes the log.
    #[inline]
    pub fn hold(&self) -> Held<'_> {
        let mut tries = 0;
        loop {
            let turn = self.turn.load(Ordering::Relaxed);
            if turn.is_multiple_of(2)
                && self.turn.compare_exchange_weak(turn, turn + 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                break;
            }
            wait(&mut tries);
        }
        // Who looks sees that it was taken before anything that is changed now.
        fence(Ordering::Release);
        let (first, count) = (self.first.load(Ordering::Relaxed), self.count.load(Ordering::Relaxed));
        Held { log: self, places: self.places(), first: first.into(), count: count.into() }
    }

    /// How the log stands. None if it is empty, or somebody has it, or changed it meanwhile.
    #[inline]
    pub fn glance(&self) -> Option<Glance> {
        let turn = self.turn.load(Ordering::Acquire);
        let (first, count) = (self.first.load(Ordering::Relaxed), self.count.load(Ordering::Relaxed));
        let (first, count, places) = (usize::from(first), usize::from(count), self.places());
        let oldest = places.get(first)?.load(Ordering::Relaxed);
        let newest = places.get(place(first, count.checked_sub(1)?, places))?.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let unchanged = turn.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == turn;
        unchanged.then_some(Glance { count, oldest, newest })
    }

    /// How many times fit, without another ring.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.places().len()
    }

    /// The ring that counts.
    #[inline]
    fn places(&self) -> &[AtomicU64] {
        match self.more.get() {
            Some(ring) => iter::successors(Some(ring), |ring| ring.larger.get()).last().map_or(&self.few, |ring| &ring.places),
            None => &self.few,
        }
    }
}

/// Waits a little for who has a log.
#[cold]
fn wait(tries: &mut u32) {
    *tries += 1;
    match *tries < PATIENCE {
        true => hint::spin_loop(),
        false => thread::yield_now(),
    }
}

/// The place of a time by its position.
#[inline]
fn place(first: usize, position: usize, places: &[AtomicU64]) -> usize {
    let place = first + position;
    if place < places.len() { place } else { place - places.len() }
}

impl Held<'_> {
    /// How many times there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the times are elsewhere: then nothing else may be asked.
    #[inline]
    pub fn is_elsewhere(&self) -> bool {
        self.count == usize::from(ELSEWHERE)
    }

    #[inline]
    pub fn get(&self, position: usize) -> Option<u64> {
        (position < self.count).then(|| self.at(position).load(Ordering::Relaxed))
    }

    /// All of them.
    fn times(&self) -> impl ExactSizeIterator<Item = u64> {
        (0..self.count).map(|position| self.at(position).load(Ordering::Relaxed))
    }

    #[inline]
    pub fn newest(&self) -> Option<u64> {
        self.get(self.count.checked_sub(1)?)
    }

    /// How many times are so early or earlier, if there are never later ones before them.
    pub fn until(&self, edge: u64) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).load(Ordering::Relaxed) <= edge {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Says another time from a position on.
    pub fn set_from(&mut self, position: usize, time: u64) {
        (position..self.count).for_each(|position| self.at(position).store(time, Ordering::Relaxed));
    }

    /// Drops the oldest.
    #[inline]
    pub fn drop_oldest(&mut self, times: usize) {
        self.first = place(self.first, times, self.places);
        self.count -= times;
    }

    /// Drops those in the middle.
    pub fn drop_between(&mut self, from: usize, to: usize) {
        for position in to..self.count {
            self.at(from + position - to).store(self.at(position).load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.count -= to - from;
    }

    /// Makes sure that so many more fit. There are never more than `most`.
    #[inline]
    pub fn make_room(&mut self, times: usize, most: usize) {
        if self.count + times > self.places.len() {
            self.grow(self.count + times, most);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize, most: usize) {
        let (twice, larger) = (2 * self.places.len(), GROWTH * self.places.len());
        // What is nearly all would soon be too little. A ring at least doubles, or they would be many.
        let size = if larger > most / 2 { most.max(twice) } else { larger }.max(needed);
        let places = self.times().chain(iter::repeat(0)).take(size).map(AtomicU64::new).collect();
        let ring = Box::new(Ring { places, larger: OnceLock::new() });
        let last = iter::successors(self.log.more.get(), |ring| ring.larger.get()).last();
        let behind = last.map_or(&self.log.more, |last| &last.larger);
        self.places = &behind.get_or_init(|| ring).places;
        self.first = 0;
    }

    /// Adds a time, for which there is room.
    #[inline]
    pub fn push(&mut self, time: u64) {
        self.count += 1;
        self.at(self.count - 1).store(time, Ordering::Relaxed);
    }

    #[inline]
    fn at(&self, position: usize) -> &AtomicU64 {
        &self.places[place(self.first, position, self.places)]
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.log.first.store(self.first as u16, Ordering::Relaxed);
        self.log.count.store(self.count as u16, Ordering::Relaxed);
        let turn = self.log.turn.load(Ordering::Relaxed);
        self.log.turn.store(turn.wrapping_add(1), Ordering::Release);
    }
}

impl Slot for Log {
    fn memory() -> Option<&'static LocalKey<RefCell<Memory<Self>>>> {
        thread_local!(static MEMORY: RefCell<Memory<Log>> = const { RefCell::new(Memory::new()) });
        Some(&MEMORY)
    }

    fn duplicate(&self) -> Self {
        Self::holding(self.hold().times())
    }

    fn reset(&self) {
        let mut held = self.hold();
        held.drop_oldest(held.len());
    }

    #[inline]
    fn is_elsewhere(&self) -> bool {
        self.count.load(Ordering::Relaxed) == ELSEWHERE
    }

    fn move_out(&mut self) -> Self {
        let moved = self.duplicate();
        *self = Self { count: ELSEWHERE.into(), ..Self::default() };
        moved
    }

    fn take_back(&mut self, elsewhere: &Self) {
        let mut held = elsewhere.hold();
        *self = Self::holding(held.times());
        held.count = ELSEWHERE.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times, what a glance says of them, and how many places there are.
    fn check(log: &Log, times: &[u64], places: usize) {
        assert_eq!(log.hold().times().collect::<Vec<_>>(), times);
        let glance = times.first().zip(times.last()).map(|(oldest, newest)| Glance {
            count: times.len(),
            oldest: *oldest,
            newest: *newest,
        });
        assert_eq!((log.glance(), log.places().len()), (glance, places), "{times:?}");
    }

    fn push(log: &Log, times: impl IntoIterator<Item = u64>) {
        let mut held = log.hold();
        for time in times {
            held.make_room(1, 100);
            held.push(time);
        }
    }

    #[test]
    fn times_stand_in_order_through_all_rings() {
        let log = Log::default();
        check(&log, &[], FEW);
        push(&log, [1, 2]);
        check(&log, &[1, 2], FEW);
        log.hold().drop_oldest(1);
        push(&log, [3]);
        check(&log, &[2, 3], FEW);
        push(&log, [4]);
        check(&log, &[2, 3, 4], 8);
        log.hold().drop_oldest(2);
        push(&log, 5..11);
        check(&log, &[4, 5, 6, 7, 8, 9, 10], 8);
        push(&log, 11..100);
        check(&log, &(4..100).collect::<Vec<_>>(), 100);
    }

    #[test]
    fn times_can_be_searched_dropped_and_said_anew() {
        let log = Log::holding([10, 20, 20, 30].into_iter());
        assert_eq!([9, 10, 20, 29, 30].map(|edge| log.hold().until(edge)), [0, 1, 3, 3, 4]);
        log.hold().drop_between(1, 3);
        check(&log, &[10, 30], 4);
        log.hold().set_from(1, 15);
        check(&log, &[10, 15], 4);
        log.reset();
        check(&log, &[], 4);
    }

    #[test]
    fn who_has_the_log_is_seen() {
        let log = Log::holding([1, 2].into_iter());
        let held = log.hold();
        assert_eq!(log.glance(), None);
        drop(held);
        check(&log, &[1, 2], FEW);
    }

    #[test]
    fn what_moves_out_is_gone_and_comes_back() {
        let mut log = Log::holding([1, 2, 3, 4, 5].into_iter());
        let moved = log.move_out();
        assert!(log.is_elsewhere() && log.hold().is_elsewhere() && log.glance().is_none());
        check(&moved, &[1, 2, 3, 4, 5], 5);
        push(&moved, [6]);
        log.take_back(&moved);
        assert!(moved.is_elsewhere() && moved.glance().is_none());
        check(&log, &[1, 2, 3, 4, 5, 6], 6);
    }

    /// Threads take turns; whoever looks sees only what one of them left: times of one kind, as many as there always are.
    #[test]
    fn no_time_is_lost_and_no_glance_is_torn_between_threads() {
        let log = Log::holding([0; 3].into_iter());
        let writers = AtomicU32::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..50_000 {
                        let mut held = log.hold();
                        let next = held.newest().unwrap_or(0) + 1;
                        held.drop_oldest(3);
                        held.make_room(3, 100);
                        (0..3).for_each(|_| held.push(next));
                    }
                    writers.fetch_sub(1, Ordering::Relaxed);
                });
            }
            let mut last = 0;
            while writers.load(Ordering::Relaxed) > 0 {
                let Some(seen) = log.glance() else { continue };
                assert!(seen.count == 3 && seen.oldest == seen.newest && seen.newest >= last, "{seen:?} after {last}");
                last = seen.newest;
            }
        });
        check(&log, &[100_000; 3], 4);
    }
}
