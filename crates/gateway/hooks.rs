//! `sluice hooks`: looks after the hooks of a running gateway from a terminal, by its Admin API.

pub mod args;
mod show;
mod tail;

use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Map, Value, json};

use self::args::{Command, Hooks, Replay};
use self::show::{Names, cell};
use self::tail::Tail;
use crate::api::Api;
use crate::api::place::Place;
use crate::explain::print;
use crate::run::Failure;

/// Does what the command line says.
pub fn run(file: &Path, args: &Hooks) -> Result<(), Failure> {
    let api = Api::new(Place::find(file, &args.reach)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(Console { api, json: args.json }.command(&args.command))
}

/// A terminal in front of an Admin API.
struct Console {
    api: Api,
    json: bool,
}

impl Console {
    async fn command(&self, command: &Command) -> Result<(), Failure> {
        match command {
            Command::List => self.list().await,
            Command::Test { hook, data } => self.test(hook, data.as_deref()).await,
            Command::Deliveries { hook, state, limit } => self.deliveries(hook.as_deref(), state.as_deref(), *limit).await,
            Command::Replay(Replay { id: Some(id), .. }) => self.replay(id).await,
            Command::Replay(range) => self.replay_range(range).await,
            Command::Tail { hook } => tokio::select! {
                ended = Tail::new(&self.api, path_of(hook.as_deref()), self.json).follow() => ended,
                _ = tokio::signal::ctrl_c() => Ok(()),
            },
            Command::Pause { hook } => self.switch(hook, "pause").await,
            Command::Resume { hook } => self.switch(hook, "resume").await,
        }
    }

    async fn hooks(&self) -> Result<Vec<Value>, Failure> {
        self.api.list(&["event-hooks"], &[], usize::MAX).await
    }

    async fn list(&self) -> Result<(), Failure> {
        let (mut hooks, status) = (self.hooks().await?, self.api.get(&["status"]).await?);
        let all = status["event_hooks"].as_array().map(Vec::as_slice).unwrap_or_default();
        for hook in &mut hooks {
            hook["status"] = all.iter().find(|stats| stats["id"] == hook["id"]).cloned().unwrap_or_default();
        }
        if self.json {
            hooks.iter().for_each(|hook| print(hook.to_string()));
            return Ok(());
        }
        let row = |hook: &Value| {
            let stats = &hook["status"];
            // Kong's words have one event; ours may have several.
            let event = [&hook["source"], &hook["event"]].into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join("/");
            let events = if hook["events"].is_null() { event } else { cell(&hook["events"]) };
            let state = if stats.is_null() { "off".to_owned() } else { cell(&stats["state"]) };
            let [waiting, delivered, failed] = ["waiting", "delivered", "failed"].map(|key| cell(&stats[key]));
            [
                cell(&hook["name"]),
                state,
                cell(&hook["handler"]),
                show::plain(&events),
                waiting,
                delivered,
                failed,
                cell(&stats["reason"]),
            ]
        };
        let head = ["NAME", "STATE", "HANDLER", "EVENTS", "WAITING", "DELIVERED", "FAILED", "REASON"];
        show::table(head, &hooks.iter().map(row).collect::<Vec<_>>()).into_iter().for_each(print);
        Ok(())
    }

    async fn test(&self, hook: &str, data: Option<&str>) -> Result<(), Failure> {
        let data = data.map_or_else(|| Ok(Map::new()), serde_json::from_str::<Map<String, Value>>);
        let data = data.map_err(|error| {
            Failure::Usage(format!(
                "--data: this is no JSON object: {error}; write one such as '{{\"consumer\": {{\"username\": \"Joe\"}}}}'"
            ))
        })?;
        let tested = self.api.post(&["event-hooks", hook, "test"], &data.into()).await?;
        let result = &tested["result"];
        if self.json {
            print(tested.to_string());
        } else {
            print(format!("data    {}", show::plain(&tested["data"].to_string())));
            print(format!("status  {}", cell(&result["status"])));
            print(format!("body    {}", cell(&result["body"])));
            print(format!("took    {} ms", cell(&result["latency"])));
        }
        match &result["error"] {
            Value::Null => Ok(()),
            error => Err(anyhow!("the test of \"{hook}\" failed: {}", cell(error)))?,
        }
    }

    async fn deliveries(&self, hook: Option<&str>, state: Option<&str>, limit: usize) -> Result<(), Failure> {
        let query: Vec<(&str, &str)> = state.map(|state| ("state", state)).into_iter().collect();
        let records = self.api.list(&path_of(hook), &query, limit).await?;
        if self.json {
            records.iter().for_each(|record| print(record.to_string()));
            return Ok(());
        }
        let names = Names::of(&self.hooks().await?);
        let rows: Vec<_> = records.iter().map(|record| show::delivery(record, &names)).collect();
        show::table(show::DELIVERY, &rows).into_iter().for_each(print);
        Ok(())
    }

    async fn replay(&self, id: &str) -> Result<(), Failure> {
        let record = self.api.post(&["deliveries", id, "replay"], &json!({})).await.map_err(nothing_replayed)?;
        print(if self.json { record.to_string() } else { format!("{} is tried again", cell(&record["id"])) });
        Ok(())
    }

    async fn replay_range(&self, range: &Replay) -> Result<(), Failure> {
        let hook = range.hook.as_deref().unwrap_or_default();
        let said = [("state", json!(range.state)), ("since", json!(range.since)), ("until", json!(range.until))];
        let body: Map<String, Value> =
            said.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.to_owned(), value)).collect();
        let path = ["event-hooks", hook, "deliveries", "replay"];
        let counts = self.api.post(&path, &body.into()).await.map_err(nothing_replayed)?;
        let (replayed, skipped) = (cell(&counts["replayed"]), cell(&counts["skipped"]));
        print(if self.json {
            counts.to_string()
        } else {
            format!("{replayed} are tried again, {skipped} were left as they are")
        });
        Ok(())
    }

    async fn switch(&self, hook: &str, action: &str) -> Result<(), Failure> {
        let stats = self.api.post(&["event-hooks", hook, action], &json!({})).await?;
        let waiting = cell(&stats["waiting"]);
        print(if self.json { stats.to_string() } else { format!("{hook} is {}, {waiting} events wait", cell(&stats["state"])) });
        Ok(())
    }
}

/// Where deliveries are listed.
fn path_of(hook: Option<&str>) -> Vec<&str> {
    hook.map_or_else(|| vec!["deliveries"], |hook| vec!["event-hooks", hook, "deliveries"])
}

fn nothing_replayed(failure: Failure) -> Failure {
    match failure {
        Failure::Start(error) => error.context("nothing was replayed").into(),
        other => other,
    }
}
