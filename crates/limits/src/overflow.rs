//! Where keys are counted for which there is no room: together with the other keys of their network.
//!
//! An *overflow key* is the count of one network in one limiter. If there is no room for that either, or the network is
//! unknown, [`SPARE_SLOTS`] slots are shared, picked by hash. Each place starts where the one behind it stands, so that
//! nobody gets a limit twice by moving up.

use std::{
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
};

use dashmap::{DashMap, Entry};

use crate::{
    budget::Share,
    key::{Key, Net},
    slot::Slot,
    store::locked,
};

/// How many slots the keys share whose network has no overflow key.
pub(crate) const SPARE_SLOTS: usize = 256;

const SHARDS: usize = 64;

/// The overflow keys of one table, and its spare slots. Nothing is there until there is need of it.
#[derive(Debug)]
pub(crate) struct Overflow<S> {
    /// Clients choose their networks, so these are hashed by a random key.
    hasher: RandomState,
    networks: OnceLock<DashMap<Net, S>>,
    spare: OnceLock<Box<[S]>>,
}

impl<S: Slot> Overflow<S> {
    pub(crate) fn new() -> Self {
        Self { hasher: RandomState::new(), networks: OnceLock::new(), spare: OnceLock::new() }
    }

    /// Shows the place of a key to `visit`, which says whether there is something to remember.
    pub(crate) fn visit<R>(&self, key: Key, share: &Share, visit: impl FnOnce(&S) -> (R, bool)) -> R {
        let Some(net) = key.net() else { return self.visit_spare(key, visit) };
        let networks = self.networks();
        if let Some(slot) = networks.get(&net) {
            return visit(&slot).0;
        }
        if !share.take_overflow_key() {
            return locked(networks, &net, |known| match known {
                Some(slot) => visit(slot).0,
                None => self.visit_spare(key, visit),
            });
        }
        match networks.entry(net) {
            Entry::Occupied(known) => {
                share.give_back_overflow_keys(1);
                visit(known.get()).0
            }
            Entry::Vacant(place) => {
                let slot = self.spare.get().map(|slots| slots[self.pick(key)].duplicate()).unwrap_or_default();
                let (result, remember) = visit(&slot);
                match remember {
                    true => drop(place.insert(slot)),
                    false => share.give_back_overflow_keys(1),
                }
                result
            }
        }
    }

    /// Shows the place of a key to `look`, if there was need of one.
    pub(crate) fn look<R>(&self, key: Key, look: impl FnOnce(&S) -> R) -> Option<R> {
        if let Some(slot) = key.net().and_then(|net| self.networks.get()?.get(&net)) {
            return Some(look(&slot));
        }
        self.spare.get().map(|slots| look(&slots[self.pick(key)]))
    }

    /// Drops the overflow keys that need not be kept.
    pub(crate) fn retain(&self, share: &Share, keep: impl Fn(&S) -> bool) {
        let Some(networks) = self.networks.get() else { return };
        let mut dropped = 0;
        networks.retain(|_, slot| {
            let keep = keep(slot);
            dropped += usize::from(!keep);
            keep
        });
        share.give_back_overflow_keys(dropped);
        if networks.capacity() / 4 > networks.len() {
            networks.shrink_to_fit();
        }
    }

    /// Forgets what a key shares with others.
    pub(crate) fn reset(&self, key: Key, share: &Share) {
        if let Some(slots) = self.spare.get() {
            slots[self.pick(key)].reset();
        }
        let dropped = key.net().and_then(|net| self.networks.get()?.remove(&net));
        share.give_back_overflow_keys(usize::from(dropped.is_some()));
    }

    /// Forgets everything.
    pub(crate) fn clear(&self, share: &Share) {
        self.spare.get().into_iter().flatten().for_each(S::reset);
        self.retain(share, |_| false);
    }

    /// What another table shares, with each state as `convert` says, whether or not there is room.
    pub(crate) fn converted<T: Slot>(&self, share: &Share, convert: impl Fn(&S) -> T) -> Overflow<T> {
        let overflow = Overflow { hasher: self.hasher.clone(), networks: OnceLock::new(), spare: OnceLock::new() };
        for entry in self.networks.get().into_iter().flatten() {
            share.take_overflow_key_anyway();
            overflow.networks().insert(*entry.key(), convert(entry.value()));
        }
        if let Some(slots) = self.spare.get() {
            overflow.spare.get_or_init(|| slots.iter().map(convert).collect());
        }
        overflow
    }

    fn networks(&self) -> &DashMap<Net, S> {
        self.networks.get_or_init(|| DashMap::with_hasher_and_shard_amount(self.hasher.clone(), SHARDS))
    }

    fn visit_spare<R>(&self, key: Key, visit: impl FnOnce(&S) -> (R, bool)) -> R {
        let slots = self.spare.get_or_init(|| (0..SPARE_SLOTS).map(|_| S::default()).collect());
        visit(&slots[self.pick(key)]).0
    }

    /// The spare slot of a key: that of its network, if it is known.
    fn pick(&self, key: Key) -> usize {
        let hash = match key.net() {
            Some(net) => self.hasher.hash_one(net),
            None => key.id().spare_bits(),
        };
        hash as usize % SPARE_SLOTS
    }
}
