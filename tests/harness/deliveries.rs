//! Hooks that a test feeds by an edit of the file, and what became of their deliveries.

use serde_json::Value;

use super::{Gateway, eventually};

/// Hooks of changes of the configuration: they are there without an upstream, and the Admin API makes as many as a test wants.
pub fn consumer_hook(name: &str, url: &str, more: &str) -> String {
    format!(
        "[event_hooks.{name}]\nsource = \"crud\"\nevent = \"consumers\"\nhandler = \"webhook\"\n{more}\nconfig.url = \"{url}\"\n"
    )
}

/// Fails at once, and waits an hour to try again.
pub const WAITS: &str = "retry = { schedule = [\"1h\"] }";
/// Fails once, and is dead.
pub const DIES: &str = "retry = { schedule = [] }";

/// Raises this many events, each of a consumer of its own and so a delivery of its own.
pub fn raise(gateway: &Gateway, prefix: &str, count: usize) {
    // By its log: the process before it may answer still.
    let applied = || gateway.log().iter().filter(|line| line.contains("configuration applied")).count();
    let before = applied();
    let consumers: String = (0..count).map(|n| format!("[consumers.{prefix}{n}]\ncustom_id = \"{prefix}{n}\"\n")).collect();
    gateway.edit_by_rename(|text| text.to_owned() + &consumers);
    eventually("the edit is live", || (applied() > before).then_some(()));
}

/// A list, once it has this many entries.
pub fn records(gateway: &Gateway, path: &str, count: usize) -> Vec<Value> {
    eventually(&format!("{count} at {path}"), || {
        // Just after the start the outbox is not there yet.
        let all = gateway.admin("GET", path, "").json()["data"].as_array()?.clone();
        (all.len() == count).then_some(all)
    })
}

pub fn texts(all: &[Value], key: &str) -> Vec<String> {
    let mut all: Vec<String> = all.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}
