//! How many files the process may open: as many as the system lets it, and half of them for connections of clients, since
//! each may need one to an upstream.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left for everything but connections.
const OTHERS: u64 = 64;

/// Takes as many files as there are to be had. How many connections of clients they are enough for.
pub fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit { current: limit.maximum, ..limit };
    let had = match setrlimit(Resource::Nofile, all) {
        Ok(()) => all.current,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays where it is");
            limit.current
        }
    };
    // Without a limit the number of connections has none either.
    had.map_or(usize::MAX, |files| usize::try_from(files.saturating_sub(OTHERS) / 2).unwrap_or(usize::MAX).max(1))
}
