//! Names and the addresses that they stand for, looked up beside the requests: again when a name's time is over.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

/// What a failed look-up waits for; so long requests are told of it without another.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// However short or long a name says that it holds.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);

/// All names of a configuration; a reload takes over what is known.
#[derive(Debug)]
pub(crate) struct Names {
    by_host: HashMap<String, Arc<Name>>,
    /// Told when a name is wanted that nobody has looked up.
    pub wanted: Arc<Notify>,
}

/// A name.
#[derive(Debug)]
pub(crate) struct Name {
    pub host: String,
    addresses: ArcSwapOption<Vec<IpAddr>>,
    /// How often they changed.
    version: AtomicU64,
    failed: AtomicBool,
    /// Whether it is being looked up.
    pub busy: AtomicBool,
    /// When it is to be looked up again.
    due: AtomicU64,
    born: Instant,
    /// Told after every look-up.
    looked_up: Notify,
}

impl Names {
    pub fn new(hosts: impl Iterator<Item = String>, before: Option<&Self>) -> Self {
        let known = |host: &String| before.and_then(|before| before.by_host.get(host)).cloned();
        let by_host = hosts.map(|host| (host.clone(), known(&host).unwrap_or_else(|| Arc::new(Name::new(host)))));
        Self { by_host: by_host.collect(), wanted: before.map_or_else(Arc::default, |before| before.wanted.clone()) }
    }

    pub fn get(&self, host: &str) -> Option<&Arc<Name>> {
        self.by_host.get(host)
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Name>> {
        self.by_host.values()
    }
}

impl Name {
    fn new(host: String) -> Self {
        Self {
            host,
            addresses: ArcSwapOption::empty(),
            version: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            busy: AtomicBool::new(false),
            due: AtomicU64::new(0),
            born: Instant::now(),
            looked_up: Notify::new(),
        }
    }

    /// The addresses that were found last; none if there never were any.
    pub fn addresses(&self) -> Option<Arc<Vec<IpAddr>>> {
        self.addresses.load_full()
    }

    /// Grows with every change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether the last look-up found nothing.
    pub fn is_lost(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub fn until_due(&self) -> Duration {
        Duration::from_millis(self.due.load(Ordering::Acquire)).saturating_sub(self.born.elapsed())
    }

    /// Takes what a look-up found. Whether the addresses are others than before.
    pub fn found(&self, found: Result<(Vec<IpAddr>, Duration), String>) -> bool {
        let (changed, holds) = match found {
            Ok((mut addresses, holds)) if !addresses.is_empty() => {
                addresses.sort_unstable();
                addresses.dedup();
                let changed = self.addresses.load().as_deref() != Some(&addresses);
                if changed {
                    self.addresses.store(Some(Arc::new(addresses)));
                    self.version.fetch_add(1, Ordering::AcqRel);
                }
                self.failed.store(false, Ordering::Release);
                (changed, holds.clamp(SHORTEST, LONGEST))
            }
            // What was known is used on: a resolver that fails for a moment takes nothing down.
            failed => {
                if !self.failed.swap(true, Ordering::AcqRel) {
                    let error = failed.err().unwrap_or_else(|| "it has no address".into());
                    tracing::warn!(host = self.host, %error, "name resolution failed");
                }
                (false, AFTER_FAILURE)
            }
        };
        let due = (self.born.elapsed() + holds).as_millis();
        self.due.store(u64::try_from(due).unwrap_or(u64::MAX), Ordering::Release);
        changed
    }

    /// Tells those that wait.
    pub fn tell(&self) {
        self.looked_up.notify_waiters();
    }

    /// Waits for the first look-up, if there was none.
    pub async fn first(&self, wanted: &Notify) {
        let told = self.looked_up.notified();
        tokio::pin!(told);
        // From here on it is told, whatever comes next.
        told.as_mut().enable();
        if self.addresses.load().is_some() || (self.is_lost() && self.until_due() > Duration::ZERO) {
            return;
        }
        wanted.notify_one();
        told.await;
    }
}

/// The addresses of a name with this port.
pub(crate) fn with_port(addresses: &[IpAddr], port: u16) -> impl Iterator<Item = SocketAddr> {
    addresses.iter().map(move |ip| SocketAddr::new(*ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_outlives_a_failure_and_a_reload() {
        let names = Names::new(["a".to_owned()].into_iter(), None);
        let name = names.get("a").expect("it is there");
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        assert!(name.found(Ok((vec![ip(2), ip(1), ip(1)], Duration::from_secs(5)))));
        assert!(!name.found(Ok((vec![ip(1), ip(2)], Duration::from_secs(5)))), "the order says nothing");
        assert!((4..=5).contains(&name.until_due().as_secs_f64().round().to_string().parse().unwrap_or(0)));
        assert!(!name.found(Err("servfail".into())) && name.is_lost());
        assert_eq!(name.addresses().as_deref(), Some(&vec![ip(1), ip(2)]));
        assert!(!name.found(Ok((vec![], Duration::ZERO))) && name.is_lost());
        assert!(name.found(Ok((vec![ip(3)], Duration::ZERO))) && !name.is_lost());
        let after = Names::new(["a".to_owned(), "b".to_owned()].into_iter(), Some(&names));
        assert_eq!(after.get("a").and_then(|name| name.addresses()).as_deref(), Some(&vec![ip(3)]));
        assert_eq!(after.get("b").and_then(|name| name.addresses()), None);
    }
}
