//! The pool of what counts: what survives a reload, so that counts do.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use governor::clock::Clock;
use sluice_events::{Bus, Emitter, LimitTableFull};
use sluice_limits::{Algorithm, Budget, InFlight, Keys, Limiter, Nanos, Quota, QuotaError, SharedClock, Watch};

use crate::limiting::Limit;

/// How many times all logs of one limiter that remembers every request hold at most; 8 bytes each, and up to 14 while they grow.
const LOGGED_TIMES: u64 = 32_000_000;

/// How many clients of one limit are watched at most.
const WATCHED: usize = 10_000;

/// How long a client is remembered that was refused and has not come back, after the time when it could.
const COMES_BACK: Duration = Duration::from_secs(600);

/// What makes two limiters count the same: where they stand, how they count, and in which window. Their limits may differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    /// The path of the plugin that it belongs to, or a name that several share.
    owner: String,
    algorithm: &'static str,
    window: Duration,
}

/// Limiters that count the same, and the room that they take keys from.
struct Counted {
    limiters: Vec<Weak<dyn Limiter>>,
    budget: Budget,
}

#[derive(Default)]
struct Pool {
    counted: HashMap<Identity, Counted>,
    in_flight: HashMap<String, Vec<Weak<InFlight>>>,
    watches: HashMap<String, Weak<Watch>>,
    /// What people may look into, by its path. A configuration that is refused leaves none behind.
    shown: HashMap<String, Vec<Weak<Limit>>>,
}

/// All limiters of the process. It is locked when a configuration is built and when idle keys are swept, never by a
/// request.
pub struct Limiters {
    clock: SharedClock,
    /// For those who promise more than a clock's tick.
    exact_clock: SharedClock,
    keys: Keys,
    budget: Budget,
    pool: Mutex<Pool>,
    full: OnceLock<Emitter<LimitTableFull>>,
}

impl Default for Limiters {
    fn default() -> Self {
        Self { exact_clock: SharedClock::counted(), ..Self::new(SharedClock::coarse()) }
    }
}

