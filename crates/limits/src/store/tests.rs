//! The table of keys from outside: what it counts, whom it forgets, and what it does when it is full.

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
