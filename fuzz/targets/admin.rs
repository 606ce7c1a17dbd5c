//! Requests of the Admin API: whatever comes is answered, with no status of ours for what we did wrong, and what is taken
//! fits into gateway.toml.
#![no_main]

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use sluice_admin::{Caller, Control, Edit, Exposition, Options, Refusal, Status, UpstreamHealth, router};
use sluice_config::{Config, Diagnostics, ProcessEnvironment, Source, read};
use sluice_hooks::{Egress, Engine};
use sluice_plugins::Limiters;
use tower::ServiceExt;

thread_local! {
    static WORLD: (tokio::runtime::Runtime, axum::Router) = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let fake = Fake { config: Arc::new(config(&json!({ "consumers": { "Joe": {} }, "event_hooks": { "one": hook() } })).expect("it is sound")) };
        (runtime, router(Arc::new(fake), Options { version: "0.1.0", ..Options::default() }))
    };
}

fn hook() -> Value {
    json!({ "source": "crud", "event": "routes", "handler": "log" })
}

/// A gateway that forgets every change again.
struct Fake {
    config: Arc<Config>,
}

fn config(file: &Value) -> Result<Config, Diagnostics> {
    let text = toml::to_string(file).expect("what the Admin API writes fits TOML");
    let mut draft = read(Source::new("gateway.toml", text), &ProcessEnvironment);
    draft.problems.extend(sluice_hooks::build(&draft.config.event_hooks, &Egress::default()).1);
    draft.finish()
}

fn merge(old: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (key, change) in changes {
        match (old.get_mut(&key), change) {
            (_, Value::Null) => drop(old.shift_remove(&key)),
            (Some(Value::Object(old)), Value::Object(changes)) => merge(old, changes),
            (_, change) => drop(old.insert(key, change)),
        }
    }
}

#[async_trait]
impl Control for Fake {
    fn config(&self) -> Arc<Config> {
        self.config.clone()
    }

    fn status(&self) -> Status {
        Status::default()
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn engine(&self) -> Arc<Engine> {
        Engine::new(Arc::default(), sluice_hooks::Options::new("nowhere"))
    }

    fn limiters(&self) -> Arc<Limiters> {
        Arc::default()
    }

    fn measure(&self, _out: &mut Exposition) {}

    fn upstream_health(&self, _upstream: &str) -> Option<UpstreamHealth> {
        None
    }

    fn set_health(&self, _upstream: &str, _target: (&str, Option<&str>), _healthy: bool) -> bool {
        false
    }

    async fn change(&self, edit: Edit) -> Result<u64, Refusal> {
        let (section, name, table) = match edit {
            Edit::Add { section, name, table } | Edit::Put { section, name, table } => (section, name, table),
            Edit::Patch { section, name, changes } => {
                let mut table = hook().as_object().cloned().unwrap_or_default();
                merge(&mut table, changes);
                (section, name, table)
            }
            Edit::Remove { .. } => return Ok(2),
        };
        config(&json!({ section: { name: table } })).map(|_| 2).map_err(Refusal::Invalid)
    }
}

// `METHOD PATH CONTENT-TYPE` in the first line; what follows is the body.
fuzz_target!(|said: &[u8]| {
    let cut = said.iter().position(|byte| *byte == b'\n').unwrap_or(said.len());
    let Ok(first) = std::str::from_utf8(&said[..cut]) else { return };
    let mut words = first.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let request = Request::builder().method(word()).uri(word()).header("host", "127.0.0.1").header("content-type", word());
    let request = request.extension(Caller::by_address(([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 8001).into()));
    let Ok(request) = request.body(Body::from(said.get(cut + 1..).unwrap_or_default().to_vec())) else { return };
    let (status, body) = WORLD.with(|(runtime, router)| {
        runtime.block_on(async {
            let answer = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            let status = answer.status();
            (status, answer.into_body().collect().await.expect("a whole answer").to_bytes())
        })
    });
    assert_ne!(status.as_u16(), 500, "{}", String::from_utf8_lossy(&body));
});
