//! The pool of limiters: what survives a reload, so that counts do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sluice_limits::{Algorithm, Keys, Limiter, Quota, QuotaError, SharedClock};

/// What makes two limiters the same one: where it stands, how it counts, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    /// The path of the plugin that it belongs to, or a name that several share.
    owner: String,
    algorithm: &'static str,
    limit: u64,
    window: Duration,
    charge_rejected: bool,
    burst: Option<u64>,
}

/// All limiters of the process. It is locked when a configuration is built and when idle keys are swept, never by a
/// request.
pub struct Limiters {
    clock: SharedClock,
    keys: Keys,
    pool: Mutex<HashMap<Identity, Weak<dyn Limiter>>>,
}

impl Default for Limiters {
    fn default() -> Self {
        Self::new(SharedClock::unix())
    }
}

impl Limiters {
    /// Limiters that go by this clock.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, keys: Keys::random(), pool: Mutex::default() }
    }

    /// What makes keys: the same for all limiters, and over reloads.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The limiter of this owner with this quota: the one that is there already, or a new one.
    pub fn get(&self, owner: &str, algorithm: &'static Algorithm, quota: &Quota) -> Result<Arc<dyn Limiter>, QuotaError> {
        let identity = Identity {
            owner: owner.to_owned(),
            algorithm: algorithm.name,
            limit: quota.limit,
            window: quota.window,
            charge_rejected: quota.charge_rejected,
            burst: quota.burst,
        };
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = pool.get(&identity).and_then(Weak::upgrade) {
            return Ok(limiter);
        }
        let limiter = (algorithm.build)(quota, self.clock.clone())?;
        pool.insert(identity, Arc::downgrade(&limiter));
        Ok(limiter)
    }

    /// Drops keys at rest, and limiters that no configuration uses any more. For a task in the background.
    pub fn sweep(&self) {
        let alive: Vec<Arc<dyn Limiter>> = {
            let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
            pool.retain(|_, limiter| limiter.strong_count() > 0);
            pool.values().filter_map(Weak::upgrade).collect()
        };
        for limiter in alive {
            limiter.forget_idle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_limits::algorithm;

    #[test]
    fn the_same_limiter_is_found_again_and_a_changed_one_is_new() {
        let limiters = Limiters::default();
        let sliding = algorithm("sliding").expect("it is registered");
        let get =
            |owner, limit| limiters.get(owner, sliding, &Quota::new(limit, Duration::from_secs(60))).expect("a sound quota");
        let first = get("a", 3);
        let same = |other: &Arc<dyn Limiter>| Arc::ptr_eq(&first, other);
        assert!(same(&get("a", 3)));
        assert!(!same(&get("a", 4)));
        assert!(!same(&get("b", 3)));
    }

    #[test]
    fn a_limiter_that_nobody_uses_is_dropped() {
        let limiters = Limiters::default();
        let sliding = algorithm("sliding").expect("it is registered");
        drop(limiters.get("a", sliding, &Quota::new(3, Duration::from_secs(60))).expect("a sound quota"));
        limiters.sweep();
        assert!(limiters.pool.lock().expect("it is not poisoned").is_empty());
    }
}
