//! The memory of one key: a state that many threads change without losing a change.

use std::{
    cell::RefCell,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::LocalKey,
};

use crate::{
    hot::{self, ELSEWHERE, Hit, Memory},
    key::Id,
};

/// Holds the state of one key. The default state is that of a key never seen.
pub trait Slot: Default + fmt::Debug + Send + Sync + 'static {
    /// Another slot that holds the same.
    fn duplicate(&self) -> Self;

    /// Puts back the default state.
    fn reset(&self);

    /// What this thread remembers of such slots, if they may be hot.
    fn memory() -> Option<&'static LocalKey<RefCell<Memory<Self>>>> {
        None
    }

    /// Whether the state is elsewhere, as `hot.rs` tells.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// Moves the state to another slot, and says here that it is elsewhere.
    fn move_out(&mut self) -> Self {
        self.duplicate()
    }

    /// Takes back a state that was moved out, and says there that it is gone.
    fn take_back(&mut self, _elsewhere: &Self) {}
}

/// A slot whose state is so small that it is copied out and replaced as a whole.
pub trait CopySlot: Slot {
    /// What is held.
    type State: Copy + Default;

    /// A slot that holds this state.
    fn holding(state: Self::State) -> Self;

    /// The state now.
    fn load(&self) -> Self::State;

    /// Replaces the state by what `change` says, if anything, as one step, and returns what else it says. `change` may run
    /// several times: the last time counts.
    fn update<R>(&self, change: impl Fn(Self::State) -> (Option<Self::State>, R)) -> R;

    /// The same for a key whose slot this thread remembers.
    #[inline]
    fn update_hot<R>(_table: u64, _id: Id, _change: impl Fn(Self::State) -> (Option<Self::State>, R)) -> Hit<R> {
        Hit::Unknown
    }
}

/// One word, changed by compare-and-swap.
///
/// `Relaxed` is enough: the word guards no other memory, and its changes are in one order for all threads.
impl CopySlot for AtomicU64 {
    type State = u64;

    fn holding(state: u64) -> Self {
        Self::new(state)
    }

    #[inline]
    fn load(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    #[inline]
    fn update<R>(&self, change: impl Fn(u64) -> (Option<u64>, R)) -> R {
        let mut before = self.load(Ordering::Relaxed);
        loop {
            let (after, result) = change(before);
            let Some(after) = after else { return result };
            match self.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(changed) => before = changed,
            }
        }
    }

    #[inline]
    fn update_hot<R>(table: u64, id: Id, change: impl Fn(u64) -> (Option<u64>, R)) -> Hit<R> {
        hot::update(table, id, change)
    }
}

impl Slot for AtomicU64 {
    fn memory() -> Option<&'static LocalKey<RefCell<Memory<Self>>>> {
        thread_local!(static MEMORY: RefCell<Memory<AtomicU64>> = const { RefCell::new(Memory::new()) });
        Some(&MEMORY)
    }

    fn duplicate(&self) -> Self {
        Self::holding(self.load(Ordering::Relaxed))
    }

    fn reset(&self) {
        self.store(0, Ordering::Relaxed);
    }

    #[inline]
    fn is_elsewhere(&self) -> bool {
        self.load(Ordering::Relaxed) == ELSEWHERE
    }

    fn move_out(&mut self) -> Self {
        Self::holding(std::mem::replace(self.get_mut(), ELSEWHERE))
    }

    fn take_back(&mut self, elsewhere: &Self) {
        *self.get_mut() = elsewhere.swap(ELSEWHERE, Ordering::Relaxed);
    }
}

/// Three words under a lock that is held for a few instructions, for counts that one word cannot hold.
pub type Wide = Mutex<[u64; 3]>;

impl CopySlot for Wide {
    type State = [u64; 3];

    fn holding(state: [u64; 3]) -> Self {
        Self::new(state)
    }

    #[inline]
    fn load(&self) -> [u64; 3] {
        *self.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn update<R>(&self, change: impl Fn([u64; 3]) -> (Option<[u64; 3]>, R)) -> R {
        let mut state = self.lock().unwrap_or_else(PoisonError::into_inner);
        let (after, result) = change(*state);
        if let Some(after) = after {
            *state = after;
        }
        result
    }
}

impl Slot for Wide {
    fn duplicate(&self) -> Self {
        Self::holding(self.load())
    }

    fn reset(&self) {
        self.update(|_| (Some(Default::default()), ()));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn check<S: CopySlot>(add: impl Fn(S::State) -> S::State + Sync, read: impl Fn(S::State) -> u64) {
        let slot = S::default();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        slot.update(|state| (Some(add(state)), ()));
                    }
                });
            }
        });
        slot.update(|_| (None, ()));
        assert_eq!(read(slot.load()), 20_000);
    }

    #[test]
    fn no_change_is_lost_between_threads() {
        check::<AtomicU64>(|count| count + 1, |count| count);
        check::<Wide>(|[a, b, c]| [a + 1, b, c], |[count, ..]| count);
    }
}
