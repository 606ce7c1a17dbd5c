//! Requests in flight: how many a key has at once, not how many it spends.
//!
//! A key without requests in flight takes no room. A key for which the [`Budget`] has no room shares the place of its
//! network, and if that has none, one of [`SPARE_PLACES`]. Never more than the limit are in flight in one place, and a
//! key has its requests of one network in one place only: it moves when the place that it shares is empty.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use dashmap::{DashMap, Entry};

use crate::{
    budget::{Budget, Share},
    key::{Id, Key, Net, PassThrough},
};

const SHARDS: usize = 64;

const SPARE_PLACES: usize = 256;

/// A limit on the requests that each key has in flight. Limits that share counts are made by [`InFlight::with_limit`].
#[derive(Clone, Debug)]
pub struct InFlight {
    limit: u32,
    places: Arc<Places>,
}

struct Places {
    keys: DashMap<Id, u32, PassThrough>,
    networks: DashMap<Net, u32>,
    hasher: RandomState,
    spare: Box<[AtomicU32]>,
    share: Share,
}

/// Leave to be in flight. Dropped, it makes room for the next request.
#[must_use = "a permit that is dropped is given back"]
#[derive(Debug)]
pub struct Permit {
    place: Place,
    places: Arc<Places>,
}

/// Where a request is counted.
#[derive(Clone, Copy, Debug)]
enum Place {
    Own(Id),
    Network(Net),
    Spare(usize),
}

impl InFlight {
    /// A limit on each key, at least one.
    pub fn new(limit: u32, budget: &Budget) -> Self {
        let places = Places {
            keys: DashMap::with_hasher_and_shard_amount(PassThrough::default(), SHARDS),
            networks: DashMap::with_shard_amount(SHARDS),
            hasher: RandomState::new(),
            spare: (0..SPARE_PLACES).map(|_| AtomicU32::new(0)).collect(),
            share: Share::of(budget),
        };
        Self { limit: limit.max(1), places: Arc::new(places) }
    }

    /// Another limit on the same requests.
    #[must_use]
    pub fn with_limit(&self, limit: u32) -> Self {
        Self { limit: limit.max(1), places: Arc::clone(&self.places) }
    }

    /// How many requests of a key may be in flight.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Lets one more request of a key fly, if it has fewer than the limit in flight.
    pub fn acquire(&self, key: Key) -> Option<Permit> {
        let place = self.places.enter(key, self.limit)?;
        Some(Permit { place, places: Arc::clone(&self.places) })
    }

    /// How many requests are in flight where those of this key are counted.
    pub fn in_flight(&self, key: Key) -> u32 {
        let own = self.places.keys.get(&key.id()).map(|count| *count);
        own.unwrap_or_else(|| self.places.shared(key))
    }

    /// How many keys have a place of their own.
    pub fn keys(&self) -> usize {
        self.places.share.keys()
    }

    /// How often there was no room for a key.
    pub fn overflowed(&self) -> u64 {
        self.places.share.overflowed()
    }
}

impl Places {
    /// Counts one more request in the place of a key, which is locked meanwhile, so that the key cannot move. Locks are
    /// taken in one order: that of the key, then that of the network.
    fn enter(&self, key: Key, limit: u32) -> Option<Place> {
        match self.keys.entry(key.id()) {
            Entry::Occupied(mut count) => one_more(count.get_mut(), limit).then_some(Place::Own(key.id())),
            Entry::Vacant(place) => {
                if self.shared(key) == 0 {
                    if self.share.take() {
                        place.insert(1);
                        return Some(Place::Own(key.id()));
                    }
                    self.share.overflow();
                }
                self.enter_shared(key, limit)
            }
        }
    }

    /// The same in the place that a key shares.
    fn enter_shared(&self, key: Key, limit: u32) -> Option<Place> {
        let Some(net) = key.net() else { return self.enter_spare(key, limit) };
        match self.networks.entry(net) {
            Entry::Occupied(mut count) => one_more(count.get_mut(), limit).then_some(Place::Network(net)),
            Entry::Vacant(place) => {
                if self.spare(key).load(Ordering::Acquire) == 0 && self.share.take_overflow_key() {
                    place.insert(1);
                    return Some(Place::Network(net));
                }
                self.enter_spare(key, limit)
            }
        }
    }

    fn enter_spare(&self, key: Key, limit: u32) -> Option<Place> {
        let one_more = |count| (count < limit).then_some(count + 1);
        let entered = self.spare(key).fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more);
        entered.is_ok().then(|| Place::Spare(self.pick(key)))
    }

    fn leave(&self, place: Place) {
        match place {
            Place::Own(id) => {
                let empty = self.keys.remove_if_mut(&id, |_, count| one_less(count));
                self.share.give_back(usize::from(empty.is_some()));
            }
            Place::Network(net) => {
                let empty = self.networks.remove_if_mut(&net, |_, count| one_less(count));
                self.share.give_back_overflow_keys(usize::from(empty.is_some()));
            }
            Place::Spare(index) => drop(self.spare[index].fetch_sub(1, Ordering::AcqRel)),
        }
    }

    /// How many requests are in flight in the place that a key shares.
    fn shared(&self, key: Key) -> u32 {
        let network = key.net().and_then(|net| self.networks.get(&net).map(|count| *count));
        network.unwrap_or_else(|| self.spare(key).load(Ordering::Acquire))
    }

    fn spare(&self, key: Key) -> &AtomicU32 {
        &self.spare[self.pick(key)]
    }

    fn pick(&self, key: Key) -> usize {
        key.net().map_or(key.id().spare_bits(), |net| self.hasher.hash_one(net)) as usize % SPARE_PLACES
    }
}

