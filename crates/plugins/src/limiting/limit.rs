//! A limit on rates as people look into it: whom it limits now, what they have spent, and how to forget that.
//!
//! Limiters know keys, not names. Names are kept for those who were refused or warned ([`Watch`]); of all others there is
//! only how many they are.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use sluice_events::Window;
use sluice_limits::{Key, Nanos, Policy, Room, Watch, Watched};

use crate::plugin::BuildCx;

/// A limit that is at work.
pub struct Limit {
    path: String,
    plugin: String,
    pub(crate) windows: Vec<Window>,
    pub(crate) policy: Policy,
    pub(crate) watch: Arc<Watch>,
}

/// What is known of a limit.
#[derive(JsonSchema, Serialize)]
pub struct Shown<'a> {
    /// Where it stands in the file.
    pub limiter: &'a str,
    /// The plugin that it belongs to.
    pub plugin: &'a str,
    /// Its windows.
    pub windows: Vec<ShownWindow>,
    /// How many clients are refused now.
    pub limited: usize,
    /// How many clients are known by name.
    pub named: usize,
    /// How many clients had no room to be known by name.
    pub missed: u64,
}

/// A window of a limit.
#[derive(JsonSchema, Serialize)]
pub struct ShownWindow {
    /// Its length.
    #[schemars(schema_with = "window")]
    pub window: Window,
    limit: u64,
    window_type: &'static str,
    /// How many clients are remembered.
    pub keys: usize,
    /// How many checks were counted for a client's network, since there was no room for the client.
    overflowed: u64,
}

/// A window has a name, or is so many seconds long.
fn window(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"] })
}

/// A client that was refused or warned.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Client {
    /// Its key, in hexadecimal digits.
    pub id: String,
    /// What the key stands for.
    pub name: String,
    /// Whether it was refused, and not admitted since.
    pub limited: bool,
    /// How often it was refused since it was admitted last.
    pub refused: u64,
    /// When the first of these refusals came, in Unix seconds.
    pub since: Option<u64>,
    /// When it may come again.
    pub until: Option<u64>,
    /// What it has spent.
    pub usage: Vec<Usage>,
}

/// What a client has spent of a window.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Usage {
    #[schemars(schema_with = "window")]
    window: Window,
    limit: u64,
    used: u64,
    remaining: u64,
    /// Seconds until the window ends, or until a request fits.
    reset: u64,
}

impl Limit {
    /// The limit of a plugin that is being built. It can be looked into as long as it is in use.
    pub(crate) fn new(cx: &BuildCx<'_>, plugin: &str, windows: Vec<Window>, policy: Policy) -> Arc<Self> {
        let path = cx.block.path().to_string();
        let watch = cx.limiters.watch(&path);
        let limit = Arc::new(Self { path, plugin: plugin.to_owned(), windows, policy, watch });
        cx.limiters.show(&limit);
        limit
    }

    /// Where it stands in the file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is known of it.
    pub fn shown(&self) -> Shown<'_> {
        let windows = self.windows.iter().zip(self.policy.windows()).map(|(window, limiter)| ShownWindow {
            window: *window,
            limit: limiter.quota().limit,
            window_type: limiter.name(),
            keys: limiter.keys(),
            overflowed: limiter.overflowed(),
        });
        Shown {
            limiter: &self.path,
            plugin: &self.plugin,
            windows: windows.collect(),
            limited: self.watch.limited(),
            named: self.watch.len(),
            missed: self.watch.missed(),
        }
    }

    /// The clients that are known by name, who has spent most first.
    pub fn clients(&self, page: Range<usize>) -> Vec<Client> {
        let tightest = |key| {
            let mut room = Room::new();
            let windows = self.policy.peek(key, &mut room).iter();
            windows.map(|window| window.rate.saturating_mul(1_000_000) / window.limit.max(1)).max().unwrap_or(0)
        };
        self.watch.page(page, tightest).into_iter().map(|watched| self.client(watched)).collect()
    }

    /// The client of this id or name.
    pub fn find(&self, id_or_name: &str) -> Option<Client> {
        self.watched(id_or_name).map(|watched| self.client(watched))
    }

    /// Forgets what the client of this id or name has spent. Whether there is such a client.
    pub fn reset(&self, id_or_name: &str) -> bool {
        let Some(watched) = self.watched(id_or_name) else { return false };
        self.policy.reset(watched.key);
        self.watch.remove(watched.key);
        true
    }

    /// Forgets what all clients have spent.
    pub fn clear(&self) {
        self.policy.windows().iter().for_each(|window| window.clear());
        // The largest page: whoever is named.
        for watched in self.watch.page(0..usize::MAX, |_| 0) {
            self.watch.remove(watched.key);
        }
    }

    /// Of several by one name, as there may be where names were cut, the one that has spent most.
    fn watched(&self, id_or_name: &str) -> Option<Watched> {
        let all = self.watch.page(0..usize::MAX, |_| 0);
        let same = all.into_iter().filter(|watched| id(watched.key) == id_or_name || watched.name == id_or_name);
        same.min_by_key(|watched| Reverse(watched.refused))
    }

    fn client(&self, watched: Watched) -> Client {
        let mut room = Room::new();
        let decisions = self.policy.peek(watched.key, &mut room);
        let usage = self.windows.iter().zip(decisions).map(|(window, decision)| Usage {
            window: *window,
            limit: decision.limit,
            used: decision.rate,
            remaining: decision.remaining,
            reset: decision.reset.as_secs() + u64::from(decision.reset.subsec_nanos() > 0),
        });
        let time = |nanos: Nanos| watched.limited.then_some(nanos.as_u64() / 1_000_000_000);
        Client {
            id: id(watched.key),
            limited: watched.limited,
            refused: if watched.limited { watched.refused } else { 0 },
            since: time(watched.since),
            until: time(watched.until),
            usage: usage.collect(),
            name: watched.name,
        }
    }
}

