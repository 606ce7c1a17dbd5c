//! A number for each thread, so that threads count apart and do not fight over one line of the cache.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many threads count apart; what more there are share.
pub(crate) const STRIPES: usize = 16;

/// The number of this thread, below [`STRIPES`].
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
    }
    MINE.with(|mine| *mine)
}
