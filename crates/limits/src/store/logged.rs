//! A table of logs.

use governor::nanos::Nanos;

use super::Store;
use crate::{
    hot::{self, Hit},
    key::Key,
    log::Log,
};

impl Store<Log> {
    /// Shows the log of a key to `visit`, which may change it, and which says whether there is something to remember: only
    /// then is a key that is not there added. It says nothing of a log that is elsewhere, and is shown the other one.
    /// `at_rest` tells which others may leave for it. What `visit` finds it keeps: it is too much to hand around.
    #[inline]
    pub fn visit(&self, now: Nanos, key: Key, at_rest: impl Fn(&Log) -> bool, mut visit: impl FnMut(&Log) -> Option<bool>) {
        match hot::visit(self.table, key.id(), |log, _| visit(log)) {
            Hit::Changed(_) => return,
            Hit::Hot => self.move_out(key),
            Hit::Unknown => (),
        }
        let show = |log: &Log| ((), visit(log).unwrap_or(false));
        match self.section(key).slots.get(&key.id()) {
            Some(log) => self.places.hot.show(key.id(), &log, show).0,
            None => self.add(now, key, at_rest, show),
        }
    }
}
