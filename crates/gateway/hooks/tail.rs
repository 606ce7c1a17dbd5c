//! `sluice hooks tail`: prints deliveries as they come and as they change.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use super::show::{self, Names};
use crate::api::Api;
use crate::run::Failure;

/// How often the API is asked.
const EVERY: Duration = Duration::from_millis(500);
/// How many of the newest are looked at each time, besides those that are known to wait.
const NEWEST: usize = 100;
/// How many that came since the last time are told, and how many that wait are asked for one by one.
const MOST: usize = 1000;
const WAITING: usize = 50;

/// Deliveries as they were when they were last seen, in the order of arrival: that is the order of ids.
#[derive(Default)]
struct Seen(BTreeMap<String, (String, u64)>);

impl Seen {
    /// Whether this is news.
    fn note(&mut self, record: &Value) -> bool {
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        let now = (record["state"].as_str().unwrap_or_default().to_owned(), record["attempts"].as_u64().unwrap_or(0));
        self.0.insert(id, now.clone()) != Some(now)
    }

    fn knows(&self, record: &Value) -> bool {
        record["id"].as_str().is_some_and(|id| self.0.contains_key(id))
    }

    /// Those that wait and are older than all of these; what else is older will not change by itself.
    fn wait_before(&mut self, newest: &[Value]) -> Vec<String> {
        let Some(first) = newest.last().and_then(|record| record["id"].as_str()).map(str::to_owned) else { return Vec::new() };
        self.0.retain(|id, (state, _)| *id >= first || state == "waiting");
        self.0.range(..first).map(|(id, _)| id.clone()).take(WAITING).collect()
    }
}

/// What is tailed, and what is known of it.
pub struct Tail<'a> {
    api: &'a Api,
    path: Vec<&'a str>,
    json: bool,
    names: Names,
    seen: Seen,
}

impl<'a> Tail<'a> {
    pub fn new(api: &'a Api, path: Vec<&'a str>, json: bool) -> Self {
        Self { api, path, json, names: Names::default(), seen: Seen::default() }
    }

    /// Goes on until whoever reads has had enough. A gateway that is gone for a while is waited for.
    pub async fn follow(mut self) -> Result<(), Failure> {
        for record in self.api.list(&self.path, &[], NEWEST).await? {
            self.seen.note(&record);
        }
        let mut lost = false;
        loop {
            tokio::time::sleep(EVERY).await;
            match self.news().await {
                Ok(news) => {
                    lost = false;
                    if !news.iter().all(|record| self.print(record)) {
                        return Ok(());
                    }
                }
                // The same for all the others.
                Err(failure) if !lost => {
                    lost = true;
                    let _ = writeln!(std::io::stderr(), "sluice: {failure}; it is asked again until it answers");
                }
                Err(_) => {}
            }
        }
    }

    /// What came or changed, the oldest first.
    async fn news(&mut self) -> Result<Vec<Value>, Failure> {
        let seen = &self.seen;
        let known = |records: &[Value]| records.len() >= MOST || records.iter().any(|record| seen.knows(record));
        let mut all = self.api.list_until(&self.path, NEWEST, known).await?;
        let older = self.seen.wait_before(&all);
        let mut looked_up = Vec::new();
        for id in older {
            match self.api.get(&["deliveries", &id]).await {
                Ok(record) => looked_up.push(record),
                // It was dropped, or is too old to be kept.
                Err(_) => drop(self.seen.0.remove(&id)),
            }
        }
        all.reverse();
        all.extend(looked_up);
        all.retain(|record| self.seen.note(record));
        if !all.iter().all(|record| self.names.know(record)) {
            self.names = Names::of(&self.api.list(&["event-hooks"], &[], usize::MAX).await?);
        }
        Ok(all)
    }

    /// Whether somebody reads it.
    fn print(&self, record: &Value) -> bool {
        let line = if self.json { record.to_string() } else { self.line(record) };
        writeln!(std::io::stdout(), "{line}").is_ok()
    }

    fn line(&self, record: &Value) -> String {
        let last_try = record["tries"].as_array().and_then(|tries| tries.last()).map_or(&Value::Null, |last| &last["at"]);
        let at =
            [&record["ended_at"], last_try, &record["first_at"]].into_iter().find(|at| !at.is_null()).unwrap_or(&Value::Null);
        let [_, hook, id, event, state, count, tries, last] = show::delivery(record, &self.names);
        format!("{}  {hook}  {id}  {event}  {state}  count {count}  tries {tries}  {last}", show::time(at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn news_is_what_is_new_or_changed_and_what_is_over_is_forgotten() {
        let record = |id: &str, state: &str, attempts: u64| json!({ "id": id, "state": state, "attempts": attempts });
        let mut seen = Seen::default();
        assert!(seen.note(&record("a", "waiting", 0)) && seen.note(&record("b", "delivered", 1)));
        assert!(!seen.note(&record("a", "waiting", 0)));
        assert!(seen.note(&record("a", "waiting", 1)));
        assert_eq!(seen.wait_before(&[record("d", "dead", 1), record("c", "dead", 1)]), ["a"]);
        assert!(!seen.knows(&record("b", "", 0)));
        assert!(seen.note(&record("a", "dead", 8)));
        assert_eq!(seen.wait_before(&[record("c", "dead", 1)]), [""; 0]);
    }
}
