//! A gateway in memory: it does with every edit what the real one does, on a file that is a string.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sluice_admin::{AddressHealth, Control, Edit, Exposition, Refusal, Status, TargetHealth, UpstreamHealth};
use sluice_config::{Config, Diagnostics, ProcessEnvironment, Source};
use sluice_hooks::Engine;
use sluice_plugins::Limiters;
use tokio::sync::Barrier;

pub const FILE: &str = r#"
[services.demo]
url = "http://127.0.0.1:8080/anything"
[services.other]
url = "http://127.0.0.1:8081"
[upstreams.app]
targets = [{ target = "10.0.0.1", weight = 7 }, "lost.invalid"]
healthchecks.active.unhealthy.interval = 0.5
[upstreams.off]
targets = ["10.0.0.1:1"]
[routes.demo]
service = "demo"
paths = ["/demo"]
[routes."with space"]
service = "other"
paths = ["/other"]
[consumers.Joe]
key-auth = [{ key = "joe-key" }]
[plugins.prometheus]
[services.demo.plugins.key-auth]
key_names = ["apikey"]
[services.demo.plugins.rate-limiting-advanced]
limit = [3]
window_size = [60]
redis = { password = "hush" }
[consumers.Joe.plugins.rate-limiting-advanced]
instance_name = "limit-of-joe"
tags = ["a"]
limit = [5]
window_size = [60]
"#;

pub struct Fake {
    state: Mutex<State>,
    /// It does not run.
    engine: Arc<Engine>,
}

struct State {
    file: Value,
    config: Arc<Config>,
    version: u64,
    edits: Vec<Edit>,
    read_only: bool,
    disk_full: bool,
    gathering: Option<Arc<Barrier>>,
}

impl Fake {
    pub fn new(file: &str) -> Arc<Self> {
        let file: Value = toml::from_str(file).unwrap();
        let config = Arc::new(read(&file, None).unwrap());
        Arc::new(Self {
            state: Mutex::new(State {
                file,
                config,
                version: 1,
                edits: Vec::new(),
                read_only: false,
                disk_full: false,
                gathering: None,
            }),
            engine: Engine::new(Arc::default(), sluice_hooks::Options::new("nowhere")),
        })
    }

    /// The edits so far.
    pub fn edits(&self) -> Vec<Edit> {
        self.state.lock().unwrap().edits.clone()
    }

    /// What stands at `event_hooks` in the file.
    pub fn hooks(&self) -> Value {
        self.state.lock().unwrap().file["event_hooks"].clone()
    }

    pub fn read_only(&self) {
        self.state.lock().unwrap().read_only = true;
    }

    pub fn disk_full(&self) {
        self.state.lock().unwrap().disk_full = true;
    }

    /// Changes wait for each other until there are so many.
    pub fn gather(&self, changes: usize) {
        self.state.lock().unwrap().gathering = Some(Arc::new(Barrier::new(changes)));
    }

    /// Somebody breaks the file by hand.
    pub fn break_by_hand(&self) {
        self.state.lock().unwrap().file["routes"]["demo"]["service"] = json!("dmeo");
    }
}

#[async_trait]
impl Control for Fake {
    fn config(&self) -> Arc<Config> {
        self.state.lock().unwrap().config.clone()
    }

    fn status(&self) -> Status {
        let state = self.state.lock().unwrap();
        Status {
            version: state.version,
            applied_at: 1_700_000_000,
            problems: vec!["a problem".into()],
            refused: 1,
            total_requests: 7,
            active_requests: 2,
            failed_handshakes: 1,
        }
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn engine(&self) -> Arc<Engine> {
        self.engine.clone()
    }

    fn limiters(&self) -> Arc<Limiters> {
        Arc::default()
    }

    fn measure(&self, out: &mut Exposition) {
        out.counter("measured_total", "What only the gateway counts.").value(3);
    }

    fn upstream_health(&self, upstream: &str) -> Option<UpstreamHealth> {
        let address = |last| AddressHealth { ip: format!("10.0.0.{last}"), port: 8000, healthy: false };
        let targets = vec![
            TargetHealth { target: "10.0.0.1:8000".into(), lost: false, addresses: vec![address(1), address(2)] },
            TargetHealth { target: "lost.invalid:8000".into(), lost: true, addresses: vec![] },
        ];
        (upstream == "app").then_some(UpstreamHealth { healthy: true, watched: true, targets })
    }

    fn set_health(&self, upstream: &str, target: (&str, Option<&str>), _: bool) -> bool {
        upstream == "app" && target.0 == "10.0.0.1:8000" && target.1.is_none_or(|address| address == "10.0.0.1")
    }

    async fn change(&self, edit: Edit) -> Result<u64, Refusal> {
        let gathering = self.state.lock().unwrap().gathering.clone();
        if let Some(barrier) = gathering {
            barrier.wait().await;
        }
        let mut state = self.state.lock().unwrap();
        state.edits.push(edit.clone());
        if state.read_only {
            return Err(Refusal::ReadOnly);
        }
        let mut file = state.file.clone();
        apply(&mut file, edit)?;
        let config = read(&file, Some(&state.config)).map_err(Refusal::Invalid)?;
        if state.disk_full {
            return Err(Refusal::File("cannot write gateway.toml: no space left on device".into()));
        }
        state.file = file;
        state.config = Arc::new(config);
        state.version += 1;
        Ok(state.version)
    }
}

fn apply(file: &mut Value, edit: Edit) -> Result<(), Refusal> {
    let (Edit::Add { section, .. } | Edit::Put { section, .. } | Edit::Patch { section, .. } | Edit::Remove { section, .. }) =
        &edit;
    let section = file.as_object_mut().unwrap().entry(*section).or_insert_with(|| json!({})).as_object_mut().unwrap();
    match edit {
        Edit::Add { name, .. } if section.contains_key(&name) => return Err(Refusal::Taken),
        Edit::Add { name, table, .. } | Edit::Put { name, table, .. } => {
            section.insert(name, table.into());
        }
        Edit::Patch { name, changes, .. } => merge(section.get_mut(&name).ok_or(Refusal::Absent)?, changes),
        Edit::Remove { name, .. } => {
            section.shift_remove(&name);
        }
    }
    Ok(())
}

fn merge(old: &mut Value, changes: Map<String, Value>) {
    if !old.is_object() {
        *old = json!({});
    }
    let old = old.as_object_mut().unwrap();
    for (key, value) in changes {
        match value {
            Value::Null => {
                old.shift_remove(&key);
            }
            Value::Object(changes) => merge(old.entry(key).or_insert(Value::Null), changes),
            value => {
                old.insert(key, value);
            }
        }
    }
}

fn read(file: &Value, previous: Option<&Config>) -> Result<Config, Diagnostics> {
    let text = toml::to_string(file).unwrap();
    let mut draft = sluice_config::read(Source::new("gateway.toml", text), &ProcessEnvironment);
    draft.problems.extend(sluice_hooks::build(&draft.config.event_hooks, &sluice_hooks::Egress::default()).1);
    let mut config = draft.finish()?;
    config.stamp(previous, 1_700_000_000);
    Ok(config)
}