fn id(key: Key) -> String {
    format!("{:032x}", u128::from(key))
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    const LIMIT: &str = "[plugins.rate-limiting-advanced]\nlimit = [2, 9]\nwindow_size = [60, 3600]\nwindow_type = \"fixed\"\nidentifier = \"ip\"\nwarn_at = 0.5\n";

    #[test]
    fn who_was_refused_or_warned_is_shown_by_name_with_what_was_spent() {
        let mut bench = Bench::new(LIMIT);
        let mut ask = |ip: &str, times| (0..times).for_each(|_| drop(bench.ask("/", &[], ip)));
        ask("192.0.2.1", 1);
        ask("192.0.2.2", 5);
        ask("2001:db8::1", 1);
        let limit = &bench.limiters.limits()[0];
        let shown = serde_json::to_value(limit.shown()).expect("it is JSON");
        assert_eq!(shown["limiter"], "plugins.rate-limiting-advanced");
        assert_eq!((&shown["limited"], &shown["named"], &shown["windows"][1]["keys"]), (&1.into(), &3.into(), &3.into()));
        let clients = limit.clients(0..10);
        let names: Vec<&str> = clients.iter().map(|client| client.name.as_str()).collect();
        assert_eq!(names[0], "ip 192.0.2.2", "who has spent most comes first");
        assert!(names.contains(&"ip 192.0.2.1") && names.contains(&"ip 2001:db8::/64"), "{names:?}");
        assert_eq!((clients[0].limited, clients[0].refused), (true, 3));
        let usage = serde_json::to_value(&clients[0].usage).expect("it is JSON");
        assert_eq!(usage[0], serde_json::json!({ "window": "minute", "limit": 2, "used": 2, "remaining": 0, "reset": 50 }));
        assert_eq!(usage[1]["used"], 2);
        assert_eq!(limit.clients(1..2).len(), 1);
        assert_eq!(limit.find(&clients[0].id).map(|client| client.name).as_deref(), Some("ip 192.0.2.2"));
        assert!(limit.find("ip 192.0.2.9").is_none());
    }

    #[test]
    fn what_a_client_has_spent_can_be_forgotten() {
        let mut bench = Bench::new(LIMIT);
        let mut admitted = |ip: &str| (0..3).filter(|_| bench.ask("/", &[], ip).is_none()).count();
        assert_eq!((admitted("192.0.2.1"), admitted("192.0.2.2")), (2, 2));
        let limit = bench.limiters.limits().remove(0);
        assert!(limit.reset("ip 192.0.2.1") && !limit.reset("ip 192.0.2.1"));
        let mut admitted = |ip: &str| (0..3).filter(|_| bench.ask("/", &[], ip).is_none()).count();
        assert_eq!((admitted("192.0.2.1"), admitted("192.0.2.2")), (2, 0));
        limit.clear();
        assert!(limit.clients(0..10).is_empty());
        let mut admitted = |ip: &str| (0..3).filter(|_| bench.ask("/", &[], ip).is_none()).count();
        assert_eq!((admitted("192.0.2.1"), admitted("192.0.2.2")), (2, 2));
    }
}