impl Limiters {
    /// Limiters that go by this clock.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            exact_clock: clock.clone(),
            clock,
            keys: Keys::random(),
            budget: Budget::default(),
            pool: Mutex::default(),
            full: OnceLock::new(),
        }
    }

    /// What time it is.
    pub(crate) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// What makes keys: the same for all limiters, and over reloads.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The room for keys that all limiters share.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The limiter of this owner with this quota: the one that is there already, or one that goes on from what was
    /// counted with another limit, or a new one.
    pub fn get(&self, owner: &str, algorithm: &'static Algorithm, quota: &Quota) -> Result<Arc<dyn Limiter>, QuotaError> {
        let identity = Identity { owner: owner.to_owned(), algorithm: algorithm.name, window: quota.window };
        let mut pool = self.lock();
        let counted =
            pool.counted.entry(identity).or_insert_with(|| Counted { limiters: Vec::new(), budget: self.budget.clone() });
        counted.limiters.retain(|limiter| limiter.strong_count() > 0);
        let alive: Vec<Arc<dyn Limiter>> = counted.limiters.iter().filter_map(Weak::upgrade).collect();
        if let Some(same) = alive.iter().find(|limiter| limiter.quota() == quota) {
            return Ok(same.clone());
        }
        let limiter = match alive.last() {
            Some(other) => other.rebuilt(quota)?,
            None => {
                counted.budget = self.room_of(algorithm);
                let clock = if algorithm.name == "exact" { &self.exact_clock } else { &self.clock };
                (algorithm.build)(quota, clock.clone(), &counted.budget)?
            }
        };
        if algorithm.name == "exact" {
            counted.budget.resize(usize::try_from(LOGGED_TIMES / quota.limit).unwrap_or(usize::MAX).min(self.budget.max_keys()));
        }
        counted.limiters.push(Arc::downgrade(&limiter));
        Ok(limiter)
    }

    /// The limit on requests in flight of this owner: the one that is there, or one that goes on from another limit.
    pub fn in_flight(&self, owner: &str, limit: u32) -> Arc<InFlight> {
        let mut pool = self.lock();
        let limits = pool.in_flight.entry(owner.to_owned()).or_default();
        limits.retain(|limit| limit.strong_count() > 0);
        let alive: Vec<Arc<InFlight>> = limits.iter().filter_map(Weak::upgrade).collect();
        if let Some(same) = alive.iter().find(|in_flight| in_flight.limit() == limit) {
            return same.clone();
        }
        let other = alive.last().map(|other| other.with_limit(limit));
        let in_flight = Arc::new(other.unwrap_or_else(|| InFlight::new(limit, &self.budget)));
        limits.push(Arc::downgrade(&in_flight));
        in_flight
    }

    /// What remembers who is limited by this owner.
    pub fn watch(&self, owner: &str) -> Arc<Watch> {
        let mut pool = self.lock();
        if let Some(watch) = pool.watches.get(owner).and_then(Weak::upgrade) {
            return watch;
        }
        let watch = Arc::new(Watch::new(WATCHED));
        pool.watches.insert(owner.to_owned(), Arc::downgrade(&watch));
        watch
    }

    /// Lets people look into a limit as long as it is in use.
    pub(crate) fn show(&self, limit: &Arc<Limit>) {
        let mut pool = self.lock();
        let all = pool.shown.entry(limit.path().to_owned()).or_default();
        all.retain(|limit| limit.strong_count() > 0);
        all.push(Arc::downgrade(limit));
    }

    /// The limits in use, by their paths.
    pub fn limits(&self) -> Vec<Arc<Limit>> {
        let pool = self.lock();
        let mut all: Vec<_> = pool.shown.values().filter_map(|limits| limits.iter().rev().find_map(Weak::upgrade)).collect();
        all.sort_by(|a, b| a.path().cmp(b.path()));
        all
    }

    /// Drops keys at rest, and what no configuration uses any more; tells of a table that became full. For a task in the
    /// background.
    pub fn sweep(&self) {
        let (limiters, watches, budgets) = {
            let mut pool = self.lock();
            let Pool { counted, in_flight, watches, shown } = &mut *pool;
            counted.retain(|_, counted| counted.limiters.iter().any(|limiter| limiter.strong_count() > 0));
            in_flight.retain(|_, limits| limits.iter().any(|limit| limit.strong_count() > 0));
            watches.retain(|_, watch| watch.strong_count() > 0);
            shown.retain(|_, limits| limits.iter().any(|limit| limit.strong_count() > 0));
            let limiters: Vec<Arc<dyn Limiter>> =
                counted.values().flat_map(|counted| &counted.limiters).filter_map(Weak::upgrade).collect();
            let watches: Vec<Arc<Watch>> = watches.values().filter_map(Weak::upgrade).collect();
            // The common one stands beside those of each limiter; asked twice, it answers once.
            let budgets: Vec<Budget> =
                counted.values().map(|counted| counted.budget.clone()).chain([self.budget.clone()]).collect();
            (limiters, watches, budgets)
        };
        limiters.iter().for_each(|limiter| limiter.forget_idle());
        let since = self.clock.now().saturating_sub(Nanos::from(COMES_BACK));
        watches.iter().for_each(|watch| drop(watch.sweep(since)));
        budgets.iter().for_each(|budget| self.tell_if_full(budget));
    }

    /// From now on this bus is told of a table that becomes full.
    pub(crate) fn tell(&self, bus: &Arc<Bus>) {
        self.full.get_or_init(|| bus.emitter());
    }

    fn tell_if_full(&self, budget: &Budget) {
        if budget.take_full_edge()
            && let Some(full) = self.full.get()
        {
            full.emit(|| LimitTableFull { keys: budget.max_keys() as u64, overflowed: budget.overflowed() });
        }
    }

    /// The room for the keys of a new limiter. One that remembers every request has its own: its keys are large.
    fn room_of(&self, algorithm: &Algorithm) -> Budget {
        if algorithm.name == "exact" { Budget::new(self.budget.max_keys()) } else { self.budget.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiting::calendar;
    use sluice_limits::{ALGORITHMS, ManualClock, algorithm};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_limiter_is_found_again_and_one_with_another_limit_counts_on() {
        let limiters = Limiters::default();
        for algorithm in ALGORITHMS.iter().chain([&calendar::MONTH, &calendar::YEAR]) {
            let name = algorithm.name;
            let get = |owner, limit| limiters.get(owner, algorithm, &Quota::new(limit, MINUTE)).expect("a sound quota");
            let first = get("a", 3);
            let key = limiters.keys().key(&[b"client"]);
            assert!(first.check(key, 2).admitted);
            assert!(Arc::ptr_eq(&first, &get("a", 3)));
            assert!(!get("a", 4).check(key, 3).admitted, "{name}: two are spent");
            assert!(get("b", 4).check(key, 3).admitted, "{name}: somebody else's");
        }
    }

    #[test]
    fn requests_in_flight_count_on_under_another_limit() {
        let limiters = Limiters::default();
        let key = limiters.keys().key(&[b"client"]);
        let first = limiters.in_flight("a", 1);
        let flying = first.acquire(key).expect("the first");
        let second = limiters.in_flight("a", 2);
        let also = second.acquire(key).expect("the second");
        assert!(second.acquire(key).is_none() && limiters.in_flight("b", 1).acquire(key).is_some());
        drop((flying, also));
        assert_eq!(second.in_flight(key), 0);
    }

    #[test]
    fn what_nobody_uses_is_dropped() {
        let limiters = Limiters::default();
        let sliding = algorithm("sliding").expect("it is registered");
        drop(limiters.get("a", sliding, &Quota::new(3, MINUTE)).expect("a sound quota"));
        drop((limiters.in_flight("a", 3), limiters.watch("a")));
        assert!(limiters.limits().is_empty());
        limiters.sweep();
        let pool = limiters.lock();
        assert!(pool.counted.is_empty() && pool.in_flight.is_empty() && pool.watches.is_empty());
    }

    #[test]
    fn a_table_that_becomes_full_is_told_of_once() {
        let clock = ManualClock::at(MINUTE);
        let limiters = Limiters::new(SharedClock::new(clock.clone()));
        let bus: Arc<Bus> = Arc::default();
        bus.set_wanted(|_| true);
        limiters.tell(&bus);
        limiters.budget().resize(32);
        let fixed = algorithm("fixed").expect("it is registered");
        let limiter = limiters.get("a", fixed, &Quota::new(3, MINUTE)).expect("a sound quota");
        let fill = || {
            for client in 0..40u64 {
                limiter.check(limiters.keys().key(&[&client.to_le_bytes()]), 1);
            }
        };
        let told = || {
            limiters.sweep();
            let mut events = Vec::new();
            bus.try_collect(&mut events);
            events.iter().map(|o| (o.event.kind().name, o.event.data()["keys"].as_u64())).collect::<Vec<_>>()
        };
        assert_eq!(told(), []);
        fill();
        assert_eq!(told(), [("rate-limit-table-full", Some(32))]);
        fill();
        assert_eq!(told(), [], "it is full still");
        clock.advance(MINUTE * 2);
        assert_eq!(told(), []);
        fill();
        assert_eq!(told(), [("rate-limit-table-full", Some(32))]);
    }
}
