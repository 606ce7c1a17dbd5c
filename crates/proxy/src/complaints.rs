//! What clients do that ends their connection or their request before it is one: counted by reason, and told in the log,
//! but not as often as it happens.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How many lines a second there are at most.
const LINES: u64 = 10;

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A request's head that can be read in two ways, or in none.
    BadHead,
    /// A head that is too long.
    LongHead,
    /// A head that did not come in time.
    SlowHead,
    /// A body whose chunks are broken.
    BadBody,
    /// A body that comes too slowly.
    SlowBody,
    /// An answer that is taken too slowly.
    SlowReader,
    /// A connection for which there is no room.
    Crowded,
    /// Too much that is no request.
    Flood,
    /// What is no HTTP/2, on a connection of it.
    BadFrames,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::BadHead,
        Self::LongHead,
        Self::SlowHead,
        Self::BadBody,
        Self::SlowBody,
        Self::SlowReader,
        Self::Crowded,
        Self::Flood,
        Self::BadFrames,
    ];

    /// As metrics and the log say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadHead => "bad_head",
            Self::LongHead => "long_head",
            Self::SlowHead => "slow_head",
            Self::BadBody => "bad_body",
            Self::SlowBody => "slow_body",
            Self::SlowReader => "slow_reader",
            Self::Crowded => "crowded",
            Self::Flood => "flood",
            Self::BadFrames => "bad_frames",
        }
    }
}

/// The counts, and who was told of last.
pub struct Complaints {
    counts: [AtomicU64; Reason::ALL.len()],
    began: Instant,
    /// The second of the last line, and how many lines it has had: above and below the last ten bits.
    told: AtomicU64,
    untold: AtomicU64,
}

impl Default for Complaints {
    fn default() -> Self {
        Self { counts: Default::default(), began: Instant::now(), told: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }
}

impl Complaints {
    /// A client did this; `detail` says more.
    pub fn tell(&self, client: IpAddr, reason: Reason, detail: impl Display) {
        self.counts[reason as usize].fetch_add(1, Ordering::Relaxed);
        if self.may_tell(self.began.elapsed().as_secs()) {
            let untold = self.untold.swap(0, Ordering::Relaxed);
            tracing::info!(%client, reason = reason.name(), %detail, untold, "a client is refused");
        } else {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each happened.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        Reason::ALL.into_iter().map(|reason| (reason, self.counts[reason as usize].load(Ordering::Relaxed)))
    }

    /// Whether there may be a line in this second, which then has had it.
    fn may_tell(&self, second: u64) -> bool {
        let add = |told: u64| match (told >> 10 == second, told & 1023) {
            (false, _) => Some(second << 10 | 1),
            (true, lines) if lines < LINES => Some(told + 1),
            (true, _) => None,
        };
        self.told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_as_many_again() {
        let complaints = Complaints::default();
        for second in [0, 1, 7] {
            let lines = (0..100).filter(|_| complaints.may_tell(second)).count();
            assert_eq!(lines as u64, LINES, "{second}");
        }
    }

    #[test]
    fn every_one_is_counted_told_or_not() {
        let complaints = Complaints::default();
        for _ in 0..100 {
            complaints.tell(IpAddr::from([127, 0, 0, 1]), Reason::Flood, "PING");
        }
        let counted: Vec<_> = complaints.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Reason::Flood, 100)]);
    }
}
