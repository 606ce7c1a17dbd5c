//! A table of states that are copied out and replaced as a whole.

use std::cell::Cell;

use governor::nanos::Nanos;

use super::{Share, Store, sections};
use crate::{hot::Hit, key::Key, slot::CopySlot};

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
