//! Looks names up beside the requests, each again when its time is over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::dns::NameServers;
use super::names::Name;
use crate::snapshot::Live;

/// A reload is noticed after this long at the latest.
const LOOK: Duration = Duration::from_millis(500);

/// Looks up the names of the configurations in force; it has no end.
pub async fn resolve_names(live: Arc<Live>, servers: Arc<NameServers>) {
    loop {
        let snapshot = live.load_full();
        let names = &snapshot.upstreams.names;
        // Those that were built from what was known before it changed.
        snapshot.upstreams.all().filter(|upstream| upstream.is_behind()).for_each(|upstream| upstream.refresh());
        let mut next = LOOK;
        for name in names.all() {
            let left = name.until_due();
            if !left.is_zero() {
                next = next.min(left);
            } else if !name.busy.swap(true, Ordering::AcqRel) {
                tokio::spawn(look_up(name.clone(), live.clone(), servers.clone()));
            }
        }
        let _ = tokio::time::timeout(next, names.wanted.notified()).await;
    }
}

/// Looks a name up once; those whose targets have it are told what is new.
async fn look_up(name: Arc<Name>, live: Arc<Live>, servers: Arc<NameServers>) {
    if name.found(servers.look_up(&name.host).await) {
        let snapshot = live.load_full();
        snapshot.upstreams.all().filter(|upstream| upstream.is_behind()).for_each(|upstream| upstream.refresh());
    }
    name.busy.store(false, Ordering::Release);
    name.tell();
}
