//! A gateway in memory: it does with every edit what the real one does, on a file that is a string.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sluice_admin::{
    AddressHealth, Changed, Control, Exposition, Plan, Planned, Refusal, Replaced, Status, Step, TargetHealth, Told,
    UpstreamHealth,
};
use sluice_config::{Config, Diagnostics, KeyPath, ProcessEnvironment, Segment, Source};
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
    steps: Vec<Step>,
    read_only: bool,
    disk_full: bool,
    gathering: Option<Arc<Barrier>>,
    /// How many changes have been asked for.
    asked: usize,
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
                steps: Vec::new(),
                read_only: false,
                disk_full: false,
                gathering: None,
                asked: 0,
            }),
            engine: Engine::new(Arc::default(), sluice_hooks::Options::new("nowhere")),
        })
    }

    /// The steps so far, also of changes that were refused.
    pub fn steps(&self) -> Vec<Step> {
        self.state.lock().unwrap().steps.clone()
    }

    /// What stands at `event_hooks` in the file.
    pub fn hooks(&self) -> Value {
        self.file()["event_hooks"].clone()
    }

    /// What the file says.
    pub fn file(&self) -> Value {
        self.state.lock().unwrap().file.clone()
    }

    /// How many changes have been asked for, made or not.
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
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
            ..Status::default()
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

    fn text(&self) -> String {
        toml::to_string(&self.state.lock().unwrap().file).unwrap()
    }

    async fn check(&self, text: String) -> Result<Vec<Told>, Refusal> {
        let file: Value = toml::from_str(&text).unwrap();
        read(&file, None).map(|_| Vec::new()).map_err(|problems| Refusal::Invalid(problems, KeyPath::default()))
    }

    async fn replace(&self, text: String, _: Option<Vec<u64>>) -> Result<Replaced, Refusal> {
        self.check(text.clone()).await?;
        let mut state = self.state.lock().unwrap();
        state.file = toml::from_str(&text).unwrap();
        state.version += 1;
        Ok(Replaced { version: state.version, is_new: true, changes: Vec::new(), waiting_for_start: Vec::new() })
    }

    async fn rehearse(&self, plan: Plan) -> Result<(), Refusal> {
        let state = self.state.lock().unwrap();
        let Planned { steps, at, .. } = plan(&state.config).map_err(Refusal::Unplanned)?;
        let mut file = state.file.clone();
        steps.into_iter().for_each(|step| apply(&mut file, step));
        read(&file, Some(&state.config)).map(drop).map_err(|problems| Refusal::Invalid(problems, at))
    }

    async fn change(&self, plan: Plan, expected: Option<Vec<u64>>) -> Result<Changed, Refusal> {
        let gathering = {
            let mut state = self.state.lock().unwrap();
            state.asked += 1;
            state.gathering.clone()
        };
        if let Some(barrier) = gathering {
            barrier.wait().await;
        }
        let mut state = self.state.lock().unwrap();
        if expected.is_some_and(|all| !all.contains(&state.version)) {
            return Err(Refusal::Stale(state.version));
        }
        let base = read(&state.file, Some(&state.config)).map_err(Refusal::Broken)?;
        let Planned { steps, at, id } = plan(&base).map_err(Refusal::Unplanned)?;
        if state.read_only && !steps.is_empty() {
            return Err(Refusal::ReadOnly);
        }
        state.steps.extend(steps.clone());
        let mut file = state.file.clone();
        steps.into_iter().for_each(|step| apply(&mut file, step));
        let config = read(&file, Some(&state.config)).map_err(|problems| Refusal::Invalid(problems, at))?;
        if state.disk_full {
            return Err(Refusal::File("cannot write gateway.toml: no space left on device".into()));
        }
        state.file = file;
        state.config = Arc::new(config);
        state.version += 1;
        Ok(Changed { version: state.version, config: state.config.clone(), id })
    }
}

fn apply(file: &mut Value, step: Step) {
    match step {
        Step::Put { at, mut table, keep } => {
            let place = slot(file, &at);
            for key in keep {
                if let Some(kept) = place.get(&key) {
                    table.insert(key, kept.clone());
                }
            }
            *place = without_nulls(table.into());
        }
        Step::Merge { at, changes } => merge(slot(file, &at), changes),
        Step::Push { at, value } => match slot(file, &at) {
            Value::Array(items) => items.push(value),
            place => *place = json!([value]),
        },
        Step::Remove { at } => {
            let (last, before) = at.0.split_last().unwrap();
            match (slot(file, &KeyPath(before.to_vec())), last) {
                (Value::Object(table), Segment::Key(key)) => {
                    table.shift_remove(key);
                }
                (Value::Array(items), Segment::Index(index)) => {
                    items.remove(*index);
                }
                other => panic!("nothing to remove there: {other:?}"),
            }
        }
        Step::Rename { at, name } => {
            let (Segment::Key(old), before) = at.0.split_last().unwrap() else { panic!("no name: {at}") };
            let table = slot(file, &KeyPath(before.to_vec()));
            let entity = table.as_object_mut().unwrap().shift_remove(old).unwrap();
            table[name] = entity;
        }
    }
}

fn slot<'a>(file: &'a mut Value, at: &KeyPath) -> &'a mut Value {
    at.0.iter().fold(file, |value, segment| match segment {
        Segment::Key(key) => &mut value[key],
        Segment::Index(index) => &mut value[*index],
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            table.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect()
        }
        value => value,
    }
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