/// Counts one more, if that is not above the limit.
fn one_more(count: &mut u32, limit: u32) -> bool {
    let fits = *count < limit;
    *count += u32::from(fits);
    fits
}

/// Counts one less. True if none is left.
fn one_less(count: &mut u32) -> bool {
    *count -= 1;
    *count == 0
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.places.leave(self.place);
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("keys", &self.share.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u64) -> Key {
        crate::Keys::fixed(0).key(&[&number.to_le_bytes()])
    }

    fn key_of(net: u8, number: u64) -> Key {
        key(number).in_network(Net::of([192, 0, net, 1].into()))
    }

    #[test]
    fn as_many_as_the_limit_fly_at_once() {
        let budget = Budget::new(10);
        let limit = InFlight::new(2, &budget);
        let first = limit.acquire(key(1));
        let second = limit.acquire(key(1));
        assert!(first.is_some() && second.is_some() && limit.acquire(key(1)).is_none());
        assert!(limit.acquire(key(2)).is_some());
        drop(first);
        assert_eq!((limit.in_flight(key(1)), limit.keys()), (1, 1));
        assert!(limit.acquire(key(1)).is_some());
        drop(second);
        assert_eq!((limit.in_flight(key(1)), limit.keys(), budget.keys()), (0, 0, 0));
    }

    #[test]
    fn a_changed_limit_counts_who_flies_already() {
        let old = InFlight::new(3, &Budget::new(10));
        let flying = [1, 2, 3].map(|_| old.acquire(key(1)));
        let new = old.with_limit(2);
        assert!(new.acquire(key(1)).is_none());
        drop(flying);
        let _flying = [1, 2].map(|_| new.acquire(key(1)));
        assert!(new.acquire(key(1)).is_none());
        assert!(old.acquire(key(1)).is_some());
    }

    #[test]
    fn without_room_a_network_shares_a_place_until_it_is_empty() {
        let budget = Budget::new(1);
        let limit = InFlight::new(2, &budget);
        let place = limit.acquire(key(0));
        let shared = [limit.acquire(key_of(1, 1)), limit.acquire(key_of(1, 2))];
        assert!(shared.iter().all(Option::is_some) && limit.acquire(key_of(1, 3)).is_none());
        assert!(limit.acquire(key_of(2, 3)).is_some(), "another network");
        assert_eq!(budget.overflow_keys(), 1);
        drop(place);
        assert!(limit.acquire(key_of(1, 1)).is_none(), "it has a request there");
        drop(shared);
        assert!(limit.acquire(key_of(1, 1)).is_some());
        assert_eq!((budget.keys(), budget.overflow_keys()), (0, 0));
    }

    #[test]
    fn never_more_than_the_limit_fly_between_threads_and_nothing_leaks() {
        // One key with a place of its own, one that shares, and one whose network is unknown.
        for (max_keys, key) in [(10, key(1)), (1, key_of(1, 1)), (1, key(2))] {
            let budget = Budget::new(max_keys);
            let limit = InFlight::new(3, &budget);
            let place = limit.acquire(key_of(9, 9));
            let flying = AtomicU32::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..5_000 {
                            let Some(permit) = limit.acquire(key) else { continue };
                            assert!(flying.fetch_add(1, Ordering::SeqCst) < 3);
                            flying.fetch_sub(1, Ordering::SeqCst);
                            drop(permit);
                        }
                    });
                }
            });
            drop(place);
            assert_eq!((limit.in_flight(key), budget.keys(), budget.overflow_keys()), (0, 0, 0));
        }
    }

    proptest! {
        /// Requests of a few keys come and go; room is scarce.
        #[test]
        fn no_key_ever_has_more_than_the_limit(
            steps in prop::collection::vec((any::<bool>(), 0..4_u8, 0..4_u64, any::<prop::sample::Index>()), 1..200),
            max_keys in 1..4_usize,
        ) {
            let budget = Budget::new(max_keys);
            let limit = InFlight::new(3, &budget);
            let mut flying: Vec<(Key, Permit)> = Vec::new();
            for (come, net, number, index) in steps {
                // One client in four has no network.
                let number = u64::from(net) * 10 + number;
                let key = if net == 0 { key(number) } else { key_of(net, number) };
                let own = flying.iter().filter(|(other, _)| *other == key).count();
                if come {
                    match limit.acquire(key) {
                        Some(permit) => flying.push((key, permit)),
                        None => prop_assert!(own == 3 || limit.overflowed() > 0),
                    }
                } else if !flying.is_empty() {
                    drop(flying.swap_remove(index.index(flying.len())));
                }
                prop_assert!(own <= 3 && budget.keys() <= max_keys);
            }
            flying.clear();
            prop_assert_eq!((budget.keys(), budget.overflow_keys(), limit.keys()), (0, 0, 0));
        }
    }
}
