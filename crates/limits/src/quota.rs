//! How much a key may spend, and what of that makes no sense.

use std::time::Duration;

use thiserror::Error;

/// The largest limit.
pub const MAX_LIMIT: u64 = 1_000_000_000;

/// The largest limit of `exact`, which remembers every request.
pub const MAX_EXACT_LIMIT: u64 = 10_000;

/// The longest window: ten years.
pub const MAX_WINDOW: Duration = Duration::from_secs(10 * 365 * 86_400);

/// How much a key may spend in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What is admitted per window: 1 to [`MAX_LIMIT`], with `exact` to [`MAX_EXACT_LIMIT`].
    pub limit: u64,
    /// The window: whole seconds, one second to [`MAX_WINDOW`].
    pub window: Duration,
    /// Whether a refused request counts as well, as with Kong's `disable_penalty = false`. Only `sliding`
    /// and `exact` heed it: in a fixed window it changes nothing, and governor never charges a refused request.
    pub charge_rejected: bool,
    /// What `gcra` admits at once: 1 to [`MAX_LIMIT`]. The limit, if not set.
    pub burst: Option<u64>,
}

impl Quota {
    /// A quota with the usual rest: refused requests are not charged.
    pub const fn new(limit: u64, window: Duration) -> Self {
        Self { limit, window, charge_rejected: false, burst: None }
    }

    /// The first thing that is wrong with it.
    pub fn validate(&self) -> Result<(), QuotaError> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(LimitError::Any(self.limit).into());
        }
        if self.window.subsec_nanos() != 0 || self.window.is_zero() || self.window > MAX_WINDOW {
            return Err(QuotaError::Window(self.window));
        }
        match self.burst {
            Some(burst) if !(1..=MAX_LIMIT).contains(&burst) => Err(QuotaError::Burst(burst)),
            _ => Ok(()),
        }
    }
}

/// Why no limiter is built from a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuotaError {
    /// The limit is zero or too large.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The window is zero, too long, or not in whole seconds.
    #[error("a window is a whole number of seconds, from 1 to {max}, not {seconds}", max = MAX_WINDOW.as_secs(), seconds = .0.as_secs_f64())]
    Window(Duration),
    /// The burst is zero or too large.
    #[error("a burst is between 1 and {MAX_LIMIT}, not {0}")]
    Burst(u64),
}

/// What is wrong with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitError {
    /// It is zero or too large.
    #[error("a limit is between 1 and {MAX_LIMIT}, not {0}")]
    Any(u64),
    /// It is too large for a log of all requests.
    #[error(
        "with `exact` a limit is at most {MAX_EXACT_LIMIT}, not {0}: it remembers the time of every request; `sliding` takes more"
    )]
    Exact(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn check(quota: Quota, expected: Result<(), QuotaError>) {
        assert_eq!(quota.validate(), expected);
    }

    #[test]
    fn sound_quotas_pass() {
        check(Quota::new(1, Duration::from_secs(1)), Ok(()));
        check(Quota::new(MAX_LIMIT, MAX_WINDOW), Ok(()));
    }

    #[test]
    fn each_mistake_is_named() {
        check(Quota::new(0, MINUTE), Err(LimitError::Any(0).into()));
        check(Quota::new(MAX_LIMIT + 1, MINUTE), Err(LimitError::Any(MAX_LIMIT + 1).into()));
        check(Quota::new(1, Duration::ZERO), Err(QuotaError::Window(Duration::ZERO)));
        check(Quota::new(1, Duration::from_millis(1500)), Err(QuotaError::Window(Duration::from_millis(1500))));
        check(Quota { burst: Some(0), ..Quota::new(1, MINUTE) }, Err(QuotaError::Burst(0)));
    }
}
